"""A training step of the 128 px CVAE beside the same layers trained the plain way, and the input pipeline alone.

    python benchmarks/train_step.py

Plain: float32, Keras' own layers, no options, the same losses, SSIM by depthwise convolutions included. Neither is
compiled by XLA, which is slower on CPUs. Steps alternate, so that whatever else the machine does hits both.
"""

import argparse
import pathlib
import sys
import tempfile
import time
import unittest.mock

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def build(size, policy, plain):
    import keras

    from cvae.nn.optimizers import Adam
    from cvae.systems.coursework.model import ClipCVAE

    keras.utils.set_random_seed(0)
    if plain:
        with unittest.mock.patch("cvae.systems.coursework.model.BatchNormalization", keras.layers.BatchNormalization):
            model = ClipCVAE(size, dtype="float32")
    else:
        model = ClipCVAE(size, dtype=policy)
    optimizer = keras.optimizers.Adam if plain else Adam
    model.compile(optimizer(5e-4), jit_compile=False)
    return model


def noise_batch(size, batch_size):
    """Images and embeddings of noise."""
    rng = np.random.default_rng(0)
    image = rng.random((batch_size, size, size, 3), np.float32)
    return image, rng.standard_normal((batch_size, 512)).astype(np.float32)


def pipeline_seconds(size, batch_size, batches=60):
    """Seconds a batch that the input pipeline takes by itself, on drawn scenes embedded by the small CLIP."""
    from preprocess.coco.build import preprocess_coco
    from preprocess.embedding.embed import embed_folder
    from preprocess.embedding.process import EncoderProcess
    from preprocess.pasture import PASTURE_CLIP
    from preprocess.pasture.archive import write_archive
    from preprocess.shards.read import load

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_archive(folder / "pasture", 600, seed=0, workers=2)
        preprocess_coco(folder / "pasture" / "train2017.zip", folder / "shards", theme="large", workers=2)
        with EncoderProcess(str(PASTURE_CLIP)) as encoder:
            embed_folder(folder / "shards", folder / "embedded", encoder)
        data = iter(load(folder / "embedded", size, "image", "train", batch_size, repeat=True))
        for _ in range(10):
            next(data)
        start = time.perf_counter()
        for _ in range(batches):
            next(data)
        return (time.perf_counter() - start) / batches


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--size", type=int, default=128, choices=(64, 128), help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=7, help="steps of each (default: %(default)s)")
    arguments = parser.parse_args()
    from preprocess.utils.quiet import import_tensorflow

    import_tensorflow()
    from cvae.nn.precision import best_policy

    policy, batch = best_policy(), noise_batch(arguments.size, arguments.batch_size)
    models = {"plain, float32": build(arguments.size, policy, plain=True), policy: build(arguments.size, policy, False)}
    seconds = {name: [] for name in models}
    for step in range(arguments.steps + 2):
        for name, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(batch)
            if step >= 2:
                seconds[name].append(time.perf_counter() - start)
    plain, ours = (float(np.median(values)) for values in seconds.values())
    pipeline = pipeline_seconds(arguments.size, arguments.batch_size)
    print(f"{f'{arguments.size} px, batch {arguments.batch_size}':<36} {'ms a step':>10} {'ratio':>7}")
    print(f"{'the same layers, plain, float32':<36} {1000 * plain:>10.0f} {1:>7.2f}")
    print(f"{f'ClipCVAE, {policy}':<36} {1000 * ours:>10.0f} {plain / ours:>7.2f}")
    print(f"{'input pipeline, beside that step':<36} {1000 * pipeline:>10.1f} {ours / pipeline:>7.1f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
