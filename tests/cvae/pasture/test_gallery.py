import dataclasses
import json

import numpy as np
import pytest

from cvae.pasture.gallery import check_drawn
from cvae.pasture.judge import JUDGED, gallery_prompts, judge_accuracy, load_judge, score
from cvae.runs import Run
from preprocess.pasture.scenes import ATTRIBUTES, HELD_OUT, captions, sample_scene
from preprocess.utils.errors import UserError
from tests.helpers import command


def test_gallery_prompts_were_never_captions():
    prompts, expected = zip(*gallery_prompts())
    assert len(prompts) == len(set(prompts)) == len(HELD_OUT) >= 8
    rng = np.random.default_rng(0)
    drawn = {text.lower().rstrip(".") for _ in range(3000) for text in captions(rng, sample_scene(rng))}
    assert not drawn & {prompt.lower() for prompt in prompts}
    for prompt, wanted in zip(prompts, expected):
        assert wanted["animal"] in prompt and wanted["coat"] in prompt and wanted["sky"] in prompt


def test_the_judge_sees_what_was_drawn():
    accuracy = judge_accuracy(load_judge(), 200, seed=9)
    assert all(accuracy[name] > 0.9 for name in JUDGED), accuracy


def test_the_score_is_the_share_that_shows_what_was_asked():
    """Drawn scenes stand in for a model's pictures: right where the request is the label, wrong where it is not."""
    from preprocess.pasture.samples import draw_samples, scene_of

    images, labels = draw_samples(24, seed=5, size=64)
    pictures = images.reshape(24, 1, 64, 64, 3) / np.float32(255)
    asked = [vars(scene_of(row)) for row in labels]
    assert score(load_judge(), pictures, asked).mean() > 0.9
    others = [
        {name: values[(values.index(row[name]) + 1) % len(values)] for name, values in ATTRIBUTES.items()}
        for row in asked
    ]
    assert score(load_judge(), pictures, others).mean() < 0.1
    assert score(load_judge(), pictures, asked).shape == (24, 1, len(JUDGED))


@pytest.mark.slow
def test_the_command_draws_judges_and_prints_a_table(run, tmp_path):
    process = command("-m", "cvae", "gallery", "--run", run, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    assert all(name in process.stdout for name in (*JUDGED, "chance", "attributes right"))
    judged = json.loads((tmp_path / "judged.json").read_text())
    assert 0 <= judged["attributes"]["all"]["right"] <= 1 and len(judged["prompts"]) == len(HELD_OUT)
    assert (tmp_path / "gallery.png").is_file() and (tmp_path / "grid.png").is_file()


def test_a_run_of_photographs_has_no_gallery(run):
    opened = Run(run)
    check_drawn(opened)
    opened.encoder = dataclasses.replace(opened.encoder, clip=opened.encoder.clip | {"weights_sha256": "real"})
    check_drawn(opened)  # drawn scenes, embedded by another encoder
    opened.config["drawn_by"] = None
    with pytest.raises(UserError, match="was not trained on drawn scenes"):
        check_drawn(opened)
