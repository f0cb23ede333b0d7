"""Whether the animals can be recognised: a judge that had no part in training looks at pictures of held-out captions.

    python benchmarks/animals.py --run photographs-64 --meadow path/to/meadow --judge path/to/encoders
    python benchmarks/animals.py --run runs/64-image photographs-64 --meadow ... --judge ... --picture beside.png

`--meadow` is a folder with train2017.zip, captions_train2017.json and labels.csv (file name and kind); the folder of
the judge holds mobilenet_v2_features.onnx and meadow_judge.npz and wants `pip install onnxruntime`. For each kind: the
share of pictures in which the judge sees the kind that the caption asks for, and the same of the captions' own images
at the model's size. Then the Frechet distance, in the judge's features, of pictures to images, beside that of
reconstructions: both of one half of the captions to the images of the other half. `--picture` lays what the runs draw
of the first captions side by side. The first 60 captions of each kind chose guidance, steps and what docs/flow.md tells
of as tried; figures that are to be believed want `--skip 60`.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import sys
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.meadows import JUDGE_HELP, KINDS, MEADOW_HELP, held_out, images_of, kinds_of, validation_share
from cvae.evaluation.metrics import frechet_distance
from cvae.evaluation.photos import reconstruct
from cvae.nn.samplers import SAMPLERS
from cvae.runs import Run
from cvae.sampling.draw import draw, embed_images, noise_of
from cvae.utils.arrays import in_batches, to_one_size, to_uint8
from cvae.utils.plots import save_grid
from preprocess.shards.records import CLIP_SIZE
from preprocess.utils.command import run_command
from preprocess.utils.errors import UserError, summary
from preprocess.utils.progress import progress_bar

# In the picture: captions of each kind, and pictures of each by each run.
ROWS, SHOWN = 2, 2


class Judge:
    """Which of five kinds pictures show, by MobileNetV2's features and a softmax."""

    def __init__(self, folder):
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError("the judge runs on onnxruntime; install it: pip install onnxruntime.") from error
        self.network = onnxruntime.InferenceSession(folder / "mobilenet_v2_features.onnx")
        self.weights = dict(np.load(folder / "meadow_judge.npz"))
        assert tuple(self.weights["names"]) == KINDS

    def features(self, images):
        """Of uint8 images (n, size, size, 3): float32 (n, 1280), standardised."""
        from PIL import Image

        [name], rows = [entry.name for entry in self.network.get_inputs()], []
        output = self.network.get_outputs()[-1].name
        for image in progress_bar(images, desc="judging", unit="picture"):
            pixels = Image.fromarray(image).resize((224, 224), Image.Resampling.BICUBIC)
            pixels = np.asarray(pixels, np.float32)[None] / 127.5 - 1
            rows.append(self.network.run([output], {name: pixels})[0][0])
        return (np.log1p(np.maximum(rows, 0)) - self.weights["mean"]) / self.weights["std"]

    def kinds(self, features):
        """The numbers of the kinds, int (n,)."""
        return np.argmax(features @ self.weights["W"] + self.weights["b"], axis=1)


def choose(folder, count, share, skip=0):
    """[(file name, caption, kind's number)] of `count` held-out images of each kind after the first ones, in turns."""
    kinds = kinds_of(folder)
    rows: dict = {kind: [] for kind in KINDS}
    for name, texts in held_out(folder, share):
        if texts and name in kinds and len(rows[kinds[name]]) < skip + count:
            rows[kinds[name]].append((name, texts[0], KINDS.index(kinds[name])))
    return [row for turn in itertools.zip_longest(*(own[skip:] for own in rows.values())) for row in turn if row]


def shares(right, kinds):
    return {"all": float(right.mean())} | {
        kind: float(right[kinds == number].mean()) for number, kind in enumerate(KINDS)
    }


class HeldOut(NamedTuple):
    """Captions of n images that were not trained on: embeddings (n, d), the kinds' numbers (n,), and the images'.

    features: of the images. figures: what "images" and "reconstructions" get.
    """

    texts: np.ndarray
    kinds: np.ndarray
    features: np.ndarray
    figures: dict[str, Any]


def score(judge, features, kinds, real):
    """{"all" and kinds: the share that is right, "frechet": of each second to the others' images}."""
    return shares(judge.kinds(features) == kinds, kinds) | {"frechet": frechet_distance(features[::2], real[1::2])}


def measure_held_out(run, judge, folder, count, skip=0):
    """`HeldOut` of a run, `count` images of each kind after the first `skip`."""
    names, captions, kinds = zip(*choose(folder, count, validation_share(run), skip))
    kinds, images = np.array(kinds), images_of(folder, names, run.variant.image_size)
    with run.encoder.open() as encoder:
        texts = encoder.encode_texts(list(captions))
        own = embed_images(images_of(folder, names, CLIP_SIZE), encoder)
    real = judge.features(images)
    conditions = own if run.variant.condition == "image" else texts
    decoded = judge.features(to_uint8(reconstruct(run.model(), images / np.float32(255), conditions)))
    pairs = (("images", real), ("reconstructions", decoded))
    return HeldOut(texts, kinds, real, {name: score(judge, features, kinds, real) for name, features in pairs})


def measure_kinds(drawer, held_out, judge, seed):
    """What `score` gives of a picture of each caption, and "over reconstructions'"."""
    noise = noise_of(drawer, len(held_out.kinds), seed)
    features = judge.features(to_uint8(in_batches(drawer.draw, noise, held_out.texts)))
    found = score(judge, features, held_out.kinds, held_out.features)
    return found | {"over reconstructions'": found["frechet"] / held_out.figures["reconstructions"]["frechet"]}


def measure_run(run, judge, arguments):
    """{"images", "reconstructions", and pictures by each guidance: figures} of a run, which are printed too."""
    held_out = measure_held_out(run, judge, arguments.meadow, arguments.count, arguments.skip)
    found = dict(held_out.figures)
    for guidance in arguments.guidance or [None]:
        given = {"guidance": guidance, "steps": arguments.steps}
        drawer = run.open_drawer(**{name: value for name, value in given.items() if value is not None})
        if arguments.sampler:
            drawer.options = dataclasses.replace(drawer.options, sampler=arguments.sampler)
        name = f"pictures, guidance {guidance}" if guidance else "pictures"
        found[name] = measure_kinds(drawer, held_out, judge, arguments.seed)
    for name, figures in found.items():
        values = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
        print(f"{run.folder.name}, {name}: {values}", flush=True)
    return found


def save_side_by_side(runs, arguments):
    """A row for each of the first captions of each kind, `SHOWN` pictures a run."""
    captions = [caption for _, caption, _ in choose(arguments.meadow, ROWS, validation_share(runs[0]))]
    pictures = [to_uint8(draw(run.open_drawer(), run.condition(captions), SHOWN, arguments.seed)) for run in runs]
    headings = [run.folder.name if number == 0 else "" for run in runs for number in range(SHOWN)]
    save_grid(arguments.picture, np.concatenate(to_one_size(pictures), axis=1), captions, headings=headings)


def add_arguments(parser):
    parser.add_argument("--meadow", type=pathlib.Path, required=True, help=MEADOW_HELP)
    parser.add_argument("--judge", type=pathlib.Path, required=True, help=JUDGE_HELP)
    parser.add_argument("--count", type=int, default=100, help="captions of each kind (default: %(default)s)")
    parser.add_argument("--skip", type=int, default=0, help="that many captions of each kind first (default: none)")
    parser.add_argument("--seed", type=int, default=0)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", nargs="+", required=True)
    add_arguments(parser)
    parser.add_argument("--guidance", type=float, nargs="*", help="guidance scales (default: its own)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--sampler", choices=SAMPLERS, help="of a flow (default: its own)")
    parser.add_argument("--out", type=pathlib.Path, help="a JSON file for the figures")
    parser.add_argument("--picture", type=pathlib.Path, help="a PNG for pictures by all runs, side by side")
    arguments = parser.parse_args()
    runs, judge = [Run(folder) for folder in arguments.run], Judge(arguments.judge)
    found = {str(run): measure_run(run, judge, arguments) for run in runs}
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.picture:
        save_side_by_side(runs, arguments)


if __name__ == "__main__":
    run_command(main)
