import json

import numpy as np
import pytest
from conftest import assert_user_error, command

from cvae.generation import condition_for, generate
from cvae.prompts import PORTRAIT_PROMPTS, condition_prompts
from cvae.runs import LAST, best_epoch, load_model, read_log
from cvae.training import Settings, train
from cvae.variants import VARIANTS, choose_portraits
from preprocess.attributes import vector_of
from preprocess.errors import UserError


@pytest.fixture(scope="module")
def run(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "celeba-cvae"
    train("celeba-cvae", portraits, out, Settings(epochs=2, batch_size=8, width=1 / 16, precision="float32"))
    return out


def test_a_run_learns_and_draws_the_portraits_prompts(run):
    history = read_log(run)
    assert history[-1]["loss"] < history[0]["loss"]
    with np.load(run / "prompts.npz") as stored:
        assert list(stored["prompts"]) == list(PORTRAIT_PROMPTS)
        np.testing.assert_array_equal(stored["conditions"], [vector_of(prompt) for prompt in PORTRAIT_PROMPTS])
    assert len(list(run.rglob("*.png"))) >= 3


def test_prompts_become_attributes_without_any_encoder(run, tmp_path):
    config = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(config | {"clip_spec": "/nowhere/clip.pt"}))
    try:
        grid = generate(run, ["a bald man with a beard"], count=2, out=tmp_path)
        [condition] = condition_for(run, ["a bald man with a beard"])
    finally:
        (run / "run.json").write_text(json.dumps(config))
    assert grid.is_file() and len(list(tmp_path.glob("01-*.png"))) == 2
    np.testing.assert_array_equal(condition, vector_of("a bald man with a beard"))


def test_the_parts_of_a_condition_come_in_the_datas_order(run):
    config = json.loads((run / "run.json").read_text())
    clip = config["clip_spec"], config["clip"], config["precision"]
    both = condition_prompts(["an old woman"], "both", *clip)
    np.testing.assert_array_equal(both[:, :40], condition_prompts(["an old woman"], "attributes", *clip))
    np.testing.assert_array_equal(both[:, 40:], condition_prompts(["an old woman"], "text", *clip))


def test_an_interrupted_training_goes_on_with_the_optimizers_state(run, portraits, tmp_path):
    settings = {"batch_size": 8, "width": 1 / 16, "precision": "float32"}
    train("celeba-cvae", portraits, tmp_path / "run", Settings(epochs=1, **settings))
    process = command(
        "-m", "cvae", "train", "--variant", "celeba-cvae", "--data", portraits, "--run", tmp_path / "run", "--epochs",
        2, "--batch-size", 8, "--width", 1 / 16, "--precision", "float32", "--no-decay", "--resume",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    for left, right in zip(load_model(run).weights, load_model(tmp_path / "run").weights):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_data_without_attributes_give_one_sentence(embedded, tmp_path):
    with pytest.raises(UserError, match=r"no attributes; prepare portraits with `python -m preprocess.celeba`"):
        train("celeba-cvae", embedded, tmp_path / "run", Settings(epochs=1, batch_size=8, width=1 / 16))


def test_labels_are_not_for_portraits(run):
    assert_user_error(command("-m", "cvae", "generate", "--run", run, "--labels", 3), "celeba-cvae")


def test_a_gan_has_no_validation_loss_and_its_newest_epoch_is_its_best(portraits, tmp_path):
    settings = {"batch_size": 8, "width": 1 / 16, "precision": "float32"}
    for epochs in (1, 2):
        history = train("celeba-wgan-gp", portraits, tmp_path, Settings(epochs=epochs, **settings), resume=True)
    assert set(history[0]) == {"epoch", "loss", "distance", "penalty", "learning_rate"}
    assert best_epoch(history)["epoch"] == 2
    last, best = load_model(tmp_path, LAST), load_model(tmp_path)
    for one, other in zip(last.weights, best.weights):
        np.testing.assert_array_equal(one, other)
    steps = int(last.optimizer.iterations)
    assert steps % 2 == 0 and int(last.generator_optimizer.iterations) == steps // 5
    assert generate(tmp_path, ["a bald man"], count=1).is_file()


def test_every_portrait_variant_is_known_by_model_and_condition():
    portraits = {name: v for name, v in VARIANTS.items() if v.system == "portraits"}
    assert {(v.model, v.condition) for v in portraits.values()} == {
        (model, condition) for model in ("cvae", "cvae-gan", "wgan-gp") for condition in ("attributes", "text", "both")
    }
    assert choose_portraits("celeba-cvae, celeba-wgan-gp-text") == ("celeba-cvae", "celeba-wgan-gp-text")
    for wrong, error in (
        ("", "no variant is named"),
        ("celeba-cvae,64-image", "'64-image' is no variant of portraits"),
    ):
        with pytest.raises(UserError, match=error):
            choose_portraits(wrong)
