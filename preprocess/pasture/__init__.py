"""Drawn pasture scenes in MS COCO's format, and a small CLIP that was trained on them."""

import pathlib

# A float16 state dict of OpenAI's architecture, 3.3 MB; `python -m preprocess.pasture.train_clip` makes it again.
PASTURE_CLIP = pathlib.Path(__file__).with_name("clip.pt")
# Its name for `--clip`.
PASTURE = "pasture"
# What manifests and run.json say of drawn scenes, which the pasture judge knows.
DRAWN_BY = "preprocess.pasture"
