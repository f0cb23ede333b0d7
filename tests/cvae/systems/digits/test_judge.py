import dataclasses

import numpy as np
import pytest

from cvae.systems.digits import judge as digit_judge
from preprocess.mnist import small_digits


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    return folder, small_digits(), digit_judge.train_judge(small_digits(), folder)


def test_reads_digits_it_has_not_seen(trained):
    _, digits, (judge, accuracy) = trained
    assert accuracy > 0.9
    seen = digit_judge.classify(judge, digits.images["test"] / np.float32(255))
    np.testing.assert_allclose(seen.sum(1), 1)
    assert np.mean(seen.argmax(1) == digits.labels["test"]) == pytest.approx(accuracy)


def test_is_kept_for_its_digits_alone_and_mended_if_damaged(trained, monkeypatch):
    folder, digits, (_, accuracy) = trained
    [path] = folder.iterdir()
    monkeypatch.setattr(digit_judge, "EPOCHS", 0)  # a judge that is trained anew knows nothing
    assert digit_judge.train_judge(digits, folder)[1] == pytest.approx(accuracy)
    others = dataclasses.replace(digits, labels={split: 9 - labels for split, labels in digits.labels.items()})
    assert digit_judge.train_judge(others, folder)[1] < 0.5 and len(list(folder.iterdir())) == 2
    path.write_bytes(path.read_bytes()[:100])
    assert digit_judge.train_judge(digits, folder)[1] < 0.5
