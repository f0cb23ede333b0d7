import numpy as np
import pytest
from conftest import assert_user_error, command
from PIL import Image

from cvae.runs import load_model
from cvae.varying import draw_change, draw_variations, vary


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (90, 70), "green").save(path)
    return path


def test_varied_it_leaves_the_photograph_and_its_pictures_of_the_last_call(flow_run, photograph, tmp_path):
    for towards in (None, "in the snow"):
        assert vary(flow_run, photograph, towards, count=2, out=tmp_path / "varied", steps=2).is_file()
    assert vary(flow_run, photograph, count=3, steps=2) == flow_run / "varied" / "grid.png"
    vary(flow_run, photograph, count=1, steps=2)
    # The photograph and one variation: those of the call before are gone.
    assert len(list((flow_run / "varied").iterdir())) == 1 + 2


def test_variations_have_noises_of_their_own_and_the_same_again(flow_run):
    model = load_model(flow_run)
    model.steps = 2
    embedding = np.eye(1, model.condition_dim, dtype=np.float32)
    pictures = draw_variations(model, embedding, 3, seed=1)
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3
    assert np.array_equal(draw_variations(model, embedding, 3, seed=1), pictures)
    assert np.abs(draw_variations(model, embedding, 3, seed=2) - pictures).max() > 1e-3


def test_towards_begins_at_the_photograph_and_leaves_it_step_by_step(flow_run):
    model = load_model(flow_run)
    model.steps, model.guidance = 40, 1.0
    photograph = np.random.default_rng(0).random((64, 64, 3), np.float32)
    own, other = np.eye(2, model.condition_dim, dtype=np.float32)
    reconstruction = np.asarray(model.decode(model.encode(photograph[None])[0]))[0]
    [kept] = draw_change(model, photograph, own, own, 1)
    assert np.abs(kept - reconstruction).mean() < 0.02
    changes = np.abs(draw_change(model, photograph, own, other, 3) - reconstruction).mean((1, 2, 3))
    assert changes[0] > np.abs(kept - reconstruction).mean() and np.all(np.diff(changes) > 0)
    assert model.guidance == 1.0


def test_towards_turns_half_of_the_way_at_most(flow_run, monkeypatch):
    model = load_model(flow_run)
    model.steps, told = 2, []
    monkeypatch.setattr(model, "sample", lambda noise, embedding: told.append(embedding[0]) or noise)
    own, other = np.eye(2, model.condition_dim, dtype=np.float32)
    draw_change(model, np.zeros((64, 64, 3), np.float32), own, other, 2)
    assert np.allclose(told @ own, np.cos(np.pi / 2 * np.array([0.25, 0.5])), atol=1e-5)
    assert np.allclose(told @ other, np.sin(np.pi / 2 * np.array([0.25, 0.5])), atol=1e-5)


def test_the_command_line_varies(flow_run, photograph, tmp_path):
    out = "--out", tmp_path / "varied"
    varied = command("-m", "cvae", "vary", "--run", flow_run, photograph, "--count", 2, "--steps", 2, *out)
    assert varied.returncode == 0 and "Drew 2 pictures" in varied.stdout, varied.stderr
    assert not any(noise in varied.stderr for noise in ("Warning", "E0000", "I0000", "W0000")), varied.stderr
    assert (tmp_path / "varied" / "grid.png").is_file()


def test_what_cannot_be_varied_is_an_error(flow_run, run, tmp_path):
    picture = tmp_path / "text.jpg"
    picture.write_text("no picture")
    assert_user_error(command("-m", "cvae", "vary", "--run", flow_run, picture), picture)
    assert_user_error(command("-m", "cvae", "vary", "--run", run, picture), "no flow", "64-flow or 128-flow")
