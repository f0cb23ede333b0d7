import dataclasses
import json

import numpy as np
import pytest

from cvae.keras_files import LAST
from cvae.log import GAUGES, best_epoch, read_log
from cvae.runs import Run
from cvae.systems.faces import SYSTEM
from cvae.systems.faces.compare import choose_variants
from cvae.systems.faces.conditions import PROMPTS
from cvae.training.loop import train
from preprocess.celeba.attributes import vector_of
from preprocess.utils.errors import UserError
from tests.helpers import assert_same_weights, assert_user_error, command

SMALL = {"epochs": 2, "batch_size": 8, "width": 1 / 16, "precision": "float32", "decay": False}


@pytest.fixture(scope="module")
def run(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "celeba-cvae"
    train("celeba-cvae", portraits, out, SMALL)
    return out


def test_a_run_learns_and_draws_the_portraits_prompts(run):
    history = read_log(run)
    assert history[-1]["loss"] < history[0]["loss"]
    with np.load(run / "prompts.npz") as stored:
        assert list(stored["prompts"]) == list(PROMPTS)
        np.testing.assert_array_equal(stored["conditions"], [vector_of(prompt) for prompt in PROMPTS])
    assert len(list(run.rglob("*.png"))) >= 3


def test_prompts_become_attributes_without_any_encoder(run, tmp_path):
    config = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(config | {"clip_spec": "/nowhere/clip.pt"}))
    try:
        grid = Run(run).generate(["a bald man with a beard"], count=2).save(tmp_path)
        [condition] = Run(run).condition(["a bald man with a beard"])
    finally:
        (run / "run.json").write_text(json.dumps(config))
    assert grid.is_file() and len(list(tmp_path.glob("01-*.png"))) == 2
    np.testing.assert_array_equal(condition, vector_of("a bald man with a beard"))


def test_the_parts_of_a_condition_come_in_the_datas_order(run):
    opened, found = Run(run), {}
    for condition in ("attributes", "text", "both"):
        opened.variant = dataclasses.replace(opened.variant, condition=condition)
        found[condition] = opened.condition(["an old woman"])
    np.testing.assert_array_equal(found["both"][:, :40], found["attributes"])
    np.testing.assert_allclose(found["both"][:, 40:], found["text"], atol=1e-6)


def test_an_interrupted_training_goes_on_with_the_optimizers_state(run, portraits, tmp_path):
    train("celeba-cvae", portraits, tmp_path / "run", SMALL | {"epochs": 1})
    train(None, None, tmp_path / "run", {"epochs": 2}, resume=True)
    assert_same_weights(Run(run).model(), Run(tmp_path / "run").model(), 1e-3)


def test_data_without_attributes_give_one_sentence(embedded, tmp_path):
    with pytest.raises(UserError, match=r"no attributes; prepare portraits with `python -m preprocess.celeba`"):
        train("celeba-cvae", embedded, tmp_path / "run", SMALL)


def test_labels_are_not_for_portraits(run):
    assert_user_error(command("-m", "cvae", "generate", "--run", run, "--labels", 3), "celeba-cvae")


def test_a_gan_has_no_validation_loss_and_its_newest_epoch_is_its_best(portraits, tmp_path):
    for epochs in (1, 2):
        history = train("celeba-wgan-gp", portraits, tmp_path, SMALL | {"epochs": epochs}, resume=True)
    assert set(history[0]) - set(GAUGES) == {"epoch", "loss", "distance", "penalty"}
    assert best_epoch(history)["epoch"] == 2
    last, best = Run(tmp_path).model(LAST), Run(tmp_path).model()
    assert_same_weights(last, best, 1e-6)
    steps = int(last.optimizer.iterations)
    assert steps % 2 == 0 and int(last.generator_optimizer.iterations) == steps // 5
    assert Run(tmp_path).generate(["a bald man"], count=1).arrays.shape == (1, 1, 64, 64, 3)


def test_every_portrait_variant_is_known_by_model_and_condition():
    endings = {"attributes": "", "text": "-text", "both": "-both"}
    assert {name: variant.condition for name, variant in SYSTEM.variants.items()} == {
        f"celeba-{model}{ending}": condition
        for model in ("cvae", "cvae-gan", "wgan-gp", "flow")
        for condition, ending in endings.items()
    }
    for name, variant in SYSTEM.variants.items():
        assert name.startswith(f"celeba-{getattr(variant, 'model', 'flow')}")
    assert choose_variants("celeba-cvae, celeba-wgan-gp-text") == ("celeba-cvae", "celeba-wgan-gp-text")
    for wrong, error in (
        ("", "no variant is named"),
        ("celeba-cvae,64-image", "'64-image' is no variant of faces"),
    ):
        with pytest.raises(UserError, match=error):
            choose_variants(wrong)
