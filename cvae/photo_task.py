"""Training the coursework's CVAE on embedded shards of photographs."""

import numpy as np

from cvae.prompts import PROMPTS, condition_prompts
from cvae.task import Task
from cvae.training import wants_xla
from preprocess.datasets import load, read_info
from preprocess.errors import UserError
from preprocess.files import atomic_path
from preprocess.quiet import import_keras

# Pictures of each prompt in the grid after an epoch.
GRID_COLUMNS = 4


def build_model(variant, embedding_dim, settings):
    """Builds and compiles the model of a variant."""
    import_keras()
    from cvae.clip_cvae import ClipCVAE
    from cvae.optimizers import Adam
    from cvae.precision import best_policy

    model = ClipCVAE(
        variant.image_size,
        dropout=variant.dropout,
        embedding_dim=embedding_dim,
        width=settings.width,
        dtype=settings.precision or best_policy(),
    )
    model.compile(Adam(settings.learning_rate), jit_compile=wants_xla())
    return model


class PhotoTask(Task):
    """See `cvae.task.Task`; `data` is a folder that clip_wrapper.py made."""

    prompts = PROMPTS
    # Whether training mirrors half of the images: faces have no left and right.
    mirrored = False
    # Pixels of the squares that training cuts out of images; None for whole ones.
    crop = None

    def __init__(self, variant_name, data, settings):
        super().__init__(variant_name, settings)
        self.info = info = read_info(data)
        self.count = info.counts["train"]
        self.config = {
            "data": str(info.folder.resolve()),
            "clip": info.clip,
            "clip_spec": info.clip_spec,
            "precision": info.precision,
            "data_settings": info.settings,
        }

    def check_fits(self, run, config):
        if config["clip"]["embedding_dim"] != self.info.embedding_dim:
            raise UserError(
                f"{self.info.folder} has embeddings of {self.info.embedding_dim} numbers, the model in {run} was "
                f"trained with those of {config['clip']['embedding_dim']}; give --data the folder it was trained with, "
                "or name another folder."
            )

    def has_data_of(self, config):
        return (config["clip"], config["data_settings"]) == (self.info.clip, self.info.settings)

    def check_data(self):
        if self.variant.theme not in (None, self.info.theme):
            print(
                f"note: {self.variant_name} is meant for the theme {self.variant.theme}, these data were chosen by "
                f"{self.info.theme}."
            )
        for split in ("train", "val"):
            self.images(split)

    def prepare(self, run):
        """Embeds the grid's prompts, once a run; without the encoder there are no grids, and a note says so."""
        self.conditions, path = None, run / "prompts.npz"
        if path.is_file():
            with np.load(path) as stored:
                if list(stored["prompts"]) == list(self.prompts):
                    self.conditions = stored["conditions"]
                    return
        try:
            self.conditions = condition_prompts(
                self.prompts, self.variant.condition, self.info.clip_spec, self.info.clip, self.info.precision
            )
        except UserError as error:
            print(f"note: no sample grids, since the encoder cannot be used: {error}")
            return
        with atomic_path(path) as partial:
            np.savez(partial, prompts=self.prompts, conditions=self.conditions)

    def build(self):
        return build_model(self.variant, self.info.embedding_dim, self.settings)

    def dataset(self, split, first_epoch=0):
        return self.images(split, first_epoch).map(lambda image, condition: ((image, condition),))

    def images(self, split, first_epoch=0):
        """Batches of images and what a model is told of them: see `preprocess.datasets.load`."""
        return load(
            self.info.folder, self.variant.image_size, self.variant.condition, split, self.settings.batch_size,
            self.settings.seed, first_epoch=first_epoch, repeat=split == "train",
            mirrored=self.mirrored, crop=self.crop,
        )  # fmt: skip

    def callbacks(self, run):
        from cvae.callbacks import GridPainter

        return [] if self.conditions is None else [GridPainter(run, self.preview)]

    def preview(self, model):
        """The pictures after an epoch, and the prompts that they are for."""
        from cvae.generation import draw

        return draw(model, self.conditions, GRID_COLUMNS, self.settings.seed), self.prompts
