import io

import numpy as np
import pytest
from PIL import Image

from clip_wrapper import ClipWrapper
from preprocess.pasture import PASTURE_CLIP
from preprocess.pasture.archive import draw
from preprocess.pasture.encoder import PastureEncoder
from preprocess.photographs.tokenizer import NOT_ENGLISH
from tests.helpers import command

# Between PyTorch's and TensorFlow's sums; measured: 8e-8, and 5e-6 of patches that go up to 5.
TOLERANCE = 1e-5


def test_its_numbers_are_those_of_openais_code():
    wrapper, encoder = ClipWrapper(str(PASTURE_CLIP), "float32"), PastureEncoder()
    drawn = [draw(number) for number in range(6)]
    images = [Image.open(io.BytesIO(jpeg)) for jpeg, *_ in drawn]
    # Neither square nor of its size, on either side of it.
    noise = np.random.default_rng(0).integers(0, 256, (61, 90, 3), np.uint8)
    images += [Image.fromarray(noise), Image.fromarray(noise.transpose(1, 0, 2)), Image.fromarray(noise[:33, :21])]
    theirs, own = (each.encode_images_and_patches(images) for each in (wrapper, encoder))
    for one, other in zip(theirs, own):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    texts = [text for _, captions, _ in drawn for text in captions] + ["", "é, ü & <b>!", "a white cow " * 100]
    with pytest.warns(UserWarning, match="longer than CLIP's 77 tokens"):
        np.testing.assert_allclose(wrapper.encode_texts(texts), encoder.encode_texts(texts), atol=TOLERANCE)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 512)


def test_a_text_without_english_letters_is_warned_of():
    with pytest.warns(UserWarning, match=NOT_ENGLISH):
        PastureEncoder().encode_texts(["白い羊"])


# As on a machine where it is not installed.
WITHOUT = """
import sys
class Hidden:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""


def test_it_needs_no_pytorch():
    use = "from preprocess.embedding.encoders import load_encoder\n"
    done = command("-c", f"{WITHOUT}{use}print(load_encoder('pasture').encode_texts(['a']).shape)")
    assert done.returncode == 0 and done.stdout.strip() == "(1, 512)", done.stderr
    refused = command("-c", WITHOUT + "from clip_wrapper import ClipWrapper; ClipWrapper()")
    assert "run `make clip`" in refused.stderr
