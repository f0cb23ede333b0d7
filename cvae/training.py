"""Trains a variant with `fit`; interrupted at any point, it goes on from the last finished epoch."""

import contextlib
import dataclasses
import math
import pathlib

from tqdm import tqdm

from cvae.runs import CONFIG, LAST, LOG, load_model, read_config, read_log, write_config
from cvae.variants import find_variant
from preprocess.errors import UserError, check_whole
from preprocess.files import check_no_file, is_fresh, remove_folder, sole_use
from preprocess.quiet import import_keras, import_tensorflow
from preprocess.wording import counted

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a training depends on besides its variant and data; kept in run.json.

    Attributes:
        epochs: epochs in all. batch_size: pairs a step. learning_rate: Adam's, in the first epoch if it decays.
        decay: whether the learning rate falls to nearly 0, epoch by epoch along half a cosine.
        width: factor on the model's channels. seed: of weights, noise and order.
        precision: a Keras dtype policy; None for bfloat16 where the hardware has it.
    """

    epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 5e-4
    decay: bool = False
    width: float = 1.0
    seed: int = 0
    precision: str | None = None

    def check(self):
        """Raises a UserError for a value that cannot be."""
        for option, number, least in (
            ("epochs", self.epochs, 1),
            ("batch-size", self.batch_size, 2),
            ("seed", self.seed, 0),
        ):
            check_whole(option, number, least)
        if self.seed >= 2**31:
            raise UserError("--seed must be below 2147483648.")
        for option, number, most in (("width", self.width, 4), ("learning-rate", self.learning_rate, 1)):
            if not isinstance(number, (int, float)) or not 0 < number <= most:
                raise UserError(f"--{option} must be a number above 0, {most} at most.")
        if self.precision not in (None, *PRECISIONS):
            raise UserError(f"--precision must be one of: {', '.join(PRECISIONS)}.")

    def learning_rate_of(self, epoch):
        """The learning rate of an epoch, counted from 0."""
        return self.learning_rate * (0.5 * (1 + math.cos(math.pi * epoch / self.epochs)) if self.decay else 1.0)


def settings_of(variant_name, given):
    """A variant's `Settings`, with `given`, {name: value}, in place of its own."""
    return Settings(**{**find_variant(variant_name).settings, **given})


def wants_xla():
    """Whether `compile` is asked for XLA on this backend."""
    # In TensorFlow XLA is slower on CPUs, above all in bfloat16, and wins little on GPUs with layers of this size.
    return import_keras().backend.backend() == "jax"


def open_task(variant_name, data, settings):
    """The `cvae.task.Task` of a variant on data: see `train`."""
    system = find_variant(variant_name).system
    if system == "digits":
        from cvae.digit_task import DigitTask as Task
    elif system == "portraits":
        from cvae.portrait_task import PortraitTask as Task
    elif system == "autoencoder":
        from cvae.autoencoder_task import AutoencoderTask as Task
    elif system == "flow":
        from cvae.flow_task import FlowTask as Task
    else:
        from cvae.photo_task import PhotoTask as Task
    return Task(variant_name, data, settings)


def train(variant_name, data, run, settings=Settings(), resume=False, overwrite=False, on_epoch=None):
    """Trains a variant.

    Args:
        variant_name: a key of `VARIANTS`.
        data: what the variant's system is trained on: a folder that clip_wrapper.py made, or see
            `preprocess.mnist.load_digits`.
        run: the run folder.
        settings: see `Settings`.
        resume: whether to go on with the run that is there: same epochs, optimiser state and best score.
        overwrite: whether to begin anew in its place.
        on_epoch: called with the run folder after each epoch, when all its files are there.

    Returns:
        The history: one dict an epoch with "epoch", "loss" and its parts, and each as "val_..." but for GANs.

    Raises:
        UserError: an unknown variant, unusable data or settings, or a run folder that is in the way.
    """
    settings.check()
    run = pathlib.Path(run)
    task = open_task(variant_name, data, settings)
    begun = check_run(run, task, resume, overwrite)
    task.check_data()
    with contextlib.ExitStack() as held:
        held.enter_context(sole_use(run))
        if not begun:
            if not is_fresh(run):
                remove_folder(run)
                held.enter_context(sole_use(run))
            write_config(run, {"variant": variant_name, "settings": dataclasses.asdict(settings), **task.config})
        task.train_earlier_stages(run)
        # The bar stands there while encoder and model are loaded, which takes some seconds.
        bar = held.enter_context(tqdm(total=settings.epochs * task.steps, desc="loading", unit="step"))
        # Before the model is there: an encoder wants the GPU's memory too.
        task.prepare(run)
        import_keras().utils.set_random_seed(settings.seed)
        model, history = _resume(run, task) if (run / LAST).is_file() else (task.build(), [])
        bar.initial = bar.n = len(history) * task.steps
        if len(history) < settings.epochs:
            _fit(model, run, task, history, bar, on_epoch)
        bar.set_description("finishing")
        task.finish(run)
    return history


def check_run(run, task, resume=False, overwrite=False):
    """Whether a run folder holds finished epochs that a task goes on with; see `train`.

    Raises:
        UserError: it is in the way: one that is no run is never gone on with or removed.
    """
    check_no_file(run)
    if is_fresh(run):
        return False
    read_config(run)
    begun = task.has_begun(run)
    # One without a finished epoch holds nothing to lose.
    if begun and not resume and not overwrite:
        raise UserError(f"{run} is there already; add --resume to go on with it, --overwrite to begin anew.")
    if begun and resume:
        _check_same(run, task)
    return begun and resume


def _check_same(run, task):
    """Raises a UserError unless a run can go on with a task."""
    config = read_config(run)
    before, settings = config["settings"], task.settings
    if config["variant"] == task.variant_name:
        task.check_fits(run, config)
    if settings.epochs < (done := len(read_log(run))):
        raise UserError(
            f"{run} has {counted(done, 'epoch')} already; give --epochs at least that number, or name another folder."
        )
    if settings.decay and settings.epochs != before["epochs"]:
        raise UserError(f"the learning rate of {run} decays over {before['epochs']} epochs; give --epochs that number.")
    asked = dataclasses.asdict(settings) | {"epochs": before["epochs"]}
    differing = [name for name in asked if asked[name] != before.get(name)]
    if config["variant"] != task.variant_name:
        differing.append("variant")
    elif not task.has_data_of(config):
        differing.append("data")
    if differing:
        raise UserError(
            f"{run} was trained with other settings or data ({', '.join(sorted(differing))}); give the same, which are "
            f"in {run / CONFIG}, or name another folder."
        )


def _resume(run, task):
    """Loads a run's model, optimiser and log."""
    model = load_model(run, LAST)
    model.jit_compile = wants_xla()
    epochs_done = int(model.optimizer.iterations) // task.steps
    # A kill between the two files leaves a row for an epoch that is run again.
    history = read_log(run)[:epochs_done]
    if len(history) < epochs_done:
        raise UserError(
            f"{run / LOG} has {counted(len(history), 'row')} for {counted(epochs_done, 'epoch')}; put it back, or "
            "begin anew with --overwrite."
        )
    write_config(run, read_config(run) | {"settings": dataclasses.asdict(task.settings)})
    return model, history


def _fit(model, run, task, history, bar, on_epoch):
    keras = import_keras()
    from cvae.callbacks import ProgressBar, RunWriter, SeedByEpoch

    settings = task.settings
    callbacks = [
        SeedByEpoch(settings.seed),
        keras.callbacks.LearningRateScheduler(settings.learning_rate_of),
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        ProgressBar(bar, settings.epochs, task.steps),
        *task.callbacks(run),
        # Last of those that write, since its checkpoint is what marks an epoch as done.
        RunWriter(run, history),
    ]
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(run)))
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
