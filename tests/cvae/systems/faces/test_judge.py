import numpy as np
import pytest

from cvae.systems.faces import judge as portrait_judge
from cvae.systems.faces.judge import _weighted_cross_entropy, balanced_accuracy, build_judge, guess, see, train_judge
from cvae.systems.faces.portraits import read_portraits
from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS
from preprocess.shards.info import read_info


def test_balanced_accuracy_counts_both_values_alike():
    asked = np.array([[1, 1], [0, 0], [0, 0], [0, 0]])
    seen = np.array([[0, 1], [0, 0], [0, 1], [0, 0]], bool)
    assert balanced_accuracy(seen, asked) == pytest.approx([0.5, 0.5 * (1 + 2 / 3)])
    assert np.isnan(balanced_accuracy(seen, np.ones_like(asked))).all()


def test_the_rarer_value_counts_as_much_in_all_as_the_other():
    """One portrait in ten has it: no answer is worth the same whichever value it favours."""
    asked = np.array([[1.0]] + [[0.0]] * 9, np.float32)
    loss = _weighted_cross_entropy(np.array([0.1]))
    always, never = (float(np.mean(loss(asked, np.full((10, 1), logit, np.float32)))) for logit in (2.0, -2.0))
    assert always == pytest.approx(never, rel=1e-5)
    # 0.5 of softplus(2) and of softplus(-2).
    assert always == pytest.approx(0.5 * (2.126928 + 0.126928), rel=1e-4)


def test_a_guess_needs_clear_signs_of_what_few_have():
    class Judge:
        def predict(self, images, **options):
            return np.full((1, 40), 0.1, np.float32), None

    shares = np.full(40, 0.02)
    one = np.zeros((1, 64, 64, 3), np.float32)
    assert not guess(Judge(), one, shares).any()
    seen = guess(Judge(), one, 1 - shares)[0]
    assert seen[ATTRIBUTES.index("Smiling")] == 1
    assert not guess(build_judge(), np.zeros((3, 64, 64, 3)), np.full(40, 1e-9)).any()


def test_one_colour_of_the_hair_at_most_is_guessed():
    places = [ATTRIBUTES.index(name) for name in HAIR_COLOURS]

    class Judge:
        def predict(self, images, **options):
            logits = np.full((1, 40), 3.0, np.float32)
            logits[0, places[2]] = 4
            return logits, None

    one = np.zeros((1, 64, 64, 3), np.float32)
    assert guess(Judge(), one, np.full(40, 0.5))[0, places].tolist() == [0, 0, 1, 0]


@pytest.mark.slow
def test_it_learns_what_faces_show(portraits, tmp_path, monkeypatch):
    """On drawn faces that it has not seen, after a quarter of its steps."""
    monkeypatch.setattr(portrait_judge, "STEPS", 300)
    info = read_info(portraits)
    judge, unseen = train_judge(info, tmp_path), read_portraits(info, "train")
    right = balanced_accuracy(see(judge, unseen.images / np.float32(255))[0] > 0, unseen.attributes)
    assert right[ATTRIBUTES.index("Male")] > 0.6
