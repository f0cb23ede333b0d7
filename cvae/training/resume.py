"""Resuming a run from its last finished epoch."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from cvae.keras_files import BEST, LAST, read_epochs
from cvae.log import CURVES, LOG, Row, read_log
from cvae.registry import find_variant, resolve, split_options
from cvae.runs import CONFIG, Run, has_work, is_run, work_in
from cvae.training.settings import NAMES, Settings, check_given
from cvae.training.task import Task
from preprocess.utils.errors import UserError, counted
from preprocess.utils.files import check_no_file
from preprocess.utils.folders import is_fresh


def open_training(
    variant_name: str | None,
    data: str | pathlib.Path | None,
    folder: pathlib.Path,
    given: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[Task, bool]:
    """The task of a training, and whether its run folder holds finished epochs, of any stage, to go on with.

    Args: see `cvae.training.loop.train`.

    Raises:
        UserError: the folder is in the way: a folder that is not a run is neither resumed nor removed. Or the run has
            lost one of its models.
    """
    check_given(split_options(given)[0])
    check_no_file(folder)
    run = _open_run(folder, overwrite)
    # A flow's autoencoder is a stage, and a run of its own.
    begun = run is not None and (has_work(folder) or has_work(folder / "autoencoder"))
    if run and begun and not overwrite:
        if has_work(folder):
            _check_whole(run)
        if not resume:
            raise UserError(
                f"{folder} holds a run already; add --resume to go on with it, or --overwrite to begin anew, which "
                "removes it with all that it drew."
            )
        return _continued(run, variant_name, data, given), True
    if run and (variant_name is None or (resume and variant_name == run.variant_name)):
        # Begun anew as it was begun, but for what is given now. Version 0.1 did not keep what was given.
        variant_name, data = run.variant_name, data or run.config["data"]
        asked = dataclasses.asdict(settings_of(run))
        begun_with = {name: asked[name] for name in run.config.get("given", NAMES)}
        given = begun_with | run.config.get("options", {}) | dict(given)
    if variant_name is None:
        raise UserError(f"{folder} holds no run that says what to train; give --variant to begin one.")
    return _open_task(variant_name, data, given), False


def _check_whole(run: Run) -> None:
    """Raises a UserError for a run that has lost a file that going on needs."""
    if _ended_in_first_epoch(run):
        return
    for name in (LAST, BEST):
        run.find_model(name)
    if not (run.folder / LOG).is_file():
        raise UserError(f"{run} has lost its {LOG}; put it back, or begin anew with --overwrite.")


def _ended_in_first_epoch(run: Run) -> bool:
    """Whether a training ended while it wrote the files of its first epoch, last.keras last of all.

    That epoch is trained again. A model without its log was not left so, nor was a run that has drawn.
    """
    found = work_in(run.folder)
    return found <= {CURVES, LOG, BEST} and (BEST not in found or LOG in found) and len(run.log()) <= 1


def _open_run(folder: pathlib.Path, overwrite: bool) -> Run | None:
    """The run in a folder; None for none, and for a damaged one that is to be overwritten."""
    if is_fresh(folder):
        return None
    if not is_run(folder):
        raise UserError(f"{folder} holds files but no {CONFIG}; put a run's back, or name another --run.")
    try:
        return Run(folder)
    except UserError:
        if overwrite:
            return None
        raise


def _open_task(variant_name: str, data: Any, given: Mapping[str, Any]) -> Task:
    return resolve(find_variant(variant_name).task)(variant_name, data, given)


def settings_of(run: Run) -> Settings:
    """The `Settings` that a run's run.json holds.

    Raises:
        UserError: they are damaged, or another version's.
    """
    found = run.settings
    try:
        check_given({name: value for name, value in found.items() if name in NAMES and value is not None})
    except UserError as error:
        reason = str(error).rstrip(".")
        raise UserError(
            f"{run.folder / CONFIG} is damaged ({reason}); put it back, or begin anew with --overwrite."
        ) from None
    if unknown := set(found) - {field.name for field in dataclasses.fields(Settings)}:
        raise UserError(f"{run} has a setting that this version does not know, {min(unknown)}; use a newer version.")
    return Settings(**found | {"extended": tuple(found.get("extended", ()))})


def _continued(run: Run, variant_name: str | None, data: Any, given: Mapping[str, Any]) -> Task:
    """The task of going on with a run. Raises a UserError that names all that differs from what it was trained with."""
    before, options = settings_of(run), run.config.get("options", {})
    differing = {}
    if variant_name not in (None, run.variant_name):
        differing["variant"] = f"{run.variant_name}, not {variant_name}"
    for name in NAMES:
        old = getattr(before, name)
        # Older runs did not record the precision that was chosen.
        if name != "epochs" and name in given and given[name] not in (None, old) and old is not None:
            differing[name.replace("_", "-")] = f"{old}, not {given[name]}"
    for name, value in split_options(given)[1].items():
        if value != options.get(name):
            differing[name] = f"{options.get(name, 'the default')}, not {value}"
    settings = _lengthened(run, before, given.get("epochs") or before.epochs)
    # Not "download", which names no folder.
    place = pathlib.Path(run.config["data"] or "")
    if not data and place.is_absolute() and not place.exists():
        raise run.data_gone("give --data where they are")
    task = _open_task(run.variant_name, data or run.config["data"], dataclasses.asdict(settings) | options)
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
            f"{run} was trained with {listed}; leave out what differs, since {run.folder / CONFIG} has it all, or give "
            "another --run."
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


def load_last(run: Run, task: Task) -> tuple[Any, list[Row]]:
    """Loads a run's model, optimiser and log."""
    from cvae.nn.precision import wants_xla

    model = run.model(LAST)
    model.jit_compile = wants_xla()
    epochs_done = 0
    if model.compiled:
        epochs_done = read_epochs(run.folder / LAST) or int(model.optimizer.iterations) // task.steps
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
