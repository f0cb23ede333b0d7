"""What a folder of shards holds, as its manifest says."""

import dataclasses
import pathlib

from preprocess.embedding.process import EncoderRecord
from preprocess.shards.records import SPLITS, check_shards
from preprocess.utils.errors import UserError
from preprocess.utils.folders import read_manifest
from preprocess.utils.types import PathLike

MADE_BY = "python clip_wrapper.py SHARDS"


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """What a folder of embedded shards holds, read from its manifest.

    Attributes:
        folder: the folder.
        embedding_dim: d. sizes: image sizes in pixels that the records hold.
        counts, caption_counts: {"train": n, "val": n} images and captions.
        embedded_by: the `EncoderRecord` of what embedded them, None (and d 0) where nothing has.
        theme: the theme the photographs were chosen by. shards: the files' names.
        attributes: the names of the records' attributes, empty where they have none.
        settings: all that decides which images and captions are in it.
        drawn_by: the module that drew the images, None for photographs.
        patch_dim: numbers of each of the 8 x 8 patches that the encoder gave, 0 where there are none.
    """

    folder: pathlib.Path
    embedding_dim: int
    sizes: tuple
    counts: dict
    caption_counts: dict
    embedded_by: EncoderRecord | None
    theme: str
    shards: tuple
    attributes: tuple
    settings: dict
    drawn_by: str | None = None
    patch_dim: int = 0

    @property
    def encoder(self) -> EncoderRecord:
        """What embedded them.

        Raises:
            UserError: nothing has.
        """
        if self.embedded_by is None:
            raise UserError(f"{self.folder} has no embeddings yet; run `python clip_wrapper.py {self.folder}` first.")
        return self.embedded_by

    def examples(self, condition: str, split: str) -> int:
        """The number of (image, embedding) pairs in one epoch."""
        if split == "val" and condition == "text":
            return self.caption_counts["val"]
        return self.counts[split]

    def paths(self, split: str) -> list[pathlib.Path]:
        """The paths of a split's shards, in order."""
        return [self.folder / name for name in self.shards if name.startswith(split)]

    def condition_dim(self, condition: str) -> int:
        """How many numbers one of `CONDITIONS` has."""
        embedding = 0 if condition == "attributes" else self.embedding_dim
        return embedding + (len(self.attributes) if condition in ("attributes", "both") else 0)


def read_info(folder: PathLike, embedded: bool = True) -> DataInfo:
    """Reads what a folder of shards holds.

    Args:
        folder: the folder. embedded: whether it must have embeddings.

    Raises:
        UserError: the folder is not one that clip_wrapper.py finished, or a shard is missing.
    """
    folder = pathlib.Path(folder)
    manifest = read_manifest(folder, MADE_BY)
    try:
        if manifest["kind"] == "shards" and embedded:
            raise UserError(f"{folder} has no embeddings yet; run `python clip_wrapper.py {folder}` first.")
        if manifest["kind"] not in ("shards", "embedded"):
            raise UserError(f"{folder} holds no shards; prepare its images first, then run clip_wrapper.py on those.")
        if manifest["kind"] == "shards":
            made_by = f"python offline_preprocess.py ... --out {folder}"
        else:
            made_by = f"python clip_wrapper.py SHARDS --clip {manifest['clip_spec']} --out {folder}"
        check_shards(folder, manifest["shards"], made_by)
        _check_numbers(manifest, manifest["settings"].get("clip"))
        return _info_of(folder, manifest)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder}'s manifest is damaged ({error}); make the folder again with `{MADE_BY} --out {folder} "
            "--overwrite`."
        ) from None


def _check_numbers(manifest, clip):
    """Raises a TypeError for numbers that cannot be, which only a damaged manifest holds."""
    for split in SPLITS:
        held = sum(shard["count"] for name, shard in manifest["shards"].items() if name.startswith(split))
        if held != manifest["counts"][split] or not 0 <= manifest["caption_counts"][split] < 2**40:
            raise TypeError(f"the numbers of {split}")
    if clip and (type(clip["embedding_dim"]) is not int or not 0 < clip["embedding_dim"] < 2**20):
        raise TypeError("embedding_dim")


def _info_of(folder, manifest):
    settings = manifest["settings"]
    clip = settings.get("clip")
    shards = settings["shards"] if clip else settings
    return DataInfo(
        folder=folder,
        embedding_dim=clip["embedding_dim"] if clip else 0,
        sizes=tuple(shards["sizes"]),
        counts=manifest["counts"],
        caption_counts=manifest["caption_counts"],
        embedded_by=EncoderRecord(clip, manifest["clip_spec"], manifest["precision"]) if clip else None,
        theme=shards["theme"],
        shards=tuple(manifest["shards"]),
        attributes=tuple(shards.get("attributes", ())),
        settings=shards,
        drawn_by=manifest.get("drawn_by"),
        patch_dim=manifest.get("patches", 0),
    )
