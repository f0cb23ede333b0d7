"""A flow's sampling loop compiled as one graph, beside a Python loop over `predict_on_batch`.

    python benchmarks/sampling.py                          # TensorFlow
    KERAS_BACKEND=jax python benchmarks/sampling.py

The network is `64-flow`'s at half width, with random weights: eight pictures of one prompt, twelve of Euler's steps,
guidance 3. Both take turns, so that whatever else the machine does hits both; the median counts.
"""

import argparse
import itertools
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.quiet import import_keras


def python_loop(network, x, condition, times, guidance):
    """What version 0.1 did: the network looked up, called and read back once a step."""
    for now, then in itertools.pairwise(times.tolist()):
        both = [np.concatenate([x, x]), np.full(2 * len(x), min(now, 0.96), np.float32)]
        conditions = np.concatenate([condition, np.zeros_like(condition)])
        conditional, unconditional = np.split(network.predict_on_batch([*both, conditions]), 2)
        x = x + (then - now) * (unconditional + guidance * (conditional - unconditional))
    return x


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--pictures", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=12, help="default: %(default)s")
    parser.add_argument("--times", type=int, default=9, help="of each (default: %(default)s)")
    parser.add_argument("--width", type=int, default=256, help="the token dimension (default: %(default)s)")
    arguments = parser.parse_args()

    keras = import_keras()
    from cvae.nn.flow_networks import build_grid_network
    from cvae.nn.precision import best_policy, wants_xla
    from cvae.nn.samplers import compile_integration, times_between

    policy = best_policy()
    network = build_grid_network((8, 8, 8), 512, arguments.width, 8, policy)
    network.jit_compile = wants_xla()
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.02, weight.shape) for weight in network.get_weights()])
    x = rng.standard_normal((arguments.pictures, 8, 8, 8)).astype(np.float32)
    condition = np.tile(rng.standard_normal((1, 512)).astype(np.float32) / 512**0.5, (arguments.pictures, 1))
    times, compiled = times_between(1, 0, arguments.steps), compile_integration(network, True, "euler")

    def one_graph():
        # There is no step before the first: no velocity, and all the time since.
        arrays = (x, np.zeros_like(x), np.float32(np.inf), condition, times, np.float32(3))
        return np.asarray(compiled(*map(keras.ops.convert_to_tensor, arrays))[0])

    forms = {
        "a loop over predict_on_batch": lambda: python_loop(network, x, condition, times, 3),
        "one graph": one_graph,
    }
    results = [form() for form in forms.values()]
    apart = np.abs(results[0] - results[1]).max()
    seconds = {name: [] for name in forms}
    for _ in range(arguments.times):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            seconds[name].append(time.perf_counter() - start)
    plain, ours = (float(np.median(taken)) for taken in seconds.values())
    heading = f"{keras.backend.backend()}, {policy}, {arguments.pictures} pictures, {arguments.steps} steps"
    print(f"{heading:<52} {'ms':>8} {'ratio':>7}")
    print(f"{'a loop over predict_on_batch':<52} {1000 * plain:>8.0f} {1:>7.2f}")
    print(f"{'one graph':<52} {1000 * ours:>8.0f} {plain / ours:>7.2f}")
    print(f"Their largest difference is {apart:.2g}.")


if __name__ == "__main__":
    run_command(main, again="run it again")
