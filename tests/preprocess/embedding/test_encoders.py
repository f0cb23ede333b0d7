import numpy as np
import pytest

from preprocess.embedding.encoders import load_encoder
from preprocess.embedding.process import EncoderProcess
from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.errors import UserError
from tests.helpers import ENCODER, ROOT, assert_user_error, command, shared

SCRIPT = ROOT / "clip_wrapper.py"


def test_another_encoder_takes_clips_place(shards, tmp_path):
    (tmp_path / "mine.py").write_text(ENCODER)
    with EncoderProcess(f"{tmp_path}/mine.py:Encoder") as encoder:
        assert (encoder.name, encoder.embedding_dim, encoder.image_size) == ("plain", 4, 32)
        assert np.allclose(encoder.encode_texts(["four"]) * np.sqrt(19), [[4, 1, 1, 1]])
    for spec, message in (
        ("mine.py:Half", "lacks embedding_dim"),
        ("mine.py:Gone", "no class Gone"),
        ("gone.py:Encoder", "not found"),
    ):
        with pytest.raises(UserError, match=message):
            load_encoder(f"{tmp_path}/{spec}")
    with pytest.raises(UserError, match="cannot be imported"):
        load_encoder("no_such_package.module:Encoder")
    with pytest.raises(UserError, match="names no class"):
        load_encoder(str(tmp_path / "mine.py"))
    process = command(SCRIPT, shards, "--clip", f"{tmp_path}/mine.py:Encoder", "--out", tmp_path / "embedded")
    assert process.returncode == 0, process.stderr
    assert "dimension 4" in process.stdout.splitlines()[-1]


def test_the_drawn_scenes_clip_is_found_wherever_the_package_lies():
    with EncoderProcess(str(PASTURE_CLIP)) as by_path, EncoderProcess("pasture") as by_name:
        assert by_path.spec == by_name.spec == "pasture"
        assert by_path.weights_sha256 == by_name.weights_sha256
        np.testing.assert_allclose(by_name.encode_texts(["a cow"]), by_path.encode_texts(["a cow"]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [("Zeros", "only zeros for input 1 of 1"), ("Broken", r"failed with ValueError: .* \(mine.py, line 16\); fix it")],
)
def test_an_encoder_that_fails_gives_one_sentence(tmp_path, name, message):
    (tmp_path / "mine.py").write_text(ENCODER)
    with EncoderProcess(f"{tmp_path}/mine.py:{name}") as encoder:
        with pytest.raises(UserError, match=message):
            encoder.encode_texts(["a cow"])
        # It is still there.
        assert encoder.encode_images([np.ones((8, 8, 3), np.uint8)]).shape == (1, 4)


def test_an_encoder_whose_constructor_wants_arguments_gives_one_sentence(shards, tmp_path):
    path = tmp_path / "needy.py"
    path.write_text("class Needy:\n    def __init__(self, weights): pass\n")
    process = command(SCRIPT, shards, "--clip", f"{path}:Needy", "--out", tmp_path / "out")
    assert_user_error(process, "needy.py:Needy cannot be made without arguments", "'weights'", "defaults")


@pytest.mark.slow
def test_the_stand_in_encoder_matches_captions_with_photographs():
    pytest.importorskip("onnxruntime")
    spec = f"{shared('encoders', 'photo_encoder.py')}:PhotoEncoder"
    with EncoderProcess(spec) as encoder:
        assert encoder.encode_images([np.zeros((9, 9, 3), np.uint8)]).shape == (1, 512)
