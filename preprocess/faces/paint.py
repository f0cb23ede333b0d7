"""Paints a face of given attributes: background, hair behind, neck, head, features, hair in front, what is worn."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from preprocess.utils.types import Tensor

WIDTH, HEIGHT = 178, 218
# Drawn at three times the size and reduced, which smooths every edge.
SCALE = 3
HAIR = {
    "Black_Hair": (38, 32, 34), "Blond_Hair": (224, 188, 104), "Brown_Hair": (112, 72, 42), "Gray_Hair": (176, 176, 180)
}  # fmt: skip
SKINS = ((240, 200, 170), (226, 178, 142), (198, 144, 106), (142, 96, 68))
PALE = (250, 226, 212)
CLOTHES = ((70, 98, 140), (150, 70, 74), (82, 120, 88), (120, 96, 140), (196, 150, 84), (96, 100, 108))
WHITE, DARK, GOLD = (250, 248, 244), (44, 34, 34), (230, 186, 72)


def _mix(colour, other, share):
    return tuple(int(a * (1 - share) + b * share) for a, b in zip(colour, other))


class _Pen:
    """Draws in pixels of the finished picture, moved as the head is."""

    def __init__(self, image, dx, dy):
        self.draw, self.dx, self.dy = ImageDraw.Draw(image), dx, dy

    def _at(self, points):
        return [((x + self.dx) * SCALE, (y + self.dy) * SCALE) for x, y in points]

    def ellipse(self, x: Tensor, y: Tensor, rx: float, ry: float, fill: Any) -> Any:
        self.draw.ellipse([value for point in self._at([(x - rx, y - ry), (x + rx, y + ry)]) for value in point], fill)

    def polygon(self, points: Any, fill: Any) -> Any:
        self.draw.polygon(self._at(points), fill)

    def line(self, points: Any, fill: Any, width: float) -> Any:
        self.draw.line(self._at(points), fill, round(width * SCALE), joint="curve")

    def curve(
        self, x: Tensor, y: Tensor, rx: float, ry: float, fill: Any, width: float, start: Any = 0.0, end: Any = np.pi
    ) -> Any:
        """A part of an ellipse's edge; angles from the right, downwards."""
        angles = np.linspace(start, end, 24)
        self.line([(x + rx * np.cos(a), y + ry * np.sin(a)) for a in angles], fill, width)


class _Face:
    """The measures and colours of one face."""

    def __init__(self, rng, person):
        self.person = person
        self.rx = (44 if person["Male"] else 41) + (7 if person["Chubby"] else 0) - (4 if person["Oval_Face"] else 0)
        self.ry = 56 + (5 if person["Oval_Face"] else 0) + rng.uniform(-2, 2)
        self.rx += rng.uniform(-2, 2)
        self.x, self.y = 89, 112
        skin = PALE if person["Pale_Skin"] else SKINS[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])]
        self.skin = tuple(int(c + d) for c, d in zip(skin, rng.uniform(-6, 6, 3)))
        self.shade, self.crease = _mix(self.skin, (120, 60, 40), 0.25), _mix(self.skin, (90, 40, 40), 0.45)
        colours = [HAIR[name] for name in HAIR if person[name]] or [(120, 110, 104)]
        self.hair = tuple(int(np.clip(c + d, 0, 255)) for c, d in zip(colours[0], rng.uniform(-10, 10, 3)))
        self.beard = self.hair if person["Young"] or person["Gray_Hair"] else _mix(self.hair, (200, 200, 200), 0.3)
        self.clothes = CLOTHES[rng.integers(len(CLOTHES))]
        self.eye = ((70, 110, 160), (92, 64, 40), (80, 120, 80))[rng.integers(3)]
        self.eye_y, self.mouth_y, self.gap = self.y - 6, self.y + 31, 19


def paint_face(rng: np.random.Generator, person: dict[str, bool]) -> Any:
    """Paints a face. `person` maps the names of `ATTRIBUTES` to bool. Returns a PIL image."""
    face = _Face(rng, person)
    tone = np.array([rng.uniform(120, 235), rng.uniform(130, 235), rng.uniform(140, 240)])
    rows = np.linspace(1.06, 0.86, HEIGHT * SCALE)[:, None, None] * tone
    image = Image.fromarray(np.broadcast_to(rows.clip(0, 255), (HEIGHT * SCALE, WIDTH * SCALE, 3)).astype(np.uint8))
    pen = _Pen(image, rng.uniform(-3, 3), rng.uniform(-3, 3))
    for paint in (_hair_behind, _body, _head, _beard, _cheeks, _eyes, _brows, _nose, _mouth, _hair_in_front, _worn):
        paint(pen, face, person)
    image = image.resize((WIDTH, HEIGHT), Image.LANCZOS)
    return image.filter(ImageFilter.GaussianBlur(3)) if person["Blurry"] else image


def _has_hair(person):
    return not person["Bald"]


def _hair_behind(pen, face, person):
    if not _has_hair(person) or person["Male"]:
        return
    bottom, side = face.y + 78, face.rx + 13
    pen.ellipse(face.x, face.y - 12, side, face.ry + 8, face.hair)
    if not person["Wavy_Hair"]:
        pen.polygon([(face.x + s * side, face.y - 14) for s in (-1, 1)]
                    + [(face.x + s * (side - 1), bottom) for s in (1, -1)], face.hair)  # fmt: skip
        return
    for number, y in enumerate(np.linspace(face.y - 6, bottom, 7)):
        for s in (-1, 1):
            pen.ellipse(face.x + s * (side - 7 + 5 * (number % 2)), y, 14, 11, face.hair)
    pen.polygon([(face.x + s * (side - 8), y) for s, y in ((-1, face.y), (1, face.y), (1, bottom), (-1, bottom))],
                face.hair)  # fmt: skip


def _body(pen, face, person):
    neck = 20 if person["Male"] else 15
    pen.ellipse(face.x, face.y + 116, 82 if person["Male"] else 72, 46, face.clothes)
    pen.polygon([(face.x - neck, face.y + 40), (face.x + neck, face.y + 40), (face.x + neck, face.y + 80),
                 (face.x, face.y + 90), (face.x - neck, face.y + 80)], face.shade)  # fmt: skip
    if person["Wearing_Necktie"]:
        pen.polygon([(face.x - 26, face.y + 76), (face.x + 26, face.y + 76), (face.x, face.y + 112)], WHITE)
        tie = _mix(face.clothes, (170, 30, 40), 0.8)
        pen.polygon([(face.x - 7, face.y + 80), (face.x + 7, face.y + 80), (face.x + 9, face.y + 116),
                     (face.x - 9, face.y + 116)], tie)  # fmt: skip
    if person["Wearing_Necklace"]:
        pen.curve(face.x, face.y + 70, 22, 20, GOLD, 3)
        pen.ellipse(face.x, face.y + 92, 4, 4, GOLD)


def _head(pen, face, person):
    for s in (-1, 1):
        pen.ellipse(face.x + s * face.rx, face.y, 7, 11, face.shade)
    if person["Double_Chin"]:
        pen.ellipse(face.x, face.y + 46, face.rx - 10, 21, face.shade)
        pen.ellipse(face.x, face.y + 43, face.rx - 12, 20, face.skin)
    pen.ellipse(face.x, face.y, face.rx, face.ry, face.skin)
    if person["Male"] and not person["Oval_Face"]:
        pen.ellipse(face.x, face.y + 22, face.rx - 4, 34, face.skin)
    if person["Double_Chin"]:
        pen.curve(face.x, face.y + 40, 18, 13, face.crease, 2, 0.15 * np.pi, 0.85 * np.pi)
    if not person["Young"]:
        for y in (face.y - 32, face.y - 26):
            pen.curve(face.x, y + 8, 22, 8, face.crease, 1.5, 1.2 * np.pi, 1.8 * np.pi)
        for s in (-1, 1):
            pen.line([(face.x + s * 13, face.y + 16), (face.x + s * 20, face.y + 30)], face.crease, 2)


def _beard(pen, face, person):
    if person["5_o_Clock_Shadow"]:
        colour = _mix(face.skin, (70, 70, 80), 0.35)
        pen.ellipse(face.x, face.y + 28, face.rx - 6, 30, colour)
        pen.ellipse(face.x, face.y + 6, face.rx - 4, 22, face.skin)
    elif not person["No_Beard"] and not person["Goatee"]:
        pen.ellipse(face.x, face.y + 26, face.rx - 1, 38, face.beard)
        pen.ellipse(face.x, face.y + 2, face.rx - 6, 24, face.skin)
    if person["Goatee"]:
        pen.ellipse(face.x, face.y + 48, 15, 14, face.beard)
    if person["Mustache"]:
        pen.ellipse(face.x - 9, face.mouth_y - 7, 12, 5, face.beard)
        pen.ellipse(face.x + 9, face.mouth_y - 7, 12, 5, face.beard)
    if person["Sideburns"]:
        for s in (-1, 1):
            x = face.x + s * (face.rx - 5)
            pen.polygon([(x - 4, face.y - 20), (x + 4, face.y - 20), (x + 3, face.y + 18), (x - 3, face.y + 18)],
                        face.hair)  # fmt: skip


def _cheeks(pen, face, person):
    if person["Rosy_Cheeks"] or person["Heavy_Makeup"]:
        share = 0.55 if person["Rosy_Cheeks"] else 0.25
        for s in (-1, 1):
            pen.ellipse(face.x + s * 26, face.y + 15, 10, 8, _mix(face.skin, (232, 92, 100), share))


def _eyes(pen, face, person):
    height = 3.2 if person["Narrow_Eyes"] else 6.5
    for s in (-1, 1):
        x = face.x + s * face.gap
        if person["Bags_Under_Eyes"]:
            bag = _mix(face.skin, (90, 50, 90), 0.4)
            pen.curve(x, face.eye_y + 6, 10, 8, bag, 3, 0.1 * np.pi, 0.9 * np.pi)
        if person["Heavy_Makeup"]:
            pen.ellipse(x, face.eye_y - 3, 12, 8, _mix(face.skin, (110, 70, 130), 0.6))
        pen.ellipse(x, face.eye_y, 10, height, WHITE)
        pen.ellipse(x, face.eye_y, min(5, height + 1), min(5, height), face.eye)
        pen.ellipse(x, face.eye_y, 2.4, min(2.4, height), DARK)
        lash = 3 if person["Heavy_Makeup"] else 1.5
        pen.curve(x, face.eye_y, 10, height, DARK, lash, np.pi, 2 * np.pi)


def _brows(pen, face, person):
    colour = DARK if person["Bald"] else _mix(face.hair, DARK, 0.35)
    width = 6 if person["Bushy_Eyebrows"] else 2.6
    y, rise = face.eye_y - 13, 9 if person["Arched_Eyebrows"] else 2.5
    for s in (-1, 1):
        pen.curve(face.x + s * face.gap, y + rise / 2, 12, rise, colour, width, 1.08 * np.pi, 1.92 * np.pi)


def _nose(pen, face, person):
    y = face.y + 13
    if person["Pointy_Nose"]:
        pen.polygon([(face.x - 3, face.eye_y + 2), (face.x + 3, face.eye_y + 2), (face.x + 1, y + 9)], face.crease)
        return
    size = 11 if person["Big_Nose"] else 6.5
    pen.ellipse(face.x, y, size, size * 0.72, face.shade)
    pen.ellipse(face.x, y - 2, size - 1.5, size * 0.66, face.skin)
    for s in (-1, 1):
        pen.ellipse(face.x + s * size * 0.45, y + 2.5, 1.6, 1.3, _mix(face.shade, DARK, 0.5))


def _mouth(pen, face, person):
    lips = (196, 36, 60) if person["Wearing_Lipstick"] else _mix(face.skin, (176, 70, 74), 0.6)
    thick = 6.5 if person["Big_Lips"] else 3.2
    x, y, rx = face.x, face.mouth_y, 17 if person["Smiling"] else 12
    if person["Mouth_Slightly_Open"]:
        pen.ellipse(x, y + 3, rx, 9, lips)
        pen.ellipse(x, y + 3, rx - thick / 2, 9 - thick / 2, (96, 24, 30))
        if person["Smiling"]:
            pen.polygon([(x - rx + 3, y - 2), (x + rx - 3, y - 2), (x + rx - 6, y + 2), (x - rx + 6, y + 2)], WHITE)
            pen.curve(x, y - 5, rx + 4, 13, lips, thick * 0.6, 0.15 * np.pi, 0.85 * np.pi)
    elif person["Smiling"]:
        pen.curve(x, y - 5, rx + 2, 11, lips, thick + 1, 0.08 * np.pi, 0.92 * np.pi)
    else:
        pen.ellipse(x, y + 1, rx, thick, lips)
        pen.line([(x - rx, y + 1), (x + rx, y + 1)], _mix(lips, DARK, 0.4), 1.3)


def _hair_in_front(pen, face, person):
    if not _has_hair(person) or person["Wearing_Hat"]:
        return
    top, rx = face.y - face.ry, face.rx + 5
    # How far down the forehead the hair begins.
    line = 6 if person["Receding_Hairline"] else 18
    angles = np.linspace(np.pi, 2 * np.pi, 40)
    outer = [(face.x + rx * np.cos(a), face.y - 10 + (face.ry + 2) * np.sin(a)) for a in angles]
    inner = [(face.x + (face.rx - 6) * np.cos(a), face.y - 12 + (face.ry - line) * np.sin(a)) for a in angles[::-1]]
    pen.polygon(outer + inner, face.hair)
    if person["Receding_Hairline"]:
        for s in (-1, 1):
            pen.ellipse(face.x + s * 20, top + 12, 14, 11, face.skin)
    if person["Wavy_Hair"]:
        for a in np.linspace(1.02 * np.pi, 1.98 * np.pi, 9):
            pen.ellipse(face.x + rx * np.cos(a), face.y - 10 + (face.ry + 1) * np.sin(a), 9, 8, face.hair)
    if person["Bangs"]:
        pen.ellipse(face.x, face.y - 38, face.rx - 4, 20, face.hair)
        pen.polygon([(face.x + s * (face.rx - 4), y) for s, y in
                     ((-1, face.y - 38), (1, face.y - 38), (1, face.eye_y - 16), (-1, face.eye_y - 16))],
                    face.hair)  # fmt: skip
        for x in np.linspace(-face.rx + 10, face.rx - 10, 7):
            pen.ellipse(face.x + x, face.eye_y - 16, 6, 5, face.hair)


def _worn(pen, face, person):
    if person["Wearing_Hat"]:
        hat = _mix(face.clothes, (30, 30, 50), 0.35)
        angles = np.linspace(np.pi, 2 * np.pi, 30)
        pen.polygon([(face.x + (face.rx + 8) * np.cos(a), face.y - 38 + 46 * np.sin(a)) for a in angles], hat)
        pen.polygon([(face.x - face.rx - 16, face.y - 40), (face.x + face.rx + 16, face.y - 40),
                     (face.x + face.rx + 12, face.y - 29), (face.x - face.rx - 12, face.y - 29)],
                    _mix(hat, DARK, 0.4))  # fmt: skip
    if person["Wearing_Earrings"]:
        for s in (-1, 1):
            pen.ellipse(face.x + s * (face.rx + 4), face.y + 19, 5, 7, GOLD)
    if person["Eyeglasses"]:
        for s in (-1, 1):
            pen.curve(face.x + s * face.gap, face.eye_y, 15, 12, DARK, 3, 0, 2 * np.pi)
            pen.line(
                [(face.x + s * (face.gap + 15), face.eye_y), (face.x + s * (face.rx + 1), face.eye_y - 3)], DARK, 3
            )
        pen.line([(face.x - 4, face.eye_y), (face.x + 4, face.eye_y)], DARK, 3)
