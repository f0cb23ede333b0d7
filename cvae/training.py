"""Trains a variant with `fit`; interrupted at any point, it goes on from the last finished epoch."""

import contextlib
import dataclasses
import math
import pathlib

import numpy as np
from tqdm import tqdm

from cvae.prompts import PROMPTS, encode_prompts
from cvae.runs import CONFIG, LAST, LOG, load_model, read_config, read_log, write_config
from cvae.variants import find_variant
from preprocess.datasets import load, read_info
from preprocess.errors import UserError, check_whole
from preprocess.files import atomic_path, check_no_file, is_fresh, remove_folder, sole_use
from preprocess.quiet import import_keras, import_tensorflow
from preprocess.wording import counted

# Pictures of each prompt in the grid after an epoch.
GRID_COLUMNS = 4
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


def build_model(variant, embedding_dim, settings):
    """Builds and compiles the model of a variant."""
    keras = import_keras()
    from cvae.clip_cvae import ClipCVAE
    from cvae.precision import best_policy

    model = ClipCVAE(
        variant.image_size,
        dropout=variant.dropout,
        embedding_dim=embedding_dim,
        width=settings.width,
        dtype=settings.precision or best_policy(),
    )
    model.compile(keras.optimizers.Adam(settings.learning_rate), jit_compile=wants_xla())
    return model


def wants_xla():
    """Whether `compile` is asked for XLA on this backend."""
    # In TensorFlow XLA is slower on CPUs, above all in bfloat16, and wins little on GPUs with layers of this size.
    return import_keras().backend.backend() == "jax"


def _start(run, variant_name, info, settings):
    """Makes the run folder and a fresh model."""
    model = build_model(find_variant(variant_name), info.embedding_dim, settings)
    write_config(
        run,
        {
            "variant": variant_name,
            "data": str(info.folder.resolve()),
            "settings": dataclasses.asdict(settings),
            "clip": info.clip,
            "clip_spec": info.clip_spec,
            "precision": info.precision,
            "data_settings": info.settings,
        },
    )
    return model, []


def _check_same(run, variant_name, info, settings):
    """Raises a UserError unless a run can go on with these data and settings."""
    config = read_config(run)
    before = config["settings"]
    if config["clip"]["embedding_dim"] != info.embedding_dim:
        raise UserError(
            f"{info.folder} has embeddings of {info.embedding_dim} numbers, the model in {run} was trained with those "
            f"of {config['clip']['embedding_dim']}; give --data the folder it was trained with, or name another folder."
        )
    if settings.epochs < (done := len(read_log(run))):
        raise UserError(
            f"{run} has {counted(done, 'epoch')} already; give --epochs at least that number, or name another folder."
        )
    if settings.decay and settings.epochs != before["epochs"]:
        raise UserError(f"the learning rate of {run} decays over {before['epochs']} epochs; give --epochs that number.")
    asked = dataclasses.asdict(settings) | {"epochs": before["epochs"]}
    differing = [name for name in asked if asked[name] != before.get(name)]
    if config["variant"] != variant_name:
        differing.append("variant")
    if (config["clip"], config["data_settings"]) != (info.clip, info.settings):
        differing.append("data")
    if differing:
        raise UserError(
            f"{run} was trained with other settings or data ({', '.join(sorted(differing))}); give the same, which are "
            f"in {run / CONFIG}, or name another folder."
        )


def _resume(run, info, settings):
    """Loads a run's model, optimiser and log."""
    model = load_model(run, LAST)
    model.jit_compile = wants_xla()
    epochs_done = int(model.optimizer.iterations) // (info.counts["train"] // settings.batch_size)
    # A kill between the two files leaves a row for an epoch that is run again.
    history = read_log(run)[:epochs_done]
    if len(history) < epochs_done:
        raise UserError(
            f"{run / LOG} has {counted(len(history), 'row')} for {counted(epochs_done, 'epoch')}; put it back, or "
            "begin anew with --overwrite."
        )
    write_config(run, read_config(run) | {"settings": dataclasses.asdict(settings)})
    return model, history


def _embed_grid_prompts(run, info):
    """The embeddings of the grid's prompts, kept in the run folder; None, with a note, if the encoder is not there."""
    path = run / "prompts.npz"
    if path.is_file():
        with np.load(path) as stored:
            if list(stored["prompts"]) == list(PROMPTS):
                return stored["embeddings"]
    try:
        embeddings = encode_prompts(PROMPTS, info.clip_spec, info.clip, info.precision)
    except UserError as error:
        print(f"note: no sample grids, since the encoder cannot be used: {error}")
        return None
    with atomic_path(path) as partial:
        np.savez(partial, prompts=PROMPTS, embeddings=embeddings)
    return embeddings


def train(variant_name, data, run, settings=Settings(), resume=False, overwrite=False, on_epoch=None):
    """Trains a variant on a folder of embedded shards.

    Args:
        variant_name: a key of `VARIANTS`.
        data: a folder that clip_wrapper.py made.
        run: the run folder.
        settings: see `Settings`.
        resume: whether to go on with the run that is there: same epochs, optimiser state and best score.
        overwrite: whether to begin anew in its place.
        on_epoch: called with the run folder after each epoch, when all its files are there.

    Returns:
        The history: one dict an epoch with "epoch", "loss", "bce", "kl", "ssim" and each as "val_...".

    Raises:
        UserError: an unknown variant, unusable data or settings, or a run folder that is in the way.
    """
    settings.check()
    variant = find_variant(variant_name)
    run = pathlib.Path(run)
    info = read_info(data)
    if variant.theme not in (None, info.theme):
        print(f"note: {variant_name} is meant for the theme {variant.theme}, these data were chosen by {info.theme}.")
    begun = check_run(run, variant_name, info, settings, resume, overwrite)
    for split in ("train", "val"):  # finds faults in the data before anything is written or removed
        load(data, variant.image_size, variant.condition, split, settings.batch_size, settings.seed)
    steps = info.counts["train"] // settings.batch_size
    with (
        contextlib.ExitStack() as held,
        # The bar stands there while encoder and model are loaded, which takes some seconds.
        tqdm(total=settings.epochs * steps, desc="loading", unit="step") as bar,
    ):
        held.enter_context(sole_use(run))
        if not begun and not is_fresh(run):
            remove_folder(run)
            held.enter_context(sole_use(run))
        # Before the model is there: both want the GPU's memory.
        embeddings = _embed_grid_prompts(run, info)
        import_keras().utils.set_random_seed(settings.seed)
        model, history = _resume(run, info, settings) if begun else _start(run, variant_name, info, settings)
        bar.initial = bar.n = len(history) * steps
        if len(history) < settings.epochs:
            _fit(model, run, variant, info, settings, history, embeddings, bar, on_epoch)
    return history


def check_run(run, variant_name, info, settings, resume=False, overwrite=False):
    """Whether a run folder holds finished epochs that these settings go on with; see `train`.

    Raises:
        UserError: it is in the way: one that is no run is never gone on with or removed.
    """
    check_no_file(run)
    if is_fresh(run):
        return False
    read_config(run)
    begun = (run / LAST).is_file()
    # One without a finished epoch holds nothing to lose.
    if begun and not resume and not overwrite:
        raise UserError(f"{run} is there already; add --resume to go on with it, --overwrite to begin anew.")
    if begun and resume:
        _check_same(run, variant_name, info, settings)
    return begun and resume


def _fit(model, run, variant, info, settings, history, embeddings, bar, on_epoch):
    keras = import_keras()
    from cvae.callbacks import GridPainter, ProgressBar, RunWriter, SeedByEpoch

    def dataset(split):
        batches = load(
            info.folder, variant.image_size, variant.condition, split, settings.batch_size, settings.seed,
            first_epoch=len(history), repeat=split == "train",
        )  # fmt: skip
        return batches.map(lambda image, embedding: ((image, embedding),))

    callbacks = [
        SeedByEpoch(settings.seed),
        keras.callbacks.LearningRateScheduler(settings.learning_rate_of),
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        ProgressBar(bar, settings.epochs),
    ]
    if embeddings is not None:
        callbacks.append(GridPainter(run, PROMPTS, embeddings, GRID_COLUMNS, settings.seed))
    # Last of those that write, since its checkpoint is what marks an epoch as done.
    callbacks.append(RunWriter(run, history))
    if on_epoch:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(run)))
    try:
        model.fit(
            dataset("train"),
            validation_data=dataset("val"),
            epochs=settings.epochs,
            initial_epoch=len(history),
            steps_per_epoch=info.counts["train"] // settings.batch_size,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    except import_tensorflow().errors.DataLossError:
        raise UserError(
            f"a shard in {info.folder} is damaged; delete that folder and embed its images again."
        ) from None


def best_epoch(history):
    """The row of the lowest validation loss."""
    return min(history, key=lambda row: row["val_loss"])
