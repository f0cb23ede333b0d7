"""Where a training step of the coursework's model goes: each layer, forwards and backwards, the losses and the update.

    python benchmarks/profile_step.py                 # of 128 px, on TensorFlow and a CPU

Each part is measured by itself, so that their sum is not quite the step. Beside the milliseconds stands what the
arithmetic alone would take at the rate at which this machine multiplies two large matrices in the same precision.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.train_step import build, noise_batch
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.quiet import import_tensorflow

SIDE = 4096  # of the matrices whose product is measured
# Forwards, and backwards to the weights and to what came in, each as many operations.
PASSES = 3


def median_seconds(function, rounds):
    function()
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        function()
        found.append(time.perf_counter() - begun)
    return float(np.median(found))


def rate(dtype, rounds):
    """Operations a second of a product of two large matrices."""
    import tensorflow as tf

    square = tf.cast(tf.random.normal((SIDE, SIDE)), dtype)
    return 2 * SIDE**3 / median_seconds(lambda: tf.matmul(square, square), rounds)


def operations(layer):
    """Multiplications and additions of one image on the way forwards, of a layer that multiplies by a matrix."""
    if not hasattr(layer, "kernel"):
        return 0
    widened = "Transpose" in type(layer).__name__
    places = (layer.input if widened else layer.output).shape[1:-1]
    return 2 * int(np.prod(layer.kernel.shape)) * int(np.prod(places))


def layer_seconds(layer, batch_size, rounds):
    """Of a layer in training, forwards and backwards."""
    import keras
    import tensorflow as tf

    def random(tensor):
        return tf.cast(tf.random.normal((batch_size, *tensor.shape[1:])), layer.compute_dtype)

    inputs = keras.tree.map_structure(random, layer.input)
    after = random(layer.output)
    weights = [weight.value for weight in layer.trainable_weights]

    @tf.function
    def both(inputs, after):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.cast(layer(inputs, training=True), after.dtype)
        # With the outputs, since TensorFlow leaves out what nobody asks for.
        return outputs, tape.gradient(outputs, [inputs, weights], output_gradients=after)

    return median_seconds(lambda: both(inputs, after), rounds)


def losses_seconds(model, batch_size, rounds):
    import tensorflow as tf

    shape = (batch_size, model.image_size, model.image_size, 3)
    image, picture = tf.random.uniform(shape), tf.random.uniform(shape)
    mean = tf.random.normal((batch_size, model.latent_dim))

    @tf.function
    def both(picture, mean):
        with tf.GradientTape() as tape:
            tape.watch([picture, mean])
            loss = model.compute_loss((image, None), None, (picture, mean, mean))
        return tape.gradient(loss, [picture, mean])

    return median_seconds(lambda: both(picture, mean), rounds)


def update_seconds(model, rounds):
    import tensorflow as tf

    gradients = [tf.random.normal(weight.shape) for weight in model.trainable_variables]
    update = tf.function(lambda: model.optimizer.apply(gradients))
    return median_seconds(update, rounds)


def parts_of(model, batch_size, rounds):
    """[(part, kind, seconds, operations)], of which layers that only reshape are no part."""
    found = []
    for network in (model.encoder, model.decoder):
        for layer in network.layers:
            if layer.weights or "ReLU" in type(layer).__name__ or "Activation" in type(layer).__name__:
                shape = " x ".join(map(str, layer.output.shape[1:]))
                kind = type(layer).__name__.replace("Conv2DTranspose", "Conv2D")
                seconds = layer_seconds(layer, batch_size, rounds)
                name = f"{network.name}: {type(layer).__name__} to {shape}"
                found.append((name, kind, seconds, PASSES * batch_size * operations(layer)))
    found.append(("losses", "losses", losses_seconds(model, batch_size, rounds), 0))
    found.append(("Adam's update", "update", update_seconds(model, rounds), 0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--size", type=int, default=128, choices=(64, 128), help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    arguments = parser.parse_args()
    import_tensorflow()
    from cvae.nn.precision import best_policy

    model, batch = build(arguments.size, best_policy(), plain=False), noise_batch(arguments.size, arguments.batch_size)
    whole = median_seconds(lambda: model.train_on_batch(batch), arguments.rounds)
    parts = parts_of(model, arguments.batch_size, arguments.rounds)
    speed = rate(model.compute_dtype, arguments.rounds)
    print(f"{model.dtype_policy.name}, {speed / 1e9:.0f} billion operations a second in products of matrices\n")
    print(f"| {arguments.size} px, batches of {arguments.batch_size} | ms | of the step | its arithmetic alone, ms |")
    print("|---|---|---|---|")
    kinds = dict.fromkeys(kind for _, kind, _, _ in parts)
    totals = [(f"all {kind}", *_sum(parts, kind)) for kind in kinds if kind not in ("losses", "update")]
    for name, seconds, count in [("the step", whole, sum(part[3] for part in parts)), *totals] + [
        (name, seconds, count) for name, _, seconds, count in parts
    ]:
        arithmetic = f"{1000 * count / speed:.1f}" if count else ""
        print(f"| {name} | {1000 * seconds:.1f} | {seconds / whole:.0%} | {arithmetic} |")


def _sum(parts, kind):
    own = [part for part in parts if part[1] == kind]
    return sum(part[2] for part in own), sum(part[3] for part in own)


if __name__ == "__main__":
    run_command(main, again="run it again")
