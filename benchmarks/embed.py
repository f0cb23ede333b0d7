"""Embedding in batches beside the coursework's way, one image at a time in float32.

    python benchmarks/embed.py                       a CLIP of random weights in ViT-B/32's shape
    python benchmarks/embed.py --clip ViT-B/32       the real one

The images are random, 224 px, in memory. Rates of one run are compared with each other only.
"""

import argparse
import pathlib
import sys
import tempfile
import time

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def random_vit_b32(folder):
    """A state dict of random weights in the shape of ViT-B/32: the same loading, the same cost."""
    import clip
    import torch

    torch.manual_seed(0)
    path = pathlib.Path(folder) / "vit-b-32-random.pt"
    torch.save(clip.model.CLIP(512, 224, 12, 768, 32, 77, 49408, 512, 8, 12).state_dict(), path)
    return path


def one_at_a_time(wrapper, images):
    """The coursework's loop: CLIP's transform and a forward pass for every image by itself, in float32."""
    import torch

    with torch.no_grad():
        return np.concatenate([
            wrapper._model.encode_image(wrapper._transform(image).unsqueeze(0).to(wrapper.device)).float().cpu().numpy()
            for image in images
        ])  # fmt: skip


def rate(function, items):
    start = time.perf_counter()
    function(items)
    return len(items) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--clip", help="a CLIP's name or checkpoint (default: random weights in ViT-B/32's shape)")
    parser.add_argument("--count", type=int, default=256, help="images in batches (default: %(default)s)")
    arguments = parser.parse_args()
    from clip_wrapper import ClipWrapper
    from preprocess.pasture.scenes import complete_caption, sample_scene

    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 255, (224, 224, 3), np.uint8)) for _ in range(arguments.count)]
    texts = [complete_caption(rng, sample_scene(rng)) for _ in range(arguments.count)]
    with tempfile.TemporaryDirectory() as folder:
        wrapper = ClipWrapper(arguments.clip or random_vit_b32(folder))
    few = images[: max(8, arguments.count // 8)]
    one_at_a_time(wrapper, few[:4])
    wrapper.encode_images(images[:64])
    single, batched = [], []
    for _ in range(3):
        single.append(rate(lambda items: one_at_a_time(wrapper, items), few))
        batched.append(rate(wrapper.encode_images, images))
    text_rates = [rate(wrapper.encode_texts, texts) for _ in range(3)]
    slow, fast = np.median(single), np.median(batched)
    print(f"{'':<44} {'a second':>9} {'ratio':>7}")
    print(f"{'images one at a time, float32':<44} {slow:>9.1f} {1:>7.2f}")
    print(f"{f'images in batches, {wrapper.precision}':<44} {fast:>9.1f} {fast / slow:>7.2f}")
    print(f"{f'captions in batches, {wrapper.precision}':<44} {np.median(text_rates):>9.1f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
