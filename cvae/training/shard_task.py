"""What all trainings on embedded shards share."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvae.registry import system_of
from cvae.runs import Run
from cvae.sampling.draw import draw
from cvae.training.task import Task
from preprocess.shards.info import read_info
from preprocess.shards.read import load
from preprocess.shards.records import captions_of, read_shard
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path
from preprocess.utils.load_arrays import read_arrays
from preprocess.utils.quiet import import_tensorflow

# The grid after an epoch: rows, and pictures of each prompt.
GRID_ROWS, GRID_COLUMNS = 8, 4


class ShardTask(Task):
    """See `cvae.training.task.Task`; `data` is a folder that clip_wrapper.py made.

    Attributes:
        info: the `DataInfo` of the data.
        prompts: of the grid after each epoch; None for those of `default_prompts`. `cvae train --prompts` sets it.
        mirrored: whether training mirrors half of the images.
        crop: pixels of the squares that training cuts out of images; None for whole ones.
        reduced: whether half of those squares are whole images, reduced.
    """

    mirrored = False
    crop: int | None = None
    reduced = False

    def __init__(self, variant_name: str, data: str | pathlib.Path | None, given: Mapping[str, Any]) -> None:
        super().__init__(variant_name, data, given)
        self.conditions: np.ndarray | None = None

    @property
    def image_size(self) -> int:
        """Pixels a side of the images that it is trained on."""
        return self.variant.image_size

    def data_folder(self, data: str | pathlib.Path | None) -> str | pathlib.Path:
        """The folder that is named, or the variant's own.

        Raises:
            UserError: there is none.
        """
        if data is None and self.variant.data and not pathlib.Path(self.variant.data).exists():
            raise UserError(
                f"{self.variant.data}, which {self.variant_name} is trained on, is not there; prepare it as "
                f"docs/{system_of(self.variant_name).name}.md says, or give --data another folder."
            )
        data = data or self.variant.data
        if data is None:
            raise UserError(f"{self.variant_name} has no data of its own; give --data a folder of embedded shards.")
        return data

    def open_data(self, data: str | pathlib.Path | None) -> tuple[int, dict[str, Any]]:
        self.info = info = read_info(str(self.data_folder(data)))
        return info.counts["train"], {
            "data": str(info.folder.resolve()),
            "clip": info.encoder.clip,
            "clip_spec": info.encoder.spec,
            "precision": info.encoder.precision,
            "data_settings": info.settings,
            "drawn_by": info.drawn_by,
        }

    def check_fits(self, run: Run) -> None:
        found, needed = self.info.embedding_dim, run.encoder.clip["embedding_dim"]
        if found != needed:
            raise UserError(
                f"{self.info.folder} has embeddings of {found} numbers, the model in {run} was trained with those of "
                f"{needed}; give --data the folder it was trained with, or name another folder."
            )

    def has_data_of(self, run: Run) -> bool:
        return (run.encoder.clip, run.config["data_settings"]) == (self.info.encoder.clip, self.info.settings)

    def check_data(self) -> None:
        if self.variant.theme not in (None, self.info.theme):
            print(
                f"note: {self.variant_name} is meant for the theme {self.variant.theme}, these data were chosen by "
                f"{self.info.theme}."
            )
        for split in ("train", "val"):
            self.images(split)

    def prepare(self, run: Run) -> None:
        """Embeds the grid's prompts, once a run; without the encoder there are no grids, and a note says so."""
        path = run.folder / "prompts.npz"
        stored = _stored_prompts(path)
        # A run keeps its prompts, so that its grids can be compared.
        fits = stored and stored[1].shape[1] == self.info.condition_dim(self.variant.condition)
        if stored and fits and list(self.prompts or stored[0]) == stored[0]:
            self.prompts, self.conditions = stored
            return
        self.prompts = prompts = self.prompts or self.default_prompts()
        try:
            self.conditions = run.condition(list(prompts))
        except UserError as error:
            print(f"note: no sample grids, since the encoder cannot be used: {error}")
            return
        with atomic_path(path) as partial:
            np.savez(partial, prompts=prompts, conditions=self.conditions)

    def default_prompts(self) -> Sequence[str]:
        """The first caption of each of the first validation images, those that differ."""
        import_tensorflow()
        examples = (example for shard in self.info.paths("val") for example in read_shard(shard))
        captions: dict[str, None] = {}
        for example in examples:
            captions.update({text: None for text in captions_of(example)[:1]})
            if len(captions) == GRID_ROWS:
                break
        return list(captions)

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        return self.images(split, first_epoch).map(lambda image, condition: ((image, condition),))

    def images(self, split: str, first_epoch: int = 0) -> Any:
        """Batches of images and their conditions: see `preprocess.shards.read.load`."""
        return load(
            self.info.folder, self.image_size, self.variant.condition, split, self.settings.batch_size,
            self.settings.seed, first_epoch=first_epoch, repeat=split == "train",
            mirrored=self.mirrored, crop=self.crop, reduced=self.reduced, share=self.share,
        )  # fmt: skip

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.training.callbacks import GridPainter

        return [] if self.conditions is None else [GridPainter(run.folder, self.preview)]

    def preview(self, model: Any) -> tuple[np.ndarray, Sequence[str]]:
        """The pictures after an epoch, and the prompts that they are for."""
        assert self.conditions is not None and self.prompts is not None
        return draw(model, self.conditions, GRID_COLUMNS, self.settings.seed), self.prompts


def _stored_prompts(path: Any) -> tuple[list[str], np.ndarray] | None:
    """The prompts and conditions that prompts.npz holds; None where it is not there or damaged."""
    try:
        stored = read_arrays(path, {"prompts": 1, "conditions": 2}, "")
    except UserError:
        return None
    prompts, conditions = stored["prompts"], stored["conditions"]
    if len(prompts) != len(conditions) or prompts.dtype.kind != "U" or conditions.dtype.kind != "f":
        return None
    return [str(prompt) for prompt in prompts], conditions
