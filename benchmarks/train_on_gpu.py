"""Trains a flow or the coursework's CVAE on one GPU with JAX, each epoch as one program, all data in the GPU's memory.

    KERAS_BACKEND=jax python benchmarks/train_on_gpu.py --variant 64-flow --data photos/embedded --width 0.5 \\
        --batch-size 256 --epochs 236 --run runs/photographs-64

The model and its steps are those of `cvae train`, which hands the GPU one batch at a time, and for flows the order of
batches too. Prints the milliseconds of a step, and every `--every` epochs keeps the model if it is the best, so that
`cvae generate` draws with the run. What is interrupted begins anew, in another folder.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.keras_files import BEST, save_without_optimizer
from cvae.log import best_epoch, write_log
from cvae.registry import find_variant, resolve
from cvae.runs import Run
from cvae.systems.coursework.task import CourseworkTask
from cvae.systems.flow.batches import Choices, examples
from cvae.systems.flow.conditions import conditions_of
from cvae.systems.flow.task import FlowTask
from preprocess.shards.records import embeddings_of, image_of, read_shard
from preprocess.utils.command import run_command
from preprocess.utils.errors import UserError, summary
from preprocess.utils.files import atomic_path, check_no_file
from preprocess.utils.folders import is_fresh
from preprocess.utils.quiet import import_keras


class LatentData:
    """A flow's latents of a split and what they are conditioned on; see `cvae.systems.flow.batches`."""

    def __init__(self, task, split):
        latents = task.latents[split]
        conditions = conditions_of(latents, task.variant.condition, task.prior if split == "train" else None)
        self.choices = Choices(latents, conditions, task.settings)
        self.arrays = latents.grids, latents.patches, self.choices.rows.astype(np.float16)

    def of_epoch(self, number):
        return self.choices.of_epoch(number)

    def in_order(self):
        return self.choices.in_order()

    batch = staticmethod(examples)


class ImageData:
    """Images of a split, and the embedding of each or those of its captions."""

    def __init__(self, task, split):
        self.settings = task.settings
        images, rows = [], []
        for path in task.info.paths(split):
            for example in read_shard(path):
                embedding, texts = embeddings_of(example)
                images.append(image_of(example, task.image_size))
                rows.append(embedding[None] if task.variant.condition == "image" else texts)
        self.counts = np.array([len(own) for own in rows])
        self.starts = np.cumsum(self.counts) - self.counts
        self.arrays = np.stack(images), np.concatenate(rows)

    def of_epoch(self, number):
        """(images, rows of conditions), each int32, of whole batches: each image with one of its own."""
        rng = np.random.default_rng([self.settings.seed, number])
        count, size = len(self.counts), self.settings.batch_size
        order = rng.permutation(count)[: count // size * size]
        row = self.starts[order] + np.floor(rng.random(len(order)) * self.counts[order])
        return order.astype(np.int32), row.astype(np.int32)

    def in_order(self):
        return np.repeat(np.arange(len(self.counts)), self.counts), np.arange(self.counts.sum())

    @staticmethod
    def batch(arrays, order, row):
        images, rows = arrays
        return ((images[order].astype("float32") / 255, rows[row]),)


def epoch_function(model, data, steps):
    """A function (state, the epoch's number) to (state, logs of each step)."""
    import jax
    import jax.numpy as jnp

    # As arguments, since a program's constants are kept twice.
    arrays = tuple(map(jnp.asarray, data.arrays))

    def epoch(state, arrays, chosen):
        def step(state, own):
            logs, state = model.train_step(state, data.batch(arrays, *own))
            return state, logs

        return jax.lax.scan(step, state, chosen)

    compiled = jax.jit(epoch, donate_argnums=0)

    def run(state, number):
        return compiled(state, arrays, tuple(part.reshape(steps, -1) for part in data.of_epoch(number)))

    return run


def held_out_batches(data, size):
    """(every example of a split once, in order, a batch at a time; how many batches)."""
    chosen = data.in_order()
    starts = range(0, len(chosen[0]), size)
    return (data.batch(data.arrays, *(part[start : start + size] for part in chosen)) for start in starts), len(starts)


def state_of(model):
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer", "metrics_variables")
    lists = [getattr(model, kind).variables if kind == "optimizer" else getattr(model, kind) for kind in kinds]
    return [[variable.value for variable in variables] for variables in lists], lists


def train(task, run, every):
    from cvae.nn.ema import AverageWhenValidating, averaged_weights
    from cvae.training.callbacks import SeedByEpoch

    model, settings = task.build(), task.settings
    training, held_out = (
        (ImageData if isinstance(task, CourseworkTask) else LatentData)(task, split) for split in ("train", "val")
    )
    model.optimizer.build(model.trainable_variables)
    model._symbolic_build(data_batch=next(held_out_batches(held_out, settings.batch_size)[0]))
    seeds, averaging = SeedByEpoch(settings.seed), AverageWhenValidating()
    seeds.set_model(model)
    run_epoch, times, history, plain = epoch_function(model, training, task.steps), [], [], None
    for number in range(settings.epochs):
        begun = time.perf_counter()
        seeds.on_epoch_begin(number)
        model.optimizer.learning_rate.assign(settings.learning_rate_of(number))
        model.reset_metrics()
        state, lists = state_of(model)
        state, logs = run_epoch(tuple(state), number)
        for variables, values in zip(lists, state):
            for variable, value in zip(variables, values):
                variable.assign(value)
        logs = {name: float(values[-1]) for name, values in logs.items()}
        times.append(time.perf_counter() - begun)
        if (number + 1) % every == 0 or number + 1 == settings.epochs:
            batches, count = held_out_batches(held_out, settings.batch_size)
            found = model.evaluate(batches, steps=count, verbose=0, return_dict=True, callbacks=[seeds, averaging])
            logs |= {f"val_{name}": value for name, value in found.items()}
            history.append({"epoch": number + 1, **logs, "seconds": times[-1]})
            if best_epoch(history) is history[-1]:
                with atomic_path(run.folder / BEST) as best, averaged_weights(model):
                    plain = save_without_optimizer(model, best, plain)
            write_log(run.folder, history)
            print(f"epoch {number + 1}: loss {logs['loss']:.4f}, val_loss {logs['val_loss']:.4f}", flush=True)
    print(f"{np.median(times) / task.steps * 1e3:.2f} ms a step of {settings.batch_size}")


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--variant", default="64-flow", help="a flow, or 64-image and its like (default: %(default)s)")
    parser.add_argument("--data", required=True, help="a folder of embedded shards")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="a new folder")
    parser.add_argument("--init", help="the run of a flow whose weights it begins with")
    for name, kind in (("width", float), ("batch-size", int), ("epochs", int), ("learning-rate", float)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--every", type=int, default=10, help="epochs (default: %(default)s)")
    arguments = parser.parse_args()
    if import_keras().backend.backend() != "jax":
        raise UserError("this is for JAX; set KERAS_BACKEND=jax.")
    check_no_file(arguments.run)
    if not is_fresh(arguments.run):
        raise UserError(f"{arguments.run} holds something already; give --run a new folder.")
    kind = resolve(find_variant(arguments.variant).task)
    if kind not in (FlowTask, CourseworkTask):
        raise UserError(f"{arguments.variant} is neither a flow nor the coursework's; name one such as 64-flow.")
    names = ("width", "batch_size", "epochs", "learning_rate", "init")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    task = kind(arguments.variant, arguments.data, given)
    task.check_data()
    task.check_options()
    run = Run.create(arguments.run, task.run_config)
    task.train_earlier_stages(run)
    train(task, run, arguments.every)


if __name__ == "__main__":
    run_command(main)
