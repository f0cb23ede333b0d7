import numpy as np
import pytest

from clip_wrapper import ClipWrapper
from preprocess.coco.build import preprocess_coco
from preprocess.embedding.embed import read_shards_manifest
from preprocess.embedding.patches import DIM
from preprocess.embedding.process import EncoderProcess
from preprocess.pasture import PASTURE_CLIP
from preprocess.shards.records import captions_of, patches_of, read_shard, shard_paths
from preprocess.utils.errors import UserError
from preprocess.utils.folders import read_manifest
from tests.helpers import ENCODER, ROOT, assert_same_embedded, assert_user_error, command, start, wait_for

SCRIPT = ROOT / "clip_wrapper.py"


def test_embedding_writes_one_embedding_an_image_and_one_a_caption(shards, embedded):
    manifest = read_manifest(embedded, "")
    assert manifest["settings"]["clip"] | {"weights_sha256": ""} == {
        "name": "clip.pt", "embedding_dim": 512, "image_size": 64, "normalization": "l2", "weights_sha256": "",
    }  # fmt: skip
    record = next(read_shard(shard_paths(embedded, "train")[0]))
    feature = record.features.feature
    assert len(feature["image_embedding"].float_list.value) == 512
    assert len(feature["text_embeddings"].float_list.value) == 512 * len(captions_of(record))
    texts = np.array(feature["text_embeddings"].float_list.value).reshape(-1, 512)
    wrapper = ClipWrapper(str(PASTURE_CLIP), precision=manifest["precision"])
    np.testing.assert_allclose(texts, wrapper.encode_texts(captions_of(record)), atol=1e-2)


def test_embedding_goes_on_shard_by_shard_and_gives_the_same_records(shards, embedded, tmp_path):
    import shutil

    from preprocess.embedding.embed import embed_folder
    from preprocess.utils.files import write_json
    from preprocess.utils.folders import MANIFEST

    out = tmp_path / "embedded"
    shutil.copytree(embedded, out)
    manifest = read_manifest(out, "")
    begun = {k: manifest[k] for k in ("schema_version", "settings", "precision", "patches")} | {"complete": False}
    assert begun["patches"] == DIM
    write_json(out / MANIFEST, begun)
    shard_paths(out, "train")[1].unlink()
    kept = shard_paths(out, "train")[0].stat().st_mtime_ns
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(shards, out, encoder)
    assert shard_paths(out, "train")[0].stat().st_mtime_ns == kept
    assert_same_embedded(out, embedded)
    # Version 0.2 knew no patches: what it began goes on without.
    del begun["patches"]
    write_json(out / MANIFEST, begun)
    shard_paths(out, "train")[1].unlink()
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        assert embed_folder(shards, out, encoder)["patches"] == 0
    assert patches_of(next(read_shard(shard_paths(embedded, "train")[1]))).shape == (8, 8, DIM)
    with pytest.raises(ValueError):
        patches_of(next(read_shard(shard_paths(out, "train")[1])))


def test_lost_and_cut_shards_are_named_or_mended(shards, embedded, tmp_path):
    import shutil

    from preprocess.embedding.embed import embed_folder

    source, out = tmp_path / "shards", tmp_path / "embedded"
    shutil.copytree(shards, source)
    shutil.copytree(embedded, out)
    first, second = shard_paths(out, "train")[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(source, out, encoder)
    assert_same_embedded(out, embedded)
    shard_paths(source, "val")[0].unlink()
    assert_user_error(command(SCRIPT, source, "--clip", PASTURE_CLIP), source, "lacks val-00000", "mends that")


def test_wrong_folders_and_settings_give_one_sentence(shards, embedded, pasture, tmp_path):
    assert_user_error(command(SCRIPT, pasture), pasture, "offline_preprocess.py")
    assert_user_error(command(SCRIPT, embedded), embedded, "embedded already")
    assert_user_error(command(SCRIPT, shards, "--clip", "ViT-Z"), "ViT-Z", "ViT-B/32")
    (tmp_path / "mine.py").write_text(ENCODER)
    process = command(SCRIPT, shards, "--clip", f"{tmp_path}/mine.py:Encoder", "--out", embedded)
    assert_user_error(process, embedded, "other settings (clip)", "--overwrite")


def test_photographs_without_what_encoders_see_are_refused(pasture, tmp_path):
    preprocess_coco(pasture / "train2017.zip", tmp_path / "shards", sizes=(64,), limit=4)
    with pytest.raises(UserError, match=r"no images of 224 px, which encoders see; .* --sizes 64 224"):
        read_shards_manifest(tmp_path / "shards")


@pytest.mark.slow
def test_a_killed_embedding_goes_on_and_gives_the_same_records(shards, embedded, tmp_path):
    out = tmp_path / "embedded"
    arguments = (SCRIPT, shards, "--clip", PASTURE_CLIP, "--out", out)
    killed = start(*arguments)
    wait_for(killed, lambda: shard_paths(out, "train"))
    killed.kill()
    killed.wait()
    with pytest.raises(UserError, match="not finished"):
        read_manifest(out, "")
    assert command(*arguments).returncode == 0
    assert_same_embedded(out, embedded)
