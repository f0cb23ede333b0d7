"""Paints a `Scene`: sky, backdrop, ground, then the animals with their shadows."""

import functools
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from preprocess.pasture.animals import HEIGHT, draw_animal
from preprocess.pasture.scenes import Scene

WIDTH, HEIGHT_PX = 320, 240
# Drawn at twice the size and reduced, which smooths every edge.
SCALE = 2
W, H = WIDTH * SCALE, HEIGHT_PX * SCALE

SKY_COLOURS = {
    "blue": ((72, 142, 222), (190, 222, 246)),
    "grey": ((128, 132, 140), (188, 190, 194)),
    "sunset": ((106, 70, 130), (252, 164, 82)),
}
# Tint of everything under that sky, which is what makes a picture hang together.
TINTS = {"blue": (1.0, 1.0, 0.98), "grey": (0.84, 0.86, 0.9), "sunset": (1.02, 0.84, 0.74)}
GROUND_COLOURS = {
    "grass": ((96, 160, 62), (64, 122, 44)),
    "snow": ((218, 227, 243), (190, 205, 230)),
    "straw": ((222, 190, 98), (188, 150, 66)),
    "hills": ((136, 178, 82), (84, 134, 58)),
}


def _mix(top, bottom, rows):
    """A vertical gradient, uint8 (rows, 1, 3)."""
    ramp = np.linspace(0, 1, rows)[:, None, None]
    return (np.array(top) * (1 - ramp) + np.array(bottom) * ramp).astype(np.uint8)


def _jitter(rng, colour, amount=8):
    return tuple(int(c) for c in np.clip(np.array(colour) + rng.uniform(-amount, amount, 3), 0, 255))


def _tinted(colour, tint):
    return tuple(int(min(255, c * t)) for c, t in zip(colour, tint))


@functools.cache
def _noise(seed):
    """A fixed field of soft noise in [-1, 1], (H, W); pictures take shifted views of it."""
    rng = np.random.default_rng(seed)
    field = np.zeros((H, W), np.float32)
    for cells, weight in ((8, 0.5), (40, 0.3), (160, 0.2)):
        coarse = Image.fromarray(rng.uniform(-1, 1, (cells * 3 // 4, cells)).astype(np.float32))
        field += weight * np.asarray(coarse.resize((W, H), Image.BICUBIC))
    return field


def _ridge(rng, base, height, roughness):
    """Heights in pixels of a wavy horizon at every x, (W,)."""
    x = np.linspace(0, 1, W)
    wave = sum(
        rng.uniform(0.4, 1.0) / k**roughness * np.sin(2 * np.pi * (k * x + rng.random())) for k in (1, 2, 3, 5, 8)
    )
    return base - height * (wave - wave.min()) / np.ptp(wave)


def _fill_below(draw, ridge, bottom, colour):
    xs = range(0, W, 4)
    draw.polygon([(0, bottom), *((x, ridge[x]) for x in xs), (W, ridge[-1]), (W, bottom)], fill=colour)


def _paint_sky(image, rng, sky, horizon):
    top, bottom = (_jitter(rng, colour) for colour in SKY_COLOURS[sky])
    image.paste(Image.fromarray(np.repeat(_mix(top, bottom, horizon), W, axis=1)), (0, 0))
    clouds = Image.new("L", (W // 4, H // 4), 0)
    draw = ImageDraw.Draw(clouds)
    for _ in range({"blue": 2, "grey": 7, "sunset": 3}[sky]):
        x, y = rng.uniform(0, W / 4), rng.uniform(0, horizon / 5)
        for _ in range(5):
            dx, dy, w, h = rng.uniform(-20, 20), rng.uniform(-3, 3), rng.uniform(14, 34), rng.uniform(5, 11)
            draw.ellipse((x + dx - w / 2, y + dy - h / 2, x + dx + w / 2, y + dy + h / 2), fill=190)
    clouds = clouds.filter(ImageFilter.GaussianBlur(2)).resize((W, H))
    colour = {"blue": (255, 255, 255), "grey": (104, 108, 116), "sunset": (236, 120, 110)}[sky]
    image.paste(Image.new("RGB", (W, H), colour), (0, 0), clouds)
    draw = ImageDraw.Draw(image)
    if sky != "grey" and rng.random() < (0.9 if sky == "sunset" else 0.4):
        x, r = rng.uniform(0.15, 0.85) * W, rng.uniform(0.04, 0.06) * W
        y = horizon * (rng.uniform(0.6, 0.9) if sky == "sunset" else rng.uniform(0.15, 0.35))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 226, 140) if sky == "sunset" else (255, 248, 214))


def _paint_mountains(draw, rng, horizon, tint):
    for depth, colour in enumerate(((128, 142, 172), (96, 108, 136))):
        for _ in range(3):
            x, half = rng.uniform(0, W), rng.uniform(0.16, 0.3) * W
            peak = horizon - rng.uniform(0.5, 0.9 - 0.25 * depth) * horizon * 0.8
            shade = _tinted(_jitter(rng, colour), tint)
            draw.polygon([(x - half, horizon), (x, peak), (x + half, horizon)], fill=shade)
            dark = tuple(int(c * 0.86) for c in shade)
            draw.polygon([(x, peak), (x + half, horizon), (x + half * 0.2, horizon)], fill=dark)
            cap = (horizon - peak) * 0.28
            edge = half * 0.28
            snow = [(x, peak), (x + edge, peak + cap), (x + edge * 0.4, peak + cap * 0.75)]
            snow += [(x, peak + cap * 1.1), (x - edge * 0.4, peak + cap * 0.75), (x - edge, peak + cap)]
            draw.polygon(snow, fill=_tinted((240, 244, 250), tint))


def _paint_forest(draw, rng, horizon, tint):
    for row, shade in ((0, 0.75), (1, 1.0)):
        for x in np.arange(-10, W + 20, 22) + rng.uniform(-8, 8):
            height = rng.uniform(0.2, 0.3) * H * (1 - 0.15 * row)
            green = np.array((34, 92, 52)) * shade + rng.uniform(-8, 8, 3)
            colour = _tinted(np.clip(green, 0, 255), tint)
            base, half = horizon + 4, rng.uniform(16, 26)
            for part in (0.0, 0.3, 0.55):
                top, bottom = base - height, base - height * part
                draw.polygon(
                    [(x - half * (1 - part * 0.8), bottom), (x, top), (x + half * (1 - part * 0.8), bottom)],
                    fill=colour,
                )


def _paint_fence(draw, rng, horizon, tint):
    wood = _tinted(_jitter(rng, (150, 108, 70)), tint)
    dark = tuple(int(c * 0.7) for c in wood)
    top, bottom = horizon - 0.13 * H, horizon + 0.07 * H
    for y in (top + 8, (top + bottom) / 2 - 4):
        draw.rectangle((0, y, W, y + 11), fill=wood)
        draw.rectangle((0, y + 9, W, y + 11), fill=dark)
    for x in np.arange(rng.uniform(0, 60), W, 66):
        draw.rectangle((x, top - 6, x + 13, bottom), fill=wood)
        draw.rectangle((x + 10, top - 6, x + 13, bottom), fill=dark)


def _paint_ground(image, rng, ground, horizon, tint):
    near, far = (_tinted(_jitter(rng, colour), tint) for colour in GROUND_COLOURS[ground])
    draw = ImageDraw.Draw(image)
    if ground == "hills":
        for step in range(5):
            # The farthest hill reaches down to the horizon, so that no gap shows above it.
            base = horizon + (H - horizon) * 0.22 * step
            mixed = np.array(far) + (np.array(near) - np.array(far)) * (step % 2)
            ridge = _ridge(rng, base, 0.1 * H, 1.6)
            _fill_below(draw, ridge, H, tuple(int(c) for c in mixed))
            draw.line([(x, ridge[x]) for x in range(0, W, 4)], fill=tuple(int(c * 0.72) for c in mixed), width=5)
    else:
        field = np.repeat(_mix(far, near, H - horizon), W, axis=1)
        image.paste(Image.fromarray(field), (0, horizon))
    _paint_texture(draw, rng, ground, horizon, near)


def _paint_texture(draw, rng, ground, horizon, near):
    count = {"grass": 420, "hills": 120, "straw": 380, "snow": 60}[ground]
    ys = horizon + (H - horizon) * rng.beta(1.4, 1.0, count)
    xs, leans, tones = rng.uniform(0, W, count), rng.uniform(-1, 1, count), rng.uniform(0.75, 1.22, count)
    for x, y, lean, tone in zip(xs, ys, leans, tones):
        depth = 0.4 + 0.6 * (y - horizon) / (H - horizon)
        colour = tuple(int(min(255, c * tone)) for c in near)
        if ground in ("grass", "hills"):
            draw.line((x, y, x + lean * 5 * depth, y - 15 * depth), fill=colour, width=2)
        elif ground == "straw":
            draw.line((x, y, x + 18 * lean * depth, y - 7 * depth * lean), fill=colour, width=3)
        else:
            w = 26 * depth
            draw.ellipse((x - w, y - w * 0.16, x + w, y + w * 0.16), fill=tuple(int(c * 0.95) for c in near))


def _place_animals(rng, scene, horizon):
    """Feet and length in pixels of every animal, the farthest first."""
    count = {"one": 1, "two": 2, "several": int(rng.integers(4, 7))}[scene.count]
    size = {"one": (0.58, 0.68), "two": (0.38, 0.44), "several": (0.23, 0.29)}[scene.count]
    places = []
    for index in range(count):
        length = rng.uniform(*size) * H * (1.0 if scene.animal != "horse" else 0.9)
        if count == 1:
            x = rng.uniform(0.45, 0.55) * W
        else:
            # Inside the centred square that preprocessing keeps, which is 3/4 of the width.
            x = W * (0.16 + 0.68 * (index + 0.5) / count) + rng.uniform(-0.02, 0.02) * W
        lowest, highest = 0.96 * H, max(horizon + 0.12 * H, length * HEIGHT[scene.animal] + 6)
        y = rng.uniform(highest, lowest) if count > 2 else rng.uniform(max(highest, 0.86 * H), lowest)
        places.append((x, y, length))
    return sorted(places, key=lambda place: place[1])


def _shadows(image, places, ground, sky):
    mask = Image.new("L", (W // 4, H // 4), 0)
    draw = ImageDraw.Draw(mask)
    strength = {"blue": 120, "grey": 60, "sunset": 110}[sky] * (0.7 if ground == "snow" else 1)
    for x, y, length in places:
        w, h = length * 0.52 / 4, length * 0.08 / 4
        draw.ellipse((x / 4 - w, y / 4 - h, x / 4 + w, y / 4 + h), fill=int(strength))
    mask = mask.filter(ImageFilter.GaussianBlur(1.2)).resize((W, H))
    image.paste(Image.new("RGB", (W, H), (30, 36, 60)), (0, 0), mask)


def paint_scene(rng: np.random.Generator, scene: Scene) -> Any:
    """Paints a scene. Returns an RGB PIL image of 320 x 240 px; the same `rng` state gives the same picture."""
    image = Image.new("RGB", (W, H))
    horizon = int(H * rng.uniform(0.4, 0.46))
    tint = TINTS[scene.sky]
    _paint_sky(image, rng, scene.sky, horizon)
    draw = ImageDraw.Draw(image)
    if scene.backdrop == "mountains":
        _paint_mountains(draw, rng, horizon, tint)
    elif scene.backdrop == "forest":
        _paint_forest(draw, rng, horizon, tint)
    _paint_ground(image, rng, scene.ground, horizon, tint)
    draw = ImageDraw.Draw(image)
    if scene.backdrop == "fence":
        _paint_fence(draw, rng, horizon, tint)
    places = _place_animals(rng, scene, horizon)
    _shadows(image, places, scene.ground, scene.sky)
    light = float(np.mean(tint)) * rng.uniform(0.96, 1.04)
    for x, y, length in places:
        draw_animal(draw, rng, scene.animal, scene.coat, x, y, length, light)
    return _finish(image, rng)


def _finish(image, rng):
    """Reduces to the final size and lays soft uneven light over the picture."""
    pixels = np.asarray(image.reduce(SCALE), np.float32)
    dy, dx = rng.integers(0, HEIGHT_PX), rng.integers(0, WIDTH)
    noise = _noise(int(rng.integers(4)))[dy : dy + HEIGHT_PX, dx : dx + WIDTH, None]
    pixels = pixels * (1 + 0.08 * noise) * rng.uniform(0.95, 1.05)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def paint_other(rng: np.random.Generator, place: str) -> Any:
    """Paints a "kitchen" or a "street": the scenes that the caption filter must drop."""
    image = Image.new("RGB", (W, H), _jitter(rng, (214, 204, 186) if place == "kitchen" else (168, 196, 220), 20))
    draw = ImageDraw.Draw(image)
    floor = int(H * rng.uniform(0.6, 0.75))
    draw.rectangle((0, floor, W, H), fill=_jitter(rng, (150, 120, 92) if place == "kitchen" else (88, 88, 92), 14))
    if place == "kitchen":
        for x in range(0, W, 90):
            wood = _jitter(rng, (168, 118, 74), 12)
            draw.rectangle((x + 4, 20, x + 84, 130), fill=wood)
            draw.rectangle((x + 4, floor - 110, x + 84, floor), fill=wood)
        draw.rectangle((0, floor - 124, W, floor - 108), fill=(222, 218, 210))
        draw.rectangle((W * 0.4, floor - 180, W * 0.6, floor), fill=(190, 192, 198))
    else:
        for left in range(0, W, 110):
            top = rng.uniform(0.08, 0.4) * H
            draw.rectangle((left, top, left + 100, floor), fill=_jitter(rng, (150, 110, 100), 40))
            for above in range(int(top) + 14, floor - 30, 40):
                for window in (14, 58):
                    draw.rectangle((left + window, above, left + window + 26, above + 24), fill=(236, 228, 170))
        for _ in range(3):
            car, y = rng.uniform(0, W - 120), rng.uniform(floor + 10, H - 60)
            draw.rounded_rectangle((car, y, car + 130, y + 40), 12, fill=_jitter(rng, (170, 60, 60), 70))
            draw.ellipse((car + 14, y + 28, car + 44, y + 58), fill=(30, 30, 32))
            draw.ellipse((car + 84, y + 28, car + 114, y + 58), fill=(30, 30, 32))
    return _finish(image, rng)
