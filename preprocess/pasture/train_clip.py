"""Trains the small CLIP that comes with the pasture scenes: `python -m preprocess.pasture.train_clip`.

OpenAI's own architecture in a small shape, trained contrastively (Radford et al. 2021, arXiv 2103.00020) on freshly
drawn scenes, held-out combinations included, since CLIP is meant to know more than the data set does. About three
minutes on two cores. The checkpoint is a float16 state dict that `clip.load(path)` reads.
"""

import argparse
import io
import pathlib
import zipfile
from typing import Any

import numpy as np

from preprocess.embedding.clip_model import encode_tokens
from preprocess.pasture import PASTURE_CLIP
from preprocess.pasture.samples import draw_samples, scene_of
from preprocess.pasture.scenes import captions, complete_caption
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.files import atomic_path
from preprocess.utils.progress import progress_bar
from preprocess.utils.types import PathLike, Tensor

IMAGE_SIZE = 64
SHAPE = {
    "embed_dim": 512,
    "image_resolution": IMAGE_SIZE,
    "vision_layers": (1, 2, 2, 1),
    "vision_width": 16,
    "vision_patch_size": None,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_heads": 1,
    "transformer_layers": 2,
}
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def to_input(images: Any) -> np.ndarray:
    """uint8 (n, 64, 64, 3) -> CLIP's normalised float32 (n, 3, 64, 64)."""
    return ((images / np.float32(255) - MEAN) / STD).transpose(0, 3, 1, 2)


def _augment(rng, images):
    """Mirrors, shifts by up to 3 px and changes the brightness, each image in its own way."""
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    out = np.empty(images.shape, np.float32)
    for index, (dy, dx, mirrored) in enumerate(rng.integers((0, 0, 0), (7, 7, 2), (len(images), 3))):
        patch = padded[index, dy : dy + IMAGE_SIZE, dx : dx + IMAGE_SIZE]
        out[index] = patch[:, ::-1] if mirrored else patch
    return np.clip(out * rng.uniform(0.92, 1.08, (len(images), 1, 1, 1)), 0, 255).astype(np.float32)


def contrastive_loss(model: Any, images: Any, tokens: Tensor, labels: Any) -> Any:
    """CLIP's symmetric loss; pairs of two scenes with all the same labels do not count as wrong."""
    import torch
    from torch.nn import functional as F

    image = F.normalize(model.encode_image(images).float(), dim=1)
    text = F.normalize(encode_tokens(model, tokens).float(), dim=1)
    logits = model.logit_scale.exp().clamp(max=100) * image @ text.T
    same = (labels[:, None] == labels[None]).all(-1) & ~torch.eye(len(labels), dtype=torch.bool)
    logits = logits.masked_fill(same, -1e4)
    target = torch.arange(len(labels))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def train(scenes: int, steps: int, batch_size: int, seed: int) -> Any:
    """Trains a `clip.model.CLIP` in the shape `SHAPE`. Returns it in evaluation mode."""
    import clip
    import torch

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images, labels = draw_samples(scenes, seed, IMAGE_SIZE)
    model = clip.model.CLIP(**SHAPE)
    seen = torch.zeros(SHAPE["vocab_size"], dtype=torch.bool)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.5e-3, total_steps=steps, pct_start=0.1)
    bar = progress_bar(range(steps), "training CLIP", unit="step")
    for _ in bar:
        chosen = rng.choice(scenes, batch_size, replace=False)
        texts = []
        for row in labels[chosen]:
            scene = scene_of(row)
            texts.append(
                complete_caption(rng, scene) if rng.random() < 0.7 else captions(rng, scene)[rng.integers(2, 5)]
            )
        tokens = clip.tokenize(texts)
        seen[tokens.flatten()] = True
        inputs = torch.from_numpy(to_input(_augment(rng, images[chosen])))
        with torch.autocast("cpu", torch.bfloat16):
            loss = contrastive_loss(model, inputs, tokens, torch.from_numpy(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    # A word that no caption used says nothing, rather than something at random; and zeros compress.
    model.token_embedding.weight.data[~seen] = 0
    return model.eval()


def retrieval(model: Any, images: Any, labels: Any, seed: int, among: int = 50) -> float:
    """Share of images whose own complete caption comes first among `among` captions of differing scenes."""
    import clip
    import torch
    from torch.nn import functional as F

    rng = np.random.default_rng(seed)
    with torch.no_grad():
        features = F.normalize(model.encode_image(torch.from_numpy(to_input(images))), dim=1)
        tokens = clip.tokenize([complete_caption(rng, scene_of(row)) for row in labels])
        texts = F.normalize(encode_tokens(model, tokens), dim=1)
    right = []
    for index in range(len(images)):
        others = np.flatnonzero((labels != labels[index]).any(1))
        _, first = np.unique(labels[others], axis=0, return_index=True)
        candidates = np.r_[index, rng.choice(others[first], among - 1, replace=False)]
        right.append(int((features[index] @ texts[candidates].T).argmax()) == 0)
    return float(np.mean(right))


def save(model: Any, path: PathLike) -> None:
    """Saves a float16 state dict, compressed: most of the 49,408 words' embeddings are zeros."""
    import torch

    buffer = io.BytesIO()
    torch.save({name: value.half() for name, value in model.state_dict().items()}, buffer)
    with (
        atomic_path(path) as partial,
        zipfile.ZipFile(buffer) as plain,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in plain.infolist():
            packed.writestr(zipfile.ZipInfo(member.filename), plain.read(member), zipfile.ZIP_DEFLATED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m preprocess.pasture.train_clip", description=summary(__doc__))
    parser.add_argument("--out", default=str(PASTURE_CLIP), help="checkpoint to write (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=6000, help="scenes to draw (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="training steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    arguments = parser.parse_args()
    model = train(arguments.scenes, arguments.steps, arguments.batch_size, arguments.seed)
    save(model, arguments.out)
    images, labels = draw_samples(1000, arguments.seed + 1, IMAGE_SIZE)
    score = retrieval(model, images, labels, arguments.seed)
    size = pathlib.Path(arguments.out).stat().st_size / 1e6
    print(f"Saved {arguments.out} ({size:.1f} MB): right caption first among 50 for {score:.1%} of 1,000 new scenes.")


if __name__ == "__main__":
    run_command(main)
