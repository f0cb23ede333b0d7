"""What a training step costs by the choices that depend on the device: precision, XLA, steps at once, the pipeline.

    python benchmarks/devices.py                  # on the GPU, TPU or CPU at hand
    KERAS_BACKEND=jax python benchmarks/devices.py --only 64-flow

Each choice is measured by `fit` on noise, in turns, so that whatever else the machine does hits all of them; what was
compiled before does not count. Prints ratios to what `cvae train` chooses here, and which choice was the quickest.
JAX always compiles by XLA, so there is no choice of it.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.train_step import pipeline_seconds
from preprocess.utils.command import run_command
from preprocess.utils.datasets import streamed
from preprocess.utils.errors import summary
from preprocess.utils.quiet import import_keras

DIM, STEPS_AT_ONCE = 512, (1, 8)


def _coursework(size):
    from cvae.systems.coursework.model import ClipCVAE

    return lambda policy: ClipCVAE(size, dtype=policy)


def _autoencoder(policy):
    from cvae.systems.flow.autoencoder import Autoencoder

    return Autoencoder(dtype=policy)


def _flow(size):
    def build(policy):
        from cvae.systems.flow.model import LatentFlow
        from cvae.systems.flow.task import DEPTH, WIDTH

        return LatentFlow("autoencoder", DIM, WIDTH, DEPTH, image_size=size, dtype=policy)

    return build


# What builds them, the side of what they are given, and its channels.
MODELS = {
    "64-image": (_coursework(64), 64, 3),
    "128-image": (_coursework(128), 128, 3),
    "autoencoder": (_autoencoder, 64, 3),
    "64-flow": (_flow(64), 16, 4),
    "128-flow": (_flow(128), 32, 4),
}


def trainer(name, batch_size, policy, xla, at_once):
    """A function that trains a model for a number of steps by `fit`."""
    import keras

    from cvae.nn.optimizers import Adam

    build, side, channels = MODELS[name]
    rng = np.random.default_rng(0)
    images = rng.random((batch_size, side, side, channels), np.float32)
    batch = (images,) if name == "autoencoder" else (images, rng.standard_normal((batch_size, DIM)).astype(np.float32))
    model = build(policy)
    model.compile(Adam(1e-4), jit_compile=xla, steps_per_execution=at_once)
    # `fit` takes a tuple in a tuple for what the model is called with.
    whole = batch if len(batch) == 1 else (batch,)

    def batches():
        while True:
            yield whole

    data = streamed(batches) if keras.backend.backend() == "tensorflow" else batches()

    def train(steps):
        begun = time.perf_counter()
        model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        return (time.perf_counter() - begun) / steps

    return train


def choices_here():
    """{label: (policy, XLA, steps at once)}: first what `cvae train` chooses, then with one thing changed."""
    import keras

    from cvae.nn.precision import best_policy, wants_xla

    policy, xla = best_policy(), wants_xla()
    chosen = (policy, xla, 1)
    found = {f"{policy}, {'XLA' if xla else 'no XLA'}, a step at once (as `cvae train` does)": chosen}
    others = ["float32", "mixed_bfloat16", "mixed_float16"]
    if _device().lower() == "cpu":
        # TensorFlow imitates it there, a step for minutes; JAX's products have none.
        others.remove("mixed_float16")
    for other in others:
        if other != policy:
            found[other] = (other, xla, 1)
    if keras.backend.backend() == "tensorflow":
        found["no XLA" if xla else "XLA"] = (policy, not xla, 1)
    for steps in STEPS_AT_ONCE[1:]:
        found[f"{steps} steps at once"] = (policy, xla, steps)
    return found


def measure(name, batch_size, rounds):
    trainers = {label: trainer(name, batch_size, *choice) for label, choice in choices_here().items()}
    seconds = {label: [] for label in trainers}
    for turn in range(rounds + 1):
        for label, train in trainers.items():
            found = train(max(STEPS_AT_ONCE))
            if turn:
                seconds[label].append(found)
    return {label: float(np.median(found)) for label, found in seconds.items()}


def _device():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"


def _has_tensorflow():
    import importlib.util

    return importlib.util.find_spec("tensorflow") is not None


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--only", choices=MODELS, nargs="+", default=[*MODELS], help="(default: all)")
    parser.add_argument("--batch-size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of 8 steps each (default: %(default)s)")
    arguments = parser.parse_args()
    keras = import_keras()
    print(f"{keras.backend.backend()} on {_device()}, batches of {arguments.batch_size}\n")
    for name in arguments.only:
        keras.utils.set_random_seed(0)
        found = measure(name, arguments.batch_size, arguments.rounds)
        [first, *_] = found.values()
        print(f"{name:<64} {'ms a step':>10} {'ratio':>7}")
        for label, seconds in found.items():
            print(f"{label:<64} {1000 * seconds:>10.1f} {first / seconds:>7.2f}", flush=True)
        if name.endswith("-image") and _has_tensorflow():
            pipeline = pipeline_seconds(int(name.split("-")[0]), arguments.batch_size)
            print(f"{'the input pipeline alone':<64} {1000 * pipeline:>10.1f} {first / pipeline:>7.1f}")
        print(f"the quickest: {min(found, key=lambda label: found[label])}\n", flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    run_command(main, again="run it again")
