"""How long `fit` takes to end after its last step, with TensorFlow tuning the dataset as it goes and without.

    python benchmarks/endings.py

An iterator that is dropped may wait for the next round of tuning: why `preprocess.utils.datasets` turns it off.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.datasets import untuned
from preprocess.utils.errors import summary
from preprocess.utils.quiet import import_keras, import_tensorflow


def seconds_of_fit(model, dataset, steps):
    """(seconds to the end of the last step, seconds after it)."""
    ends = []
    note = import_keras().callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    begun = time.perf_counter()
    model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[note])
    return ends[-1] - begun, time.perf_counter() - ends[-1]


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--steps", type=int, nargs="+", default=[60, 100, 140], help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    arguments = parser.parse_args()
    keras, tf = import_keras(), import_tensorflow()
    layers = [keras.layers.Flatten(), *(keras.layers.Dense(1500, "relu") for _ in range(2)), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    batch = np.zeros((32, 64, 64, 3), np.float32), np.zeros((32, 1), np.float32)
    tuned = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(tuned, steps_per_epoch=2, verbose=0, shuffle=False)
    print("| dataset | steps | seconds | after the last step |\n|---|---|---|---|")
    for _ in range(arguments.rounds):
        for steps in arguments.steps:
            for label, dataset in (("tuned", tuned), ("untuned", untuned(tuned))):
                during, after = seconds_of_fit(model, dataset, steps)
                print(f"| {label} | {steps} | {during:.1f} | {after:.1f} |", flush=True)


if __name__ == "__main__":
    run_command(main, again="run it again")
