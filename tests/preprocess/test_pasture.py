import collections
import json
import zipfile

import numpy as np
import pytest

from preprocess.coco.themes import THEMES, word_pattern
from preprocess.pasture import PASTURE_CLIP
from preprocess.pasture.archive import write_archive
from preprocess.pasture.paint import paint_other, paint_scene
from preprocess.pasture.scenes import (
    ATTRIBUTES,
    HELD_OUT,
    OTHER_CAPTIONS,
    Scene,
    captions,
    complete_caption,
    sample_scene,
)
from tests.helpers import ROOT, assert_user_error, command

SCENE = Scene("sheep", "white", "one", "grass", "open", "blue")


def rng(seed=0):
    return np.random.default_rng(seed)


def test_held_out_combinations_are_never_drawn_unless_asked_for():
    generator = rng()
    drawn = [sample_scene(generator) for _ in range(4000)]
    assert not any(scene.held_out for scene in drawn)
    assert any(sample_scene(generator, include_held_out=True).held_out for _ in range(200))
    for name, values in ATTRIBUTES.items():
        counts = collections.Counter(getattr(scene, name) for scene in drawn)
        assert set(counts) == set(values) and min(counts.values()) > 0.7 * 4000 / len(values)
    assert {value for combination in HELD_OUT for value in combination} == {
        value for name in ("animal", "coat", "ground", "sky") for value in ATTRIBUTES[name]
    }


def test_captions_are_bucolic_and_other_scenes_are_not():
    pattern = word_pattern(THEMES["large"])
    for seed in range(200):
        texts = captions(rng(seed), sample_scene(rng(seed)))
        assert len(texts) == 5 and all(map(pattern.search, texts)), texts
        assert all(text[0].isupper() and text.endswith(".") and "  " not in text for text in texts)
    for texts in OTHER_CAPTIONS.values():
        assert len(texts) >= 5 and not any(map(pattern.search, texts))


def test_a_complete_caption_names_animal_and_coat():
    text = complete_caption(rng(), Scene("cow", "black", "two", "snow", "fence", "grey")).lower()
    for word in ("black", "cows", "snow", "fence", "grey"):
        assert word in text


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in ATTRIBUTES.items() for v in values])
def test_every_attribute_shows(name, value):
    """Two pictures of the same random numbers that differ in one attribute differ in what is seen."""
    values = vars(SCENE) | {name: value}
    image = np.asarray(paint_scene(rng(), Scene(**values)))
    assert image.shape == (240, 320, 3) and image.std() > 20
    if values != vars(SCENE):
        assert (np.abs(image.astype(int) - np.asarray(paint_scene(rng(), SCENE))) > 30).any(-1).mean() > 0.01


def test_the_same_random_numbers_paint_the_same_picture():
    assert (np.asarray(paint_scene(rng(5), SCENE)) == np.asarray(paint_scene(rng(5), SCENE))).all()
    assert (np.asarray(paint_scene(rng(5), SCENE)) != np.asarray(paint_scene(rng(6), SCENE))).any()
    assert np.asarray(paint_other(rng(), "kitchen")).shape == (240, 320, 3)


def test_the_archive_is_cocos(pasture):
    dataset = json.loads((pasture / "captions_train2017.json").read_text())
    labels = json.loads((pasture / "labels.json").read_text())
    with zipfile.ZipFile(pasture / "train2017.zip") as archive:
        assert {f"train2017/{image['file_name']}" for image in dataset["images"]} == set(archive.namelist())
    texts = collections.Counter(annotation["image_id"] for annotation in dataset["annotations"])
    assert set(texts.values()) == {5} and len(texts) == 80
    assert 0.05 < 1 - len(labels) / 80 < 0.4
    assert set(next(iter(labels.values()))) == set(ATTRIBUTES)


def test_a_seed_gives_the_same_bytes_whatever_the_workers(pasture, tmp_path):
    write_archive(tmp_path / "again", count=80, seed=0, workers=1)
    for path in pasture.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_command_draws_once_and_says_what_it_made(tmp_path):
    draw = ("-m", "preprocess.pasture", "--out", tmp_path / "out")
    first, second = command(*draw, "--count", 6), command(*draw, "--count", 6)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout and first.stdout.startswith("Drew ")
    assert "drawing" not in second.stderr
    assert_user_error(command(*draw, "--count", 7), "other settings (count: 6 there, 7 now)", "--overwrite")
    assert_user_error(command(*draw, "--count", 0), "--count")


def test_the_small_clip_is_small():
    assert PASTURE_CLIP.stat().st_size < 8e6
    assert (ROOT / "cvae" / "pasture" / "judge.weights.h5").stat().st_size < 4e6


@pytest.mark.slow
def test_the_small_clip_finds_the_right_caption_among_fifty():
    import clip

    from preprocess.pasture.samples import draw_samples
    from preprocess.pasture.train_clip import IMAGE_SIZE, retrieval

    model, _ = clip.load(str(PASTURE_CLIP), device="cpu")
    images, labels = draw_samples(300, seed=77, size=IMAGE_SIZE)
    assert retrieval(model, images, labels, seed=0) >= 0.92
