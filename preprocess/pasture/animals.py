"""Sheep, cows and horses drawn from ellipses and polygons.

Every animal is described in its own units: x runs from -0.5 (rump) to 0.5 (chest), y upwards from 0 (the ground), so
that one description serves every size and both directions.
"""

from typing import Any

import numpy as np

from preprocess.utils.types import Tensor

COLOURS = {
    "sheep": {"white": (242, 238, 226), "black": (52, 48, 50), "brown": (142, 92, 54), "spotted": (240, 235, 222)},
    "cow": {"white": (240, 236, 228), "black": (38, 36, 40), "brown": (136, 78, 42), "spotted": (240, 236, 230)},
    "horse": {"white": (236, 232, 224), "black": (42, 38, 42), "brown": (126, 70, 36), "spotted": (234, 226, 214)},
}
SPOTS = {"sheep": (58, 50, 48), "cow": (32, 30, 34), "horse": (112, 66, 40)}


def _shade(colour, factor):
    return tuple(int(np.clip(c * factor, 0, 255)) for c in colour)


class Pen:
    """Draws in an animal's own units on a PIL `ImageDraw`.

    Args:
        draw: the `ImageDraw` of the picture.
        x, y: where the animal stands, in pixels: the middle of its feet.
        length: its length in pixels.
        left: whether it looks to the left.
        light: brightness that all colours are multiplied with.
    """

    def __init__(self, draw, x, y, length, left, light):
        self.draw, self.x, self.y, self.length = draw, x, y, length
        self.flip = -1 if left else 1
        self.light = light

    def _point(self, x, y):
        return self.x + self.flip * x * self.length, self.y - y * self.length

    def ellipse(self, x: Tensor, y: Tensor, width: float, height: float, colour: Any) -> None:
        cx, cy = self._point(x, y)
        w, h = width * self.length / 2, height * self.length / 2
        self.draw.ellipse((cx - w, cy - h, cx + w, cy + h), fill=_shade(colour, self.light))

    def polygon(self, points: Any, colour: Any) -> None:
        self.draw.polygon([self._point(*point) for point in points], fill=_shade(colour, self.light))

    def line(self, points: Any, width: float, colour: Any) -> None:
        width = max(1, round(width * self.length))
        self.draw.line(
            [self._point(*point) for point in points], fill=_shade(colour, self.light), width=width, joint="curve"
        )


def _legs(pen, rng, xs, top, width, colour, hoof=(40, 34, 32)):
    for index, x in enumerate(xs):
        foot = x + rng.uniform(-0.03, 0.03)
        tone = 0.8 if index % 2 else 1.0
        pen.line([(x, top), (foot, 0.02)], width, _shade(colour, tone))
        pen.line([(foot, 0.04), (foot, 0.0)], width, hoof)


def _spots(pen, rng, colour, x_range, y_range, size):
    """Four large patches along the flank, high and low in turn, each a little irregular."""
    for index, x in enumerate(np.linspace(x_range[0], x_range[1], 4)):
        y = y_range[index % 2]
        width, height = size * rng.uniform(0.85, 1.15, 2)
        x, y = x + rng.uniform(-0.015, 0.015), y + rng.uniform(-0.015, 0.015)
        pen.ellipse(x, y, width, height, colour)
        pen.ellipse(x + width * 0.2, y - height * 0.15, width * 0.8, height * 0.8, colour)


def draw_sheep(pen: Any, rng: np.random.Generator, coat: str, grazing: bool) -> None:
    wool = COLOURS["sheep"][coat]
    face = {"white": (64, 56, 54), "black": (28, 26, 28), "brown": (84, 52, 34), "spotted": (60, 52, 50)}[coat]
    _legs(pen, rng, (-0.24, -0.14, 0.12, 0.22), 0.2, 0.06, face)
    pen.ellipse(-0.03, 0.4, 0.82, 0.5, _shade(wool, 0.86))
    for angle in np.linspace(0, 2 * np.pi, 15)[:-1] + rng.uniform(0, 0.4):
        x, y = -0.03 + 0.35 * np.cos(angle), 0.42 + 0.21 * np.sin(angle)
        size = rng.uniform(0.2, 0.25)
        pen.ellipse(x, y, size, size, _shade(wool, 0.84 + 0.16 * (y - 0.21) / 0.42))
    pen.ellipse(-0.03, 0.45, 0.66, 0.4, wool)
    if coat == "spotted":
        _spots(pen, rng, SPOTS["sheep"], (-0.28, 0.2), (0.36, 0.52), 0.17)
    head_x, head_y = (0.44, 0.24) if grazing else (0.42, 0.5)
    pen.ellipse(head_x, head_y, 0.2, 0.27, face)
    pen.ellipse(head_x + 0.05, head_y - 0.09, 0.14, 0.12, face)
    pen.ellipse(head_x - 0.11, head_y + 0.06, 0.13, 0.06, face)
    pen.ellipse(head_x - 0.03, head_y + 0.13, 0.17, 0.11, wool)
    pen.ellipse(head_x + 0.05, head_y + 0.03, 0.03, 0.03, (235, 235, 230))


def draw_cow(pen: Any, rng: np.random.Generator, coat: str, grazing: bool) -> None:
    hide = COLOURS["cow"][coat]
    muzzle = (214, 166, 150)
    _legs(pen, rng, (-0.38, -0.28, 0.2, 0.3), 0.34, 0.075, _shade(hide, 0.92))
    pen.ellipse(-0.18, 0.27, 0.2, 0.12, (222, 160, 152))
    pen.line([(-0.47, 0.62), (-0.52, 0.42), (-0.5, 0.24)], 0.025, _shade(hide, 0.8))
    pen.ellipse(-0.5, 0.22, 0.05, 0.1, (50, 42, 38))
    pen.ellipse(-0.32, 0.47, 0.34, 0.4, hide)
    pen.ellipse(0.2, 0.48, 0.38, 0.42, hide)
    pen.polygon([(-0.44, 0.64), (0.3, 0.67), (0.36, 0.34), (-0.1, 0.27), (-0.42, 0.32)], hide)
    pen.polygon([(-0.42, 0.32), (-0.1, 0.27), (0.34, 0.32), (0.3, 0.38), (-0.38, 0.37)], _shade(hide, 0.86))
    if coat == "spotted":
        _spots(pen, rng, SPOTS["cow"], (-0.34, 0.24), (0.42, 0.56), 0.21)
    head_x, head_y = (0.52, 0.26) if grazing else (0.5, 0.68)
    pen.polygon([(0.18, 0.64), (0.3, 0.4), (head_x + 0.02, head_y - 0.06), (head_x - 0.06, head_y + 0.1)], hide)
    pen.line([(head_x - 0.06, head_y + 0.1), (head_x - 0.1, head_y + 0.2)], 0.03, (226, 218, 196))
    pen.line([(head_x + 0.04, head_y + 0.1), (head_x + 0.08, head_y + 0.2)], 0.03, (226, 218, 196))
    pen.ellipse(head_x - 0.12, head_y + 0.06, 0.12, 0.06, _shade(hide, 0.8))
    pen.ellipse(head_x, head_y, 0.19, 0.26, SPOTS["cow"] if coat == "spotted" else hide)
    pen.ellipse(head_x + 0.05, head_y - 0.1, 0.17, 0.13, muzzle)
    pen.ellipse(head_x + 0.03, head_y + 0.04, 0.03, 0.03, (20, 18, 18))


def draw_horse(pen: Any, rng: np.random.Generator, coat: str, grazing: bool) -> None:
    hide = COLOURS["horse"][coat]
    mane = {"white": (196, 186, 170), "black": (22, 20, 22), "brown": (48, 28, 18), "spotted": (84, 50, 32)}[coat]
    _legs(pen, rng, (-0.32, -0.25, 0.2, 0.27), 0.5, 0.05, _shade(hide, 0.94))
    pen.line([(-0.38, 0.68), (-0.5, 0.58), (-0.52, 0.3)], 0.07, mane)
    pen.ellipse(-0.25, 0.6, 0.3, 0.3, hide)
    pen.ellipse(0.18, 0.6, 0.3, 0.3, hide)
    pen.polygon([(-0.3, 0.74), (0.2, 0.72), (0.26, 0.48), (0.0, 0.46), (-0.3, 0.48)], hide)
    pen.polygon([(-0.28, 0.5), (0.0, 0.46), (0.24, 0.5), (0.2, 0.53), (-0.26, 0.54)], _shade(hide, 0.85))
    if coat == "spotted":
        _spots(pen, rng, SPOTS["horse"], (-0.28, 0.18), (0.54, 0.68), 0.17)
    if grazing:
        neck, head = (
            [(0.1, 0.72), (0.28, 0.5), (0.5, 0.24), (0.42, 0.2)],
            [(0.4, 0.3), (0.5, 0.3), (0.56, 0.04), (0.46, 0.02)],
        )
        crest = [(0.12, 0.74), (0.34, 0.56), (0.5, 0.3)]
    else:
        neck, head = (
            [(0.06, 0.72), (0.3, 0.54), (0.46, 0.88), (0.34, 1.02)],
            [(0.34, 1.02), (0.46, 1.0), (0.6, 0.78), (0.52, 0.74)],
        )
        crest = [(0.08, 0.76), (0.22, 0.9), (0.34, 1.04)]
    pen.polygon(neck, hide)
    pen.polygon(head, hide)
    pen.line(crest, 0.07, mane)
    if not grazing:
        pen.polygon([(0.34, 1.0), (0.4, 1.0), (0.37, 1.1)], hide)
        pen.ellipse(0.45, 0.93, 0.03, 0.03, (16, 14, 14))


DRAW = {"sheep": draw_sheep, "cow": draw_cow, "horse": draw_horse}
# Height over length, which keeps a standing animal inside the picture.
HEIGHT = {"sheep": 0.8, "cow": 0.9, "horse": 1.1}


def draw_animal(
    draw: Any, rng: np.random.Generator, animal: str, coat: str, x: Tensor, y: Tensor, length: float, light: Any
) -> None:
    """Draws one animal with its feet at pixel (x, y) of an `ImageDraw`; `light` scales its brightness."""
    # Mostly one way and heads up: a model that averages over poses which no caption names draws no pose at all.
    pen = Pen(draw, x, y, length, left=rng.random() < 0.2, light=light)
    DRAW[animal](pen, rng, coat, grazing=rng.random() < 0.2)
