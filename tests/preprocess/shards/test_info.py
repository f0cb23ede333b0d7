import shutil

import pytest

from preprocess.shards.info import read_info
from preprocess.shards.records import shard_paths
from preprocess.utils.errors import UserError


def test_what_the_folder_holds(embedded):
    info = read_info(embedded)
    assert info.embedding_dim == 512 and info.sizes == (64, 128, 224) and info.theme == "large"
    assert info.examples("image", "val") == info.counts["val"]
    assert info.examples("text", "val") == 5 * info.counts["val"]
    assert info.examples("text", "train") == info.counts["train"]


def test_folders_that_are_not_embedded_are_errors(shards, embedded, tmp_path):
    with pytest.raises(UserError, match=r"has no manifest.*clip_wrapper"):
        read_info(tmp_path)
    with pytest.raises(UserError, match="has no embeddings yet"):
        read_info(shards)
    shutil.copytree(embedded, tmp_path / "copy")
    shard_paths(tmp_path / "copy", "val")[0].unlink()
    with pytest.raises(UserError, match=r"lacks val-00000\.tfrecord"):
        read_info(tmp_path / "copy")
