import re

import numpy as np

from cvae.app.between import draw_between, viewer
from cvae.app.limits import to_images
from cvae.runs import Run
from cvae.sampling.draw import draw


def test_frames_lead_from_one_prompt_to_the_other(run):
    prompts = ["a white sheep", "a brown cow"]
    frames = draw_between(Run(run), prompts, seed=3, frames=5)
    assert frames.shape == (5, 64, 64, 3)
    ends = draw(Run(run).open_drawer(), Run(run).condition(prompts), 1, 3)[:, 0]
    np.testing.assert_allclose(frames[[0, -1]], ends, atol=1e-4)


def test_prompts_are_text_and_nothing_else():
    evil = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
    shown = viewer(to_images(np.zeros((3, 8, 8, 3), np.float32)), [evil, "' onload='alert(1)"])
    assert re.findall(r"<(\w+)", shown) == ["div", "div", "label", "input", "a"]
    assert re.findall(r"\bon\w+=\"", shown) == ['oninput="'] and "<script" not in shown
    assert "data:image/gif;base64," in shown and 'max="2"' in shown
