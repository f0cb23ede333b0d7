import numpy as np
import pytest

from cvae.portrait_judge import balanced_accuracy


def test_balanced_accuracy_counts_both_values_alike():
    asked = np.array([[1, 1], [0, 0], [0, 0], [0, 0]])
    seen = np.array([[0, 1], [0, 0], [0, 1], [0, 0]], bool)
    assert balanced_accuracy(seen, asked) == pytest.approx([0.5, 0.5 * (1 + 2 / 3)])
    assert np.isnan(balanced_accuracy(seen, np.ones_like(asked))).all()
