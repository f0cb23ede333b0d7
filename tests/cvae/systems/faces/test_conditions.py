import types

import numpy as np
import pytest

from cvae.systems.faces.conditions import condition_prompts


@pytest.mark.parametrize("condition, size", [("attributes", 40), ("both", 42)])
def test_a_prompt_that_describes_no_face_is_said_and_drawn(condition, size, capsys):
    variant = types.SimpleNamespace(condition=condition)
    rows = condition_prompts(["a blue cow", "a smiling man"], variant, lambda texts: np.ones((len(texts), 2)))
    assert rows.shape == (2, size)
    said = capsys.readouterr().out
    assert "no word in 'a blue cow' describes a face" in said and "smiling man" not in said
