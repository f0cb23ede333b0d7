import json

import numpy as np
import pytest

from cvae.app.digits import strokes_in
from cvae.systems.digits.generate import draw_strokes
from preprocess.utils.errors import UserError


def test_strokes_of_the_canvas_become_a_digit():
    strokes = strokes_in(json.dumps([[], [[10, 10], [10, 200.5]]]))
    image = draw_strokes(strokes)
    assert image.shape == (28, 28, 1) and np.argmax(image.sum(0)[:, 0]) in (13, 14)


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "Draw a digit first"),
        ("", "Draw a digit first"),
        ("[]", "Draw a digit first"),
        ("[[]]", "Draw a digit first"),
        ("{", "draw a digit on the canvas"),
        ('{"a": 1}', "draw a digit on the canvas"),
        ('[[["<script>", 1]]]', "draw a digit on the canvas"),
        ("[[[1, 2, 3]]]", "lies nowhere"),
        ("[[[NaN, 1]]]", "lies nowhere"),
        ("[[[1e308, 1]]]", "lies nowhere"),
        (json.dumps([[[1.0, 2.0]] * 20_001]), "more strokes than a digit has"),
        ("[" * 1_000_001, "Draw a digit first"),
        ("[" * 100_000, "draw a digit on the canvas"),
    ],
)
def test_what_is_no_stroke_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        strokes_in(text)
