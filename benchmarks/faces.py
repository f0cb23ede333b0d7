"""A WGAN-GP's training beside the plain way, and the portraits' input pipeline beside the CVAE's step.

    python benchmarks/faces.py

A round is five critic steps and one of the generator. Plain: float32, Keras' own layers and optimisers, and each
network called by itself for real, drawn and mixed pictures, each step called from Python. Rounds alternate, so that
whatever else the machine does hits both.
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

CONDITION_DIM = 40


def plain_round(width, batch):
    """A function that trains one round the plain way."""
    import keras
    import tensorflow as tf

    from cvae.systems.faces import networks as portrait_networks

    with unittest.mock.patch.object(portrait_networks, "BatchNormalization", keras.layers.BatchNormalization):
        generator = portrait_networks.build_decoder(CONDITION_DIM, 128, width, "float32")
    critic = portrait_networks.build_critic(CONDITION_DIM, width, "float32")
    optimizers = [keras.optimizers.Adam(1e-4, 0.0, 0.9) for _ in range(2)]
    for optimizer, network in zip(optimizers, (critic, generator)):
        optimizer.build(network.trainable_variables)
    image, condition = map(tf.constant, batch)

    def draw():
        return generator([tf.random.normal((len(image), 128)), condition], training=True)

    @tf.function
    def train_critic():
        drawn = draw()
        mixed = drawn + tf.random.uniform((len(image), 1, 1, 1)) * (image - drawn)
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(mixed)
                score = critic([mixed, condition])[0]
            slopes = tf.sqrt(tf.reduce_sum(inner.gradient(score, mixed) ** 2, (1, 2, 3)) + 1e-12)
            loss = tf.reduce_mean(critic([drawn, condition])[0]) - tf.reduce_mean(critic([image, condition])[0])
            loss += 10 * tf.reduce_mean((slopes - 1) ** 2)
        optimizers[0].apply(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables)

    @tf.function
    def train_generator():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(critic([draw(), condition])[0])
        optimizers[1].apply(tape.gradient(loss, generator.trainable_variables), generator.trainable_variables)
        return loss

    def train_round():
        for _ in range(5):
            train_critic()
        return float(train_generator())

    return train_round


def our_round(width, batch):
    """A function that trains one round as `fit` does."""
    import tensorflow as tf

    from cvae.registry import find_variant
    from cvae.systems.faces.task import build_model
    from cvae.training.settings import Settings

    model = build_model(find_variant("celeba-wgan-gp"), CONDITION_DIM, Settings(learning_rate=1e-4, width=width))
    data = iter(tf.data.Dataset.from_tensors((batch,)).repeat())
    model.make_train_function()

    def train_round():
        for _ in range(5):
            result = model.train_function(data)
        return float(result["loss"])

    return train_round


def pipeline_and_step(width, batch_size, batches=60):
    """Seconds that the input pipeline takes for a batch, and the CVAE for a step, on drawn faces."""
    from cvae.systems.faces.task import FaceTask
    from preprocess.celeba.build import preprocess_celeba
    from preprocess.embedding.embed import embed_folder
    from preprocess.embedding.process import EncoderProcess
    from preprocess.faces.archive import ARCHIVE, TABLE, write_archive
    from preprocess.pasture import PASTURE_CLIP

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_archive(folder / "faces", 600, seed=0, workers=2)
        preprocess_celeba(folder / "faces" / ARCHIVE, folder / "faces" / TABLE, folder / "shards", workers=2)
        with EncoderProcess(str(PASTURE_CLIP)) as encoder:
            embed_folder(folder / "shards", folder / "embedded", encoder)
        task = FaceTask("celeba-cvae", folder / "embedded", {"batch_size": batch_size, "width": width})
        model, data = task.build(), iter(task.dataset("train"))
        [batch] = next(data)
        return seconds_of(lambda: next(data), batches), seconds_of(lambda: model.train_on_batch(batch), batches)


def seconds_of(work, times):
    for _ in range(10):
        work()
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--width", type=float, default=0.5, help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each (default: %(default)s)")
    arguments = parser.parse_args()
    from preprocess.utils.quiet import import_tensorflow

    import_tensorflow()
    from cvae.nn.precision import best_policy

    rng = np.random.default_rng(0)
    image = rng.random((arguments.batch_size, 64, 64, 3), np.float32)
    batch = image, rng.integers(0, 2, (arguments.batch_size, CONDITION_DIM)).astype(np.float32)
    rounds = [plain_round(arguments.width, batch), our_round(arguments.width, batch)]
    seconds = [[], []]
    for number in range(arguments.rounds + 2):
        for train_round, taken in zip(rounds, seconds):
            start = time.perf_counter()
            train_round()
            if number >= 2:
                taken.append(time.perf_counter() - start)
    plain, ours = (float(np.median(values)) for values in seconds)
    pipeline, step = pipeline_and_step(arguments.width, arguments.batch_size)
    print(f"{f'width {arguments.width}, batch {arguments.batch_size}':<36} {'ms':>8} {'ratio':>7}")
    print(f"{'a WGAN-GP round, plain, float32':<36} {1000 * plain:>8.0f} {1:>7.2f}")
    print(f"{f'ClipWGANGP, {best_policy()}':<36} {1000 * ours:>8.0f} {plain / ours:>7.2f}")
    print(f"{'a step of AttributeCVAE':<36} {1000 * step:>8.1f} {1:>7.2f}")
    print(f"{'its input pipeline, beside it':<36} {1000 * pipeline:>8.1f} {step / pipeline:>7.1f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
