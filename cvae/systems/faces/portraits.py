"""A data set's portraits in memory, for judging, measuring and showing."""

import dataclasses

import numpy as np

from preprocess.shards.info import DataInfo
from preprocess.shards.records import attributes_in, captions_of, embeddings_of, image_of, read_shard
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow

IMAGE_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Portraits:
    """n portraits of one split.

    Attributes:
        images: uint8 (n, 64, 64, 3).
        attributes: float32 (n, 40), 0 or 1.
        captions: n strings, each portrait's first sentence, which says all. texts: float32 (n, d), their embeddings.
    """

    images: np.ndarray
    attributes: np.ndarray
    captions: list[str]
    texts: np.ndarray

    def conditions(self, condition: str) -> np.ndarray:
        """What goes with each portrait in a model trained with "attributes", "text" or "both": float32 (n, c)."""
        parts = {
            "attributes": [self.attributes],
            "text": [self.texts],
            "both": [self.attributes, self.texts],
        }
        return np.concatenate(parts[condition], axis=1)


def read_portraits(info: DataInfo, split: str, limit: int | None = None) -> Portraits:
    """Reads at most `limit` portraits of a data set, in their order: `Portraits`."""
    import_tensorflow()
    count = min(info.counts[split], limit or info.counts[split])
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    attributes = np.empty((count, len(info.attributes)), np.float32)
    texts = np.empty((count, info.embedding_dim), np.float32)
    captions = []
    examples = (example for shard in info.paths(split) for example in read_shard(shard))
    bar = progress_bar(range(count), f"reading {split} portraits", unit="image", leave=False)
    for row, example in zip(bar, examples):
        images[row], attributes[row] = image_of(example, IMAGE_SIZE), attributes_in(example)
        captions.append(captions_of(example)[0])
        texts[row] = embeddings_of(example)[1][0]
    return Portraits(images, attributes, captions, texts)
