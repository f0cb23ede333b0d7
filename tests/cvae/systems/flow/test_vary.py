import dataclasses

import numpy as np
import pytest
from PIL import Image

from cvae.nn.samplers import SamplerOptions
from cvae.runs import Run
from cvae.systems.flow.vary import draw_change, draw_variations
from tests.helpers import assert_user_error, command


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (90, 70), "green").save(path)
    return path


def test_the_photograph_stands_first_in_a_row_of_its_own(flow_run, photograph):
    for towards in (None, "in the snow"):
        pictures = Run(flow_run).call("vary", photograph, towards=towards, count=2, steps=2)
        assert pictures.arrays.shape == (1, 3, 64, 64, 3) and pictures.names == ["photo"]
        assert (pictures.arrays[0, 0] == (0, 128, 0)).all()


def test_variations_have_noises_of_their_own_and_the_same_again(flow_run):
    model = Run(flow_run).model()
    options = SamplerOptions(steps=2)
    embedding = np.eye(1, model.condition_dim, dtype=np.float32)
    pictures = draw_variations(model, embedding, 3, 1, options)
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3
    np.testing.assert_allclose(draw_variations(model, embedding, 3, 1, options), pictures, atol=1e-5)
    assert np.abs(draw_variations(model, embedding, 3, 2, options) - pictures).max() > 1e-3


def test_towards_begins_at_the_photograph_and_leaves_it_step_by_step(flow_run):
    model = Run(flow_run).model()
    options = SamplerOptions(guidance=1.0, steps=40)
    photograph = np.random.default_rng(0).random((64, 64, 3), np.float32)
    own, other = np.eye(2, model.condition_dim, dtype=np.float32)
    reconstruction = np.asarray(model.decode(model.encode(photograph[None])[0]))[0]
    [kept] = draw_change(model, photograph, own, own, 1, options)
    assert np.abs(kept - reconstruction).mean() < 0.02
    changes = np.abs(draw_change(model, photograph, own, other, 3, options) - reconstruction).mean((1, 2, 3))
    assert changes[0] > np.abs(kept - reconstruction).mean() and np.all(np.diff(changes) > 0)


def test_towards_turns_half_of_the_way_at_most(flow_run, monkeypatch):
    model = Run(flow_run).model()
    seen = []
    monkeypatch.setattr(
        model, "sample", lambda noise, embedding, options: seen.append((embedding[0], options)) or noise
    )
    own, other = np.eye(2, model.condition_dim, dtype=np.float32)
    asked = SamplerOptions(guidance=3.0, steps=2, interval=(0.0, 1.0))
    draw_change(model, np.zeros((64, 64, 3), np.float32), own, other, 2, asked)
    turned = [embedding for embedding, _ in seen]
    # Guidance grows with the change, and the sampler is the exact one; the rest is as asked.
    assert [options for _, options in seen] == [
        dataclasses.replace(asked, guidance=guidance, sampler="heun") for guidance in (2.0, 3.0)
    ]
    assert np.allclose(turned @ own, np.cos(np.pi / 2 * np.array([0.25, 0.5])), atol=1e-5)
    assert np.allclose(turned @ other, np.sin(np.pi / 2 * np.array([0.25, 0.5])), atol=1e-5)


def test_on_the_way_to_a_prompt_guidance_is_three_at_most(flow_run, photograph, monkeypatch):
    run, used = Run(flow_run), []
    model = run.model()
    monkeypatch.setattr(run, "model", lambda: model)
    monkeypatch.setattr(
        "cvae.systems.flow.vary.draw_change",
        lambda *given: used.append(given[-1].guidance) or np.zeros((given[4], 64, 64, 3), np.float32),
    )
    for own in (2.0, 6.0):
        model.options = dataclasses.replace(model.options, guidance=own)
        run.call("vary", photograph, towards="in the snow", count=1)
    assert used == [2.0, 3.0]


def test_the_command_line_varies(flow_run, photograph, tmp_path):
    out = "--out", tmp_path / "varied"
    varied = command("-m", "cvae", "vary", "--run", flow_run, photograph, "--count", 2, "--steps", 2, *out)
    assert varied.returncode == 0 and "Drew 2 pictures" in varied.stdout, varied.stderr
    assert not any(noise in varied.stderr for noise in ("Warning", "E0000", "I0000", "W0000")), varied.stderr
    names = {path.name.rpartition("-")[2] for path in (tmp_path / "varied").iterdir()}
    assert names == {"given.png", "1.png", "2.png", "grid.png"}


def test_what_cannot_be_varied_is_an_error(flow_run, run, tmp_path):
    picture = tmp_path / "text.jpg"
    picture.write_text("no picture")
    assert_user_error(command("-m", "cvae", "vary", "--run", flow_run, picture), picture)
    assert_user_error(command("-m", "cvae", "vary", "--run", run, picture), "has no `vary`", "64-flow, 128-flow")
