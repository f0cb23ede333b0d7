"""The validation images of a data set with their captions and embeddings, for measuring and showing."""

import dataclasses

import numpy as np

from preprocess.quiet import import_tensorflow
from preprocess.records import captions_of, embeddings_of, image_of, read_shard


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

    captions: list
    texts: np.ndarray
    ids: np.ndarray
    images: np.ndarray
    image_embeddings: np.ndarray

    def conditions(self, condition):
        """What a model trained with "image" or "text" is told of each image: float32 (m, d)."""
        return self.texts[: len(self.images)] if condition == "text" else self.image_embeddings


def read_held_out(info, size, limit):
    """Reads at most `limit` captions and their images of `size` px of a `preprocess.datasets.DataInfo`: `HeldOut`."""
    import_tensorflow()
    shards = [info.folder / name for name in info.shards if name.startswith("val")]
    rows, images, image_embeddings = [], [], []
    for number, example in enumerate(example for shard in shards for example in read_shard(shard)):
        image_embedding, texts = embeddings_of(example)
        rows += [(rank, number, *row) for rank, row in enumerate(zip(captions_of(example), texts))]
        if number < limit:
            images.append(image_of(example, size))
            image_embeddings.append(image_embedding)
    _, ids, captions, texts = zip(*sorted(rows, key=lambda row: row[:2])[:limit])
    return HeldOut(list(captions), np.array(texts), np.array(ids), np.stack(images), np.stack(image_embeddings))
