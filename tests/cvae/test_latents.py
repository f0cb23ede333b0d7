import keras
import numpy as np
import pytest

from cvae.latents import encode_latents, read_latents
from cvae.spatial_vae import SpatialVAE
from preprocess.datasets import read_info
from preprocess.records import embeddings_of, image_of, read_shard


@pytest.fixture(scope="module")
def autoencoder():
    keras.utils.set_random_seed(0)
    return SpatialVAE(64, width=1 / 16)


def test_latents_are_those_of_the_images_and_of_their_mirror_images(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    encode_latents(autoencoder, info, tmp_path)
    latents = read_latents(info, tmp_path, "val")
    examples = [example for name in info.shards if name.startswith("val") for example in read_shard(info.folder / name)]
    images = np.stack([image_of(example, 64) for example in examples]) / np.float32(255)
    assert latents.grids.shape == (len(images), 2, *autoencoder.grid) and latents.grids.dtype == np.float16
    for view, grids in ((images, latents.grids[:, 0]), (images[:, :, ::-1], latents.grids[:, 1])):
        assert np.allclose(autoencoder.encode(view)[0], grids, atol=5e-3)
    embeddings, texts = zip(*map(embeddings_of, examples))
    assert np.array_equal(latents.embeddings, np.stack(embeddings))
    assert np.array_equal(latents.texts, np.concatenate(texts))
    assert np.array_equal(latents.ids, np.repeat(np.arange(len(texts)), [len(rows) for rows in texts]))


def test_only_missing_and_damaged_files_are_made_again(embedded, autoencoder, tmp_path):
    info = read_info(embedded)
    encode_latents(autoencoder, info, tmp_path)
    paths = sorted(tmp_path.iterdir())
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    paths[0].unlink()
    paths[1].write_bytes(before[paths[1]][0][:-100])
    encode_latents(autoencoder, info, tmp_path)
    for path in paths[2:]:
        assert path.stat().st_mtime_ns == before[path][1]
    for path in paths[:2]:
        with np.load(path) as again:
            assert again["grids"].shape[1:] == (2, *autoencoder.grid)
