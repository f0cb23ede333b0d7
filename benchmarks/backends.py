"""A training step of the models on Keras' backends, in float32 and in bfloat16, one process each, one after another.

    python benchmarks/backends.py

Models have their full width and get noise to learn; what was compiled before the first step does not count.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.quiet import BACKENDS, import_keras

SIZE, DIM = 64, 512
# Seconds after which the step that is under way is the last.
ENOUGH = 20


def coursework(policy):
    from cvae.systems.coursework.model import ClipCVAE

    return ClipCVAE(SIZE, dtype=policy)


def autoencoder(policy):
    from cvae.systems.flow.spatial_vae import SpatialVAE

    return SpatialVAE(SIZE, dtype=policy)


def flow(policy):
    from cvae.systems.flow.model import LatentFlow
    from cvae.systems.flow.spatial_vae import SpatialVAE

    return LatentFlow(SpatialVAE(SIZE), DIM, 512, 8, dtype=policy)


# Names with what builds them, and images a step.
MODELS = {"64-image": (coursework, 16), "64-autoencoder": (autoencoder, 8), "64-flow": (flow, 64)}


def step_seconds(name, policy):
    """The mean seconds of a training step of a model on this process's backend, after the first."""
    import_keras()
    from cvae.nn.optimizers import Adam
    from cvae.nn.precision import wants_xla

    build, count = MODELS[name]
    model = build(policy)
    rng = np.random.default_rng(0)
    shape = model.autoencoder.grid if name == "64-flow" else (SIZE, SIZE, 3)
    images = rng.random((count, *shape), np.float32)
    embeddings = rng.standard_normal((count, DIM)).astype(np.float32)
    batch = (images,) if name == "64-autoencoder" else ((images, embeddings),)
    model.compile(Adam(1e-4), jit_compile=wants_xla())
    model.train_on_batch(*batch)
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < ENOUGH:
        model.train_on_batch(*batch)
        steps += 1
    return (time.perf_counter() - begun) / steps


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--only", nargs=2, metavar=("MODEL", "POLICY"), help="one, on the backend of KERAS_BACKEND")
    arguments = parser.parse_args()
    if arguments.only:
        print(step_seconds(*arguments.only))
        return
    print(f"{'seconds a step':<16}" + "".join(f"{backend:>24}" for backend in BACKENDS) + f"{'ratio':>8}")
    for name in MODELS:
        for policy in ("float32", "mixed_bfloat16"):
            seconds = [
                float(
                    subprocess.run(
                        [sys.executable, __file__, "--only", name, policy],
                        env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True, check=True,
                    ).stdout
                )
                for backend in BACKENDS
            ]  # fmt: skip
            row = "".join(f"{found:>24.3f}" for found in seconds)
            print(f"{name:<16}{row}{seconds[1] / seconds[0]:>8.1f}  {policy}", flush=True)


if __name__ == "__main__":
    run_command(main)
