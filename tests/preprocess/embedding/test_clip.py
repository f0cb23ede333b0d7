import warnings

import clip
import numpy as np
import pytest
import torch
from PIL import Image

from clip_wrapper import ClipWrapper
from preprocess.embedding.clip_model import encode_tokens, watch_patches
from preprocess.embedding.encoders import load_encoder
from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.errors import UserError
from tests.helpers import command

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def wrapper():
    return ClipWrapper(str(PASTURE_CLIP), precision="float32")


def test_every_kind_of_image_gives_the_same_unit_vector(wrapper, tmp_path):
    pixels = rng.integers(0, 255, (90, 120, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    kinds = [Image.fromarray(pixels), pixels, np.float32(pixels / 255), tmp_path / "a.png", str(tmp_path / "a.png")]
    embeddings = wrapper.encode_images(kinds)
    assert embeddings.shape == (5, 512) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embeddings, embeddings[:1].repeat(5, 0), atol=1e-5)


def test_images_go_through_clips_own_transform(wrapper):
    model, transform = clip.load(str(PASTURE_CLIP), device="cpu")
    image = Image.fromarray(rng.integers(0, 255, (200, 300, 3), np.uint8))
    with torch.no_grad():
        expected = model.encode_image(transform(image)[None]).numpy()
    np.testing.assert_allclose(wrapper.encode_images([image]), expected / np.linalg.norm(expected), atol=1e-5)


def test_texts_are_encoded_as_clip_does(wrapper):
    texts = ["sheep", "a white sheep on green grass under a blue sky", "snow " * 70]
    with torch.no_grad():
        expected = wrapper._model.encode_text(clip.tokenize(texts))
        ours = encode_tokens(wrapper._model, clip.tokenize(texts))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_batches_do_not_change_the_result(wrapper):
    images = list(rng.integers(0, 255, (7, 64, 64, 3), np.uint8))
    texts = [f"{number} brown cows in the snow" for number in range(7)]
    np.testing.assert_allclose(wrapper.encode_images(images, 3), wrapper.encode_images(images, 7), atol=1e-5)
    np.testing.assert_allclose(wrapper.encode_texts(texts, 3), wrapper.encode_texts(texts, 7), atol=1e-5)
    assert wrapper.encode_images([]).shape == wrapper.encode_texts([]).shape == (0, 512)


def test_long_text_is_cut_with_a_warning(wrapper):
    with pytest.warns(UserWarning, match="cut: 'sheep sheep"):
        assert wrapper.encode_texts(["sheep " * 200]).shape == (1, 512)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapper.encode_texts(["sheep " * 75])


def test_float_images_outside_zero_to_one_are_an_error(wrapper):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        wrapper.encode_images([np.full((64, 64, 3), 200.0)])


def test_the_courseworks_functions(wrapper, tmp_path):
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    assert wrapper.get_tokens("two cows").shape == (1, 77)
    np.testing.assert_allclose(wrapper.get_text_encoding("two cows"), wrapper.encode_texts(["two cows"]), atol=1e-5)
    np.testing.assert_allclose(wrapper.get_image_encoding_from_filepath(path), wrapper.encode_images([path]), atol=1e-5)
    np.testing.assert_allclose(
        wrapper.batch_get_image_encodings([path] * 3), wrapper.encode_images([path] * 3), atol=1e-5
    )


def test_patches_lie_where_they_are_in_the_image(wrapper):
    """A square somewhere changes what is said of its place more than what is said elsewhere."""
    embeddings, patches = wrapper.encode_images_and_patches([np.full((64, 64, 3), 90, np.uint8)])
    n, h, w, _ = patches.shape
    assert (n, h) == (1, w) and patches.dtype == np.float32
    for row, column in ((0, 0), (0, w - 1), (h - 1, 1)):
        marked = np.full((h, w, 3), 90, np.uint8)
        marked[row, column] = 250, 240, 20
        marked = marked.repeat(64 // h, 0).repeat(64 // w, 1)
        change = np.linalg.norm(wrapper.encode_patches([marked])[0] - patches[0], axis=-1)
        assert np.unravel_index(change.argmax(), change.shape) == (row, column)
    np.testing.assert_allclose(embeddings, wrapper.encode_images([np.full((64, 64, 3), 90, np.uint8)]), atol=1e-5)


def test_a_resnets_patches_are_those_that_it_pools():
    torch.manual_seed(0)
    visual = clip.model.ModifiedResNet((1, 1, 1, 1), 16, 2, input_resolution=64, width=8)
    with watch_patches(visual) as noted, torch.no_grad():
        pooled = visual(torch.rand(3, 3, 64, 64))
        assert noted[0].shape == (3, 2, 2, 256)
        again = visual.attnpool(noted[0].permute(0, 3, 1, 2))
    np.testing.assert_allclose(again, pooled, atol=1e-5)
    visual(torch.rand(1, 3, 64, 64))
    assert len(noted) == 1


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no bfloat16 in this CPU")
def test_bfloat16_is_close(wrapper):
    images = list(rng.integers(0, 255, (8, 64, 64, 3), np.uint8))
    other = ClipWrapper(str(PASTURE_CLIP), precision="bfloat16")
    assert np.abs(other.encode_images(images) - wrapper.encode_images(images)).max() < 1e-2
    assert other.encode_images(images).dtype == np.float32


def test_names_and_files_that_are_no_clip(tmp_path):
    with pytest.raises(UserError, match="no encoder named 'ViT-Z'.*ViT-B/32"):
        load_encoder("ViT-Z")
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "pickle.pt")
    for name in ("text.pt", "other.pt", "pickle.pt"):
        with pytest.raises(UserError, match="is not a CLIP checkpoint"):
            load_encoder(str(tmp_path / name))


def test_a_file_that_would_run_code_does_not(tmp_path):
    class Harm:
        def __reduce__(self):
            return (print, ("ran",), None)

    import pickle

    (tmp_path / "harm.pt").write_bytes(pickle.dumps(Harm()))
    process = command(
        "-c", f"from preprocess.embedding.encoders import load_encoder; load_encoder({str(tmp_path / 'harm.pt')!r})"
    )
    assert process.returncode and "ran" not in process.stdout.split()


def test_weights_that_cannot_be_downloaded_say_how_to_give_a_file(monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"cannot be downloaded.*give the file's path.*or .*--clip photographs"):
        load_encoder("ViT-B/32")


@pytest.mark.slow
def test_a_random_vit_b32_goes_the_same_way(tmp_path):
    """The real shape through the real loader, and bfloat16 within its tolerance of float32."""
    torch.manual_seed(0)
    path = tmp_path / "random.pt"
    torch.save(clip.model.CLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12).state_dict(), path)
    wrapper = ClipWrapper(str(path))
    assert (wrapper.embedding_dim, wrapper.image_size) == (512, 224)
    images = list(rng.integers(0, 255, (2, 300, 250, 3), np.uint8))
    fast = wrapper.encode_images(images)
    wrapper.precision = "float32"
    assert np.abs(fast - wrapper.encode_images(images)).max() < 1e-2
