"""Trains a variant with `fit`; interrupted at any point, it goes on from the last finished epoch."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cvae.keras_files import LAST
from cvae.log import Row
from cvae.registry import find_variant
from cvae.run_files import check_only_a_runs
from cvae.runs import Run
from cvae.sampling.prompts import check_prompts
from cvae.training.resume import load_last, open_training
from cvae.training.settings import warn_of_few_steps
from cvae.training.task import Task
from preprocess.utils.command import reason_of, working_in
from preprocess.utils.errors import UserError
from preprocess.utils.files import as_json
from preprocess.utils.folders import is_fresh, remove_folder, sole_use
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_keras, import_tensorflow


def train(
    variant_name: str | None,
    data: str | pathlib.Path | None,
    folder: str | pathlib.Path,
    given: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_epoch: Callable[[pathlib.Path], Any] | None = None,
    prompts: str | Sequence[str] | None = None,
    devices: str | int = "all",
    hosts: Any = None,
) -> list[Row]:
    """Trains a variant.

    Args:
        variant_name: a variant; None for that of the run to go on with.
        data: what it is trained on: a folder that clip_wrapper.py made, or for digits see
            `preprocess.mnist.load_digits`. None for the run's, or the variant's own folder.
        folder: the run folder.
        given: {name: value} of `Settings`, in place of the variant's own, and of its `train_options`.
        resume: whether to go on with the run that is there: same epochs, optimiser state and best score. What it was
            trained with need not be given; more "epochs" train it on.
        overwrite: whether to begin anew in its place.
        on_epoch: called with the run folder after each epoch, when all its files are there.
        prompts: of the grid after each epoch, for models that draw from prompts; by default captions of validation
            images, or for faces some descriptions. A run keeps those that it began with until others are given.
        devices: how many of the machine's GPUs or TPU cores share each batch; it makes no difference to the result.
        hosts: the `cvae.training.hosts.Hosts` that train together, for each of which this is called; None for those
            that KERAS_DISTRIBUTION_* name, or one alone; False for one alone.

    Returns:
        The history: one dict an epoch with "epoch", "loss" and its parts, and except for GANs the same with "val_".

    Raises:
        UserError: an unknown variant, unusable data or settings, or a run folder that is in the way.
    """
    folder = pathlib.Path(folder)
    prompts = [prompts] if isinstance(prompts, str) else list(prompts or ())
    asked = Asked(variant_name, data, dict(given or {}), prompts, str(devices))
    if hosts is None:
        hosts = hosts_named()
    if not hosts:
        return _train(folder, asked, resume, overwrite, on_epoch)
    import_keras()
    from cvae.training.hosts import joined

    begin = functools.partial(_begin, folder, asked, resume, overwrite)
    with joined(hosts, folder, begin) as place:
        # What was begun is there by now.
        return _train(place, asked, True, False, on_epoch, hosts)


def hosts_named(coordinator: str | None = None, count: int | None = None, number: int | None = None) -> Any:
    """The `cvae.training.hosts.Hosts` that options or else Keras' variables name; None for one alone.

    Without Keras, which takes seconds to import, where nothing is named.
    """
    named = coordinator, count, number
    if named == (None, None, None) and not any(name.startswith("KERAS_DISTRIBUTION_") for name in os.environ):
        return None
    import_keras()
    from cvae.training.hosts import Hosts

    return Hosts.of(*named)


class Asked(NamedTuple):
    """What is to be trained on what, and how, as `train` was given it."""

    variant_name: str | None
    data: str | pathlib.Path | None
    given: dict[str, Any]
    prompts: list[str]
    devices: str


def _begin(folder: pathlib.Path, asked: Asked, resume: bool, overwrite: bool, _: None) -> None:
    """What comes before the model."""
    with contextlib.ExitStack() as held:
        _open(held, folder, asked, resume, overwrite)


def _train(
    folder: pathlib.Path,
    asked: Asked,
    resume: bool,
    overwrite: bool,
    on_epoch: Callable[[pathlib.Path], Any] | None,
    hosts: Any = None,
) -> list[Row]:
    with contextlib.ExitStack() as held:
        task, run, bar = _open(held, folder, asked, resume, overwrite)
        import_keras().utils.set_random_seed(task.settings.seed)
        if hosts:
            task.share = hosts.number, hosts.count
        from cvae.training.devices import on_devices

        held.enter_context(on_devices(task.devices, task.settings.batch_size, task.shares_batches))
        model, history = load_last(run, task) if (folder / LAST).is_file() else (task.build(), [])
        trained = dataclasses.replace(task.settings, precision=model.dtype_policy.name)
        if asked.given.get("precision") not in (None, trained.precision):
            raise UserError(f"{run} was trained with precision: {trained.precision}; leave --precision out.")
        run.update(settings=dataclasses.asdict(trained), data=task.config["data"])
        bar.initial = bar.n = bar.last_print_n = len(history) * task.steps
        if len(history) < task.settings.epochs:
            _fit(model, run, task, history, bar, on_epoch, hosts)
        bar.set_description("finishing", refresh=False)
        task.finish(run)
    return history


def _open(
    held: contextlib.ExitStack, folder: pathlib.Path, asked: Asked, resume: bool, overwrite: bool
) -> tuple[Task, Run, Any]:
    """Opens or makes a run folder and does what comes before the model. Returns (task, run, progress bar)."""
    task, begun = open_training(asked.variant_name, asked.data, folder, asked.given, resume, overwrite)
    if asked.prompts:
        if task.variant.condition_prompts is None:
            raise UserError(f"a {task.variant_name} takes no prompts; leave --prompts out.")
        check_prompts(asked.prompts)
        task.prompts = tuple(asked.prompts)
    task.devices = asked.devices
    task.check_data()
    if not begun:
        task.check_options()
    if "init" not in task.options:
        warn_of_few_steps(task.variant, task.settings, task.steps)
    held.enter_context(sole_use(folder))
    held.enter_context(working_in(folder))
    run = _open_folder(folder, task, begun, overwrite, held)
    task.train_earlier_stages(run)
    # The bar is shown while encoder and model are loaded, which takes some seconds.
    bar = held.enter_context(progress_bar(total=task.settings.epochs * task.steps, desc="loading", unit="step"))
    # Before the model is there: an encoder wants the GPU's memory too.
    task.prepare(run)
    return task, run, bar


def folder_for(variant_name: str | None, folder: str | pathlib.Path | None) -> pathlib.Path:
    """The run folder of a training: runs/VARIANT if none is named.

    Raises:
        UserError: neither is.
    """
    if not variant_name and not folder:
        raise UserError("name a variant to train, such as 64-image, or with --run and --resume a run to go on with.")
    if folder is not None and not str(folder).strip():
        raise UserError("the name of the run folder is empty; name one with --run, such as runs/64-image.")
    if variant_name:
        find_variant(variant_name)
    return pathlib.Path(folder or f"runs/{variant_name}")


def _open_folder(folder: pathlib.Path, task: Task, begun: bool, overwrite: bool, held: contextlib.ExitStack) -> Run:
    if begun:
        return Run(folder)
    if not is_fresh(folder) and (overwrite or not _began_so(folder, task)):
        check_only_a_runs(folder)
        remove_folder(folder)
        held.enter_context(sole_use(folder))
    return Run.create(folder, task.run_config)


def _began_so(folder: pathlib.Path, task: Task) -> bool:
    """Whether what a folder holds from before a first epoch, such as latents, is what this training begins with."""
    try:
        found = Run(folder).config
    except UserError:
        return False
    wanted = as_json(task.run_config)
    # How long and how it is trained makes no difference to that.
    return all(found.get(name) == wanted.get(name) for name in {*found, *wanted} - {"settings", "given"})


def _is_of_data(error: Any) -> bool:
    """Whether an error of TensorFlow's comes of reading shards, and not of memory or a disk that is full, say."""
    errors = import_tensorflow().errors
    return isinstance(error, (errors.DataLossError, errors.InvalidArgumentError)) or ".tfrecord" in str(error)


def _fit(
    model: Any,
    run: Run,
    task: Task,
    history: list[Row],
    bar: Any,
    on_epoch: Callable[[pathlib.Path], Any] | None,
    hosts: Any,
) -> None:
    keras = import_keras()
    from cvae.training.callbacks import Gauges, Interrupt, ProgressBar, RunWriter, SeedByEpoch
    from cvae.training.devices import shared_equally

    settings, interrupt = task.settings, Interrupt()
    callbacks = [
        interrupt,
        SeedByEpoch(settings.seed),
        keras.callbacks.LearningRateScheduler(settings.learning_rate_of),
        # Before those that write what it measures.
        Gauges(task.steps * settings.batch_size),
        keras.callbacks.TensorBoard(run.folder / "tensorboard", write_graph=False),
        *task.callbacks(run),
        # Last of those that write, since its checkpoint is what marks an epoch as done.
        RunWriter(run.folder, history),
        # It shows the losses of epochs that are done.
        ProgressBar(bar, settings.epochs, task.steps),
    ]
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(run.folder)))
    try:
        with interrupt.watched():
            training = task.dataset("train", first_epoch=len(history))
            validation = shared_equally(task.dataset("val")) if task.validates else None
            if hosts:
                training, validation = hosts.part(training, settings.batch_size), validation and hosts.part(validation)
            model.fit(
                training,
                validation_data=validation,
                epochs=settings.epochs,
                initial_epoch=len(history),
                steps_per_epoch=task.steps,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
    except import_tensorflow().errors.OpError as error:
        if not _is_of_data(error) or not (reason := reason_of(error)):
            raise
        raise UserError(
            f"{task.config['data']} cannot be read any more ({reason}); put that right, or make it again, then go on "
            f"with `cvae train --resume --run {run}`."
        ) from None
