"""The validation images of a data set with their captions and embeddings, for measuring and showing."""

import dataclasses

import numpy as np

from preprocess.shards.info import DataInfo
from preprocess.shards.records import captions_of, embeddings_of, image_of, read_shard
from preprocess.utils.quiet import import_tensorflow


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """n captions of m validation images.

    Attributes:
        captions: n strings: every image's first caption, then every image's second one, and so on.
        texts: float32 (n, d), their embeddings.
        ids: int (n,), which images they describe; the first m are 0 to m - 1.
        images: uint8 (m, size, size, 3).
        image_embeddings: float32 (m, d).
    """

    captions: list[str]
    texts: np.ndarray
    ids: np.ndarray
    images: np.ndarray
    image_embeddings: np.ndarray

    def conditions(self, condition: str) -> np.ndarray:
        """What goes with each image in a model trained with "image" or "text": float32 (m, d)."""
        return self.texts[: len(self.images)] if condition == "text" else self.image_embeddings


def read_held_out(info: DataInfo, size: int, limit: int) -> HeldOut:
    """Reads at most `limit` captions and their images of `size` px of a data set: `HeldOut`."""
    import_tensorflow()
    rows, images, image_embeddings = [], [], []
    for number, example in enumerate(example for shard in info.paths("val") for example in read_shard(shard)):
        image_embedding, texts = embeddings_of(example)
        rows += [(rank, number, *row) for rank, row in enumerate(zip(captions_of(example), texts))]
        if number < limit:
            images.append(image_of(example, size))
            image_embeddings.append(image_embedding)
    _, ids, captions, embeddings = zip(*sorted(rows, key=lambda row: row[:2])[:limit])
    return HeldOut(list(captions), np.array(embeddings), np.array(ids), np.stack(images), np.stack(image_embeddings))
