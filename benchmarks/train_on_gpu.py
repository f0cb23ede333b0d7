"""Trains a flow on one GPU with JAX, each epoch as one program that has all latents in the GPU's memory.

    KERAS_BACKEND=jax python benchmarks/train_on_gpu.py --variant 64-flow --data photos/embedded --width 0.5 \\
        --batch-size 256 --epochs 236 --run runs/photographs-64

The model, its steps and the order of its batches are those of `cvae train`, which hands the GPU one batch at a time.
Prints the milliseconds of a step, and every `--every` epochs keeps the model if it is the best, so that `cvae generate`
draws with the run. What is interrupted begins anew, in another folder.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.keras_files import BEST, save_without_optimizer
from cvae.log import best_epoch, write_log
from cvae.runs import Run
from cvae.systems.flow.batches import Choices
from cvae.systems.flow.conditions import conditions_of
from cvae.systems.flow.task import FlowTask
from preprocess.utils.command import run_command
from preprocess.utils.errors import UserError, summary
from preprocess.utils.files import atomic_path, check_no_file
from preprocess.utils.folders import is_fresh
from preprocess.utils.quiet import import_keras


def epoch_function(model, task):
    """A function (state, choices) to (state, logs of each step); see `Choices.of_epoch`."""
    import jax
    import jax.numpy as jnp

    latents = task.latents["train"]
    choices = Choices(latents, conditions_of(latents, task.variant.condition, task.prior), task.settings)
    # As arguments, since a program's constants are kept twice.
    data = tuple(jnp.asarray(part) for part in (latents.grids, latents.patches, choices.rows.astype(np.float16)))

    def batch(data, order, view, mirrored, row):
        grids, patches, rows = data
        pairs = grids[order, 2 * view + mirrored].astype("float32"), rows[row].astype("float32")
        if not patches.shape[-1]:
            return (pairs,)
        own = patches[order, view].astype("float32")
        own = jnp.where(mirrored.astype(bool)[:, None, None, None], own[:, :, ::-1], own)
        return ((*pairs, own.reshape(len(order), -1, own.shape[-1])),)

    def epoch(state, data, chosen):
        def step(state, own):
            logs, state = model.train_step(state, batch(data, *own))
            return state, logs

        return jax.lax.scan(step, state, chosen)

    compiled = jax.jit(epoch, donate_argnums=0)

    def run(state, number):
        chosen = tuple(part.reshape(task.steps, -1) for part in choices.of_epoch(number))
        return compiled(state, data, chosen)

    return run


def state_of(model):
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer", "metrics_variables")
    lists = [getattr(model, kind).variables if kind == "optimizer" else getattr(model, kind) for kind in kinds]
    return [[variable.value for variable in variables] for variables in lists], lists


def train(task, run, every):
    from cvae.nn.ema import AverageWhenValidating, averaged_weights
    from cvae.training.callbacks import SeedByEpoch

    model, settings = task.build(), task.settings
    model.optimizer.build(model.trainable_variables)
    model._symbolic_build(data_batch=next(iter(task.dataset("val").as_numpy_iterator())))
    seeds, averaging = SeedByEpoch(settings.seed), AverageWhenValidating()
    seeds.set_model(model)
    run_epoch, times, history, plain = epoch_function(model, task), [], [], None
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
            held_out = model.evaluate(task.dataset("val"), verbose=0, return_dict=True, callbacks=[seeds, averaging])
            logs |= {f"val_{name}": value for name, value in held_out.items()}
            history.append({"epoch": number + 1, **logs, "seconds": times[-1]})
            if best_epoch(history) is history[-1]:
                with atomic_path(run.folder / BEST) as best, averaged_weights(model):
                    plain = save_without_optimizer(model, best, plain)
            write_log(run.folder, history)
            print(f"epoch {number + 1}: loss {logs['loss']:.4f}, val_loss {logs['val_loss']:.4f}", flush=True)
    print(f"{np.median(times) / task.steps * 1e3:.2f} ms a step of {settings.batch_size}")


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--variant", default="64-flow", help="a flow (default: %(default)s)")
    parser.add_argument("--data", required=True, help="a folder of embedded shards")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="a new folder")
    parser.add_argument("--init", help="the run whose weights it begins with")
    for name, kind in (("width", float), ("batch-size", int), ("epochs", int), ("learning-rate", float)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--every", type=int, default=10, help="epochs (default: %(default)s)")
    arguments = parser.parse_args()
    if import_keras().backend.backend() != "jax":
        raise UserError("this is for JAX; set KERAS_BACKEND=jax.")
    check_no_file(arguments.run)
    if not is_fresh(arguments.run):
        raise UserError(f"{arguments.run} holds something already; give --run a new folder.")
    names = ("width", "batch_size", "epochs", "learning_rate", "init")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    task = FlowTask(arguments.variant, arguments.data, given)
    task.check_data()
    task.check_options()
    run = Run.create(arguments.run, task.run_config)
    task.train_earlier_stages(run)
    train(task, run, arguments.every)


if __name__ == "__main__":
    run_command(main)
