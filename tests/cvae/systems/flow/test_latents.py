import keras
import numpy as np
import pytest

from cvae.systems.flow.latents import encode_latents, has_latents_of, read_latents
from cvae.systems.flow.spatial_vae import SpatialVAE
from preprocess.shards.info import read_info
from preprocess.shards.records import embeddings_of, image_of, read_shard
from preprocess.utils.errors import UserError


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """(an autoencoder, its file)."""
    keras.utils.set_random_seed(0)
    model, path = SpatialVAE(64, width=1 / 16), tmp_path_factory.mktemp("model") / "best.keras"
    model.save(path)
    return model, path


def test_latents_are_those_of_the_images_and_of_their_mirror_images(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    encode_latents(*autoencoder, info, tmp_path, 64)
    latents = read_latents(info, tmp_path, "val")
    autoencoder = autoencoder[0]
    examples = [example for path in info.paths("val") for example in read_shard(path)]
    images = np.stack([image_of(example, 64) for example in examples]) / np.float32(255)
    assert latents.grids.shape == (len(images), 2, *autoencoder.grid) and latents.grids.dtype == np.float16
    for view, grids in ((images, latents.grids[:, 0]), (images[:, :, ::-1], latents.grids[:, 1])):
        assert np.allclose(autoencoder.encode(view)[0], grids, atol=5e-3)
    embeddings, texts = zip(*map(embeddings_of, examples))
    np.testing.assert_allclose(latents.embeddings, np.stack(embeddings))
    np.testing.assert_allclose(latents.texts, np.concatenate(texts))
    assert np.array_equal(latents.ids, np.repeat(np.arange(len(texts)), [len(rows) for rows in texts]))


def test_crops_of_training_images_are_always_the_same_parts(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    for folder in ("once", "again"):
        encode_latents(*autoencoder, info, tmp_path / folder, 64, crops=2)
    first, again = (read_latents(info, tmp_path / folder, "train") for folder in ("once", "again"))
    np.testing.assert_array_equal(first.grids, again.grids)
    plain, crops = first.grids[:, 0], first.grids[:, 2::2]
    assert crops.shape[1] == 2 and first.patches.shape[1] == 3
    differences = np.abs(crops - plain[:, None]).astype(np.float32).mean((2, 3, 4))
    others = np.abs(crops[:, 0] - plain[::-1]).astype(np.float32).mean((1, 2, 3))
    # Other than the whole, and yet more like it than like other photographs.
    assert (differences > 0).all() and differences.mean() < others.mean()
    assert read_latents(info, tmp_path / "once", "val").grids.shape[1] == 2


def test_very_many_latents_stay_on_the_disk(embedded, autoencoder, tmp_path, monkeypatch):
    info = read_info(embedded)
    encode_latents(*autoencoder, info, tmp_path, 64, crops=1)
    in_memory = read_latents(info, tmp_path, "train")
    monkeypatch.setattr("cvae.systems.flow.latents.MAPPED", 0)
    joined, times = tmp_path / "train-grids.npy", set()
    for _ in range(2):
        mapped = read_latents(info, tmp_path, "train")
        assert isinstance(mapped.grids, np.memmap)
        for name, own in vars(in_memory).items():
            np.testing.assert_array_equal(own, getattr(mapped, name))
        times.add(joined.stat().st_mtime_ns)
    assert len(times) == 1
    joined.write_bytes(joined.read_bytes()[:-2])
    with pytest.raises(UserError, match=r"train-grids\.npy is damaged .*; delete "):
        read_latents(info, tmp_path, "train")


def test_only_missing_and_damaged_files_are_made_again(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    encode_latents(*autoencoder, info, tmp_path, 64)
    paths = sorted(tmp_path.glob("*.npz"))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    paths[0].unlink()
    damaged = bytearray(before[paths[1]][0])
    damaged[len(damaged) // 2] ^= 255
    paths[1].write_bytes(damaged)
    encode_latents(*autoencoder, info, tmp_path, 64)
    for path in paths[2:]:
        assert path.stat().st_mtime_ns == before[path][1]
    for path in paths[:2]:
        with np.load(path) as again:
            assert again["grids"].shape[1:] == (2, *autoencoder[0].grid)


def test_latents_of_another_autoencoder_are_made_anew(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    encode_latents(*autoencoder, info, tmp_path, 64)
    assert has_latents_of(autoencoder[1], tmp_path)
    before = read_latents(info, tmp_path, "val").grids
    keras.utils.set_random_seed(1)
    other = SpatialVAE(64, width=1 / 16)
    other.save(tmp_path / "other.keras")
    assert not has_latents_of(tmp_path / "other.keras", tmp_path)
    path = autoencoder[1].with_name("other.keras")
    other.save(path)
    encode_latents(other, path, info, tmp_path, 64)
    assert np.abs(read_latents(info, tmp_path, "val").grids - before).max() > 0.01
