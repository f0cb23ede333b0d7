"""Trains a variant with `fit`; interrupted at any point, it goes on from the last finished epoch."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cvae.registry import find_variant, resolve
from cvae.runs import CONFIG, LAST, LOG, Row, Run, read_log
from cvae.training.settings import NAMES, Settings, check_given, warn_of_few_steps
from cvae.training.task import Task
from preprocess.utils.errors import UserError, counted
from preprocess.utils.files import check_no_file, is_fresh, remove_folder, sole_use
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
    prompts: Sequence[str] | None = None,
) -> list[Row]:
    """Trains a variant.

    Args:
        variant_name: a variant; None for that of the run to go on with.
        data: what it is trained on: a folder that clip_wrapper.py made, or for digits see
            `preprocess.mnist.load_digits`. None for the run's, or the variant's own folder.
        folder: the run folder.
        given: {name: value} of `Settings`, in place of the variant's own.
        resume: whether to go on with the run that is there: same epochs, optimiser state and best score. What it was
            trained with need not be given; more "epochs" train it on.
        overwrite: whether to begin anew in its place.
        on_epoch: called with the run folder after each epoch, when all its files are there.
        prompts: of the grid after each epoch, for models that are asked by prompts; by default captions of validation
            images, or for faces some descriptions. A run keeps those that it began with.

    Returns:
        The history: one dict an epoch with "epoch", "loss" and its parts, and each as "val_..." but for GANs.

    Raises:
        UserError: an unknown variant, unusable data or settings, or a run folder that is in the way.
    """
    folder = pathlib.Path(folder)
    task, begun = open_training(variant_name, data, folder, given or {}, resume, overwrite)
    if prompts:
        if task.variant.condition_prompts is None:
            raise UserError(f"a {task.variant_name} is not asked by prompts; leave --prompts out.")
        task.prompts = tuple(prompts)
    task.check_data()
    warn_of_few_steps(task.variant, task.settings, task.count)
    with contextlib.ExitStack() as held:
        held.enter_context(sole_use(folder))
        run = _open_folder(folder, task, begun, held)
        task.train_earlier_stages(run)
        # The bar stands there while encoder and model are loaded, which takes some seconds.
        bar = held.enter_context(progress_bar(total=task.settings.epochs * task.steps, desc="loading", unit="step"))
        # Before the model is there: an encoder wants the GPU's memory too.
        task.prepare(run)
        import_keras().utils.set_random_seed(task.settings.seed)
        model, history = _resume(run, task) if (folder / LAST).is_file() else (task.build(), [])
        trained = dataclasses.replace(task.settings, precision=model.dtype_policy.name)
        if (given or {}).get("precision") not in (None, trained.precision):
            raise UserError(f"{run} was trained with precision: {trained.precision}; leave --precision out.")
        run.update(settings=dataclasses.asdict(trained), data=task.config["data"])
        bar.initial = bar.n = len(history) * task.steps
        if len(history) < task.settings.epochs:
            _fit(model, run, task, history, bar, on_epoch)
        bar.set_description("finishing", refresh=False)
        task.finish(run)
    return history


def folder_for(variant_name: str | None, folder: str | pathlib.Path | None) -> pathlib.Path:
    """The run folder of a training: runs/VARIANT if none is named.

    Raises:
        UserError: neither is.
    """
    if not variant_name and not folder:
        raise UserError("name a variant to train, such as 64-image, or with --run and --resume a run to go on with.")
    if variant_name:
        find_variant(variant_name)
    return pathlib.Path(folder or f"runs/{variant_name}")


def open_training(
    variant_name: str | None,
    data: str | pathlib.Path | None,
    folder: pathlib.Path,
    given: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[Task, bool]:
    """The task of a training, and whether its run folder holds finished epochs that it goes on with; see `train`.

    Raises:
        UserError: the folder is in the way: one that is no run is never gone on with or removed.
    """
    check_given(given)
    check_no_file(folder)
    run = None if is_fresh(folder) else Run(folder)
    # A run without a finished epoch holds nothing to lose.
    begun = run is not None and any(folder.rglob(LAST))
    if run and begun and not resume and not overwrite:
        raise UserError(f"{folder} is there already; add --resume to go on with it, --overwrite to begin anew.")
    if run and begun and not overwrite:
        return _continued(run, variant_name, data, given), True
    if run and (variant_name is None or (resume and variant_name == run.variant_name)):
        # Begun anew as it was begun, but for what is given.
        variant_name, data = run.variant_name, data or run.config["data"]
        given = dataclasses.asdict(dataclasses.replace(settings_of(run), extended=())) | dict(given)
    if variant_name is None:
        raise UserError(f"{folder} holds no run to go on with; give --variant to begin one.")
    return _open_task(variant_name, data, given), False


def _open_task(variant_name: str, data: Any, given: Mapping[str, Any]) -> Task:
    return resolve(find_variant(variant_name).task)(variant_name, data, given)


def settings_of(run: Run) -> Settings:
    """The `Settings` that a run's run.json holds."""
    found = run.settings
    return Settings(**found | {"extended": tuple(found.get("extended", ()))})


def _continued(run: Run, variant_name: str | None, data: Any, given: Mapping[str, Any]) -> Task:
    """The task of going on with a run. Raises a UserError that names all that differs from what it was trained with."""
    before = settings_of(run)
    differing = {}
    if variant_name not in (None, run.variant_name):
        differing["variant"] = f"{run.variant_name} and not {variant_name}"
    for name in NAMES:
        old = getattr(before, name)
        # Runs of before did not keep which precision was chosen for them.
        if name != "epochs" and name in given and given[name] not in (None, old) and old is not None:
            differing[name.replace("_", "-")] = f"{old} and not {given[name]}"
    settings = _lengthened(run, before, given.get("epochs") or before.epochs)
    task = _open_task(run.variant_name, data or run.config["data"], dataclasses.asdict(settings))
    if not differing:
        task.check_fits(run)
    if not task.has_data_of(run):
        if not data or str(task.config["data"]) == str(run.config["data"]):
            raise UserError(
                f"the data of {run}, {run.config['data'] or task.config['data'] or 'digits'}, are not what they were "
                "when it was begun; make them again as they were, give --data where they are, or name another folder."
            )
        differing["data"] = f"{run.config['data']}, which holds other images than {data}"
    if differing:
        listed = "; ".join(f"{name}: {what}" for name, what in differing.items())
        raise UserError(
            f"{run} was trained with {listed}. Leave out what differs, since {run.folder / CONFIG} has it all, or name "
            "another folder."
        )
    return task


def _lengthened(run: Run, before: Settings, epochs: int) -> Settings:
    """The settings of a run that is trained for `epochs` epochs in all."""
    done = len(run.log())
    if epochs < done:
        raise UserError(
            f"{run} has {counted(done, 'epoch')} already; give --epochs at least that number, or name another folder."
        )
    # A learning rate that had begun to fall warms up again.
    falls = before.decay and done > 0 and before.epochs < epochs
    return dataclasses.replace(before, epochs=epochs, extended=(*before.extended, done) if falls else before.extended)


def _open_folder(folder: pathlib.Path, task: Task, begun: bool, held: contextlib.ExitStack) -> Run:
    if begun:
        return Run(folder)
    if not is_fresh(folder):
        remove_folder(folder)
        held.enter_context(sole_use(folder))
    settings = dataclasses.asdict(task.settings)
    return Run.create(folder, {"variant": task.variant_name, "settings": settings, **task.config})


def _resume(run: Run, task: Task) -> tuple[Any, list[Row]]:
    """Loads a run's model, optimiser and log."""
    from cvae.nn.precision import wants_xla

    model = run.model(LAST)
    model.jit_compile = wants_xla()
    epochs_done = int(model.optimizer.iterations) // task.steps
    if not epochs_done:
        raise UserError(
            f"{run.folder / LAST} lacks the optimiser's state; put it back, or begin anew with --overwrite."
        )
    # A kill between the two files leaves a row for an epoch that is run again.
    history = read_log(run.folder)[:epochs_done]
    if len(history) < epochs_done:
        raise UserError(
            f"{run.folder / LOG} has {counted(len(history), 'row')} for {counted(epochs_done, 'epoch')}; put it back, "
            "or begin anew with --overwrite."
        )
    return model, history


def _fit(
    model: Any,
    run: Run,
    task: Task,
    history: list[Row],
    bar: Any,
    on_epoch: Callable[[pathlib.Path], Any] | None,
) -> None:
    keras = import_keras()
    from cvae.training.callbacks import Gauges, ProgressBar, RunWriter, SeedByEpoch

    settings = task.settings
    callbacks = [
        SeedByEpoch(settings.seed),
        keras.callbacks.LearningRateScheduler(settings.learning_rate_of),
        # Before those that write what it measures.
        Gauges(task.steps * settings.batch_size),
        keras.callbacks.TensorBoard(run.folder / "tensorboard", write_graph=False),
        ProgressBar(bar, settings.epochs, task.steps),
        *task.callbacks(run),
        # Last of those that write, since its checkpoint is what marks an epoch as done.
        RunWriter(run.folder, history),
    ]
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(run.folder)))
    try:
        model.fit(
            task.dataset("train", first_epoch=len(history)),
            validation_data=task.dataset("val") if task.validates else None,
            epochs=settings.epochs,
            initial_epoch=len(history),
            steps_per_epoch=task.steps,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    except import_tensorflow().errors.DataLossError:
        raise UserError(f"a shard in {task.config['data']} is damaged; delete that folder and make it again.") from None
