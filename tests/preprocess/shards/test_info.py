import shutil

import pytest

from preprocess.shards.info import read_info
from preprocess.shards.records import shard_paths
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import MANIFEST, read_manifest


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


@pytest.mark.parametrize(
    "changed",
    [
        {"counts": {}},
        {"counts": {"train": 10**30, "val": 1}},
        {"caption_counts": {"train": 5}},
        {"caption_counts": {"train": 5, "val": 10**30}},
        {"shards": {}},
    ],
)
def test_numbers_that_cannot_be_are_damage(embedded, tmp_path, changed):
    folder = shutil.copytree(embedded, tmp_path / "embedded")
    write_json(folder / MANIFEST, read_manifest(folder, "") | changed)
    with pytest.raises(UserError, match="manifest is damaged"):
        read_info(folder)


@pytest.mark.parametrize("value", [None, -1, True, 3.5, "x", []])
def test_a_length_of_embeddings_that_cannot_be_is_damage(embedded, tmp_path, value):
    folder = shutil.copytree(embedded, tmp_path / "embedded")
    manifest = read_manifest(folder, "")
    manifest["settings"]["clip"]["embedding_dim"] = value
    write_json(folder / MANIFEST, manifest)
    with pytest.raises(UserError, match="manifest is damaged"):
        read_info(folder)
