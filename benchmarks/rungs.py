"""Every way from a prompt to a picture, from the coursework's CVAE to the flow, measured on the same data.

    python benchmarks/rungs.py --data photos/embedded --width 0.5 --flow-epochs 28 --flow-batch-size 16

Trains 64-image and 64-flow into the output folder, or goes on with them, and writes rungs.md, rungs.png (the first
picture of each prompt and rung), headlines.png (more of three rungs), steps.md and steps.png (the flow's steps against
its quality), and priors.md (how near each prior brings texts' embeddings to images'). Core minutes are the processor's
time in training, in all its stages, which other work on the machine does not change. What was measured is kept, and
measured again only when the models have changed; but for the milliseconds, which are those of one run.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import re
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.evaluation import metrics
from cvae.evaluation.held_out import read_held_out
from cvae.evaluation.photos import data_to_measure, measure_pictures, measure_reconstructions, reconstruct
from cvae.log import read_log
from cvae.runs import Run
from cvae.sampling.draw import draw, embed_images, keep_closest, noise_of
from cvae.sampling.prompts import PROMPTS
from cvae.training.loop import train
from cvae.utils.arrays import further_noise
from cvae.utils.plots import save_grid, save_lines
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.files import atomic_path, sha256, write_text

# Pictures drawn for one that is kept, and pictures of each prompt and rung in headlines.png.
BEST_OF, SHOWN = 4, 3
GUIDANCES = (1.0, 2.0, 3.0, 5.0)
PRIORS = ("none", "mean", "ridge", "gaussian", "flow")
# Pictures that are timed, and how often: the fastest counts, since other work only slows it down.
TIMED, TIMES = 8, 3
# Times that the velocity is asked for from noise to a picture, which is twice a step for Heun's method.
LOOKS = (4, 8, 12, 16)
# Samplers, and how often they look at the velocity a step.
LOOKS_A_STEP = {"adams": 1, "euler": 1, "heun": 2}
CVAE, LEARNED = "coursework's CVAE", "CVAE + learned prior"
COLUMNS = {
    "CMMD": "{cmmd[pictures]:.3f}",
    "Frechet": "{frechet[pictures]:.3f}",
    "CLIPScore": "{clip_score[pictures]:.3f}",
    "R-precision": "{r_precision[pictures]:.3f}",
    "diversity": "{diversity[pictures]:.3f}",
    "PSNR": "{psnr:.2f} dB",
    "core minutes": "{minutes:.0f}",
    "ms a picture": "{milliseconds:.0f}",
}


class BestOf:
    """Draws several pictures where a drawer draws one, and keeps the one that the encoder finds closest."""

    def __init__(self, drawer, encoder):
        self.drawer, self.encoder, self.latent_dim = drawer, encoder, drawer.latent_dim

    def draw(self, noise, texts):
        more = np.split(further_noise(noise, (BEST_OF - 1) * self.latent_dim), BEST_OF - 1, axis=1)
        rows = np.stack([np.asarray(self.drawer.draw(one, texts)) for one in (noise, *more)], axis=1)
        return keep_closest(rows, texts, 1, self.encoder)[:, 0]


def train_timed(variant, arguments, **given):
    """Trains a variant, or goes on with it. Returns (its `Run`, the core minutes that it has taken in all)."""
    folder = arguments.out / variant
    record = arguments.out / f"{variant}.minutes.json"
    before, start = (json.loads(record.read_text()) if record.is_file() else 0), time.process_time()

    def write_minutes(run):
        write_text(record, json.dumps(before + (time.process_time() - start) / 60))

    if len(read_log(folder)) < given["epochs"]:
        try:
            given |= {"seed": arguments.seed}
            train(variant, arguments.data, folder, given, resume=True, on_epoch=write_minutes)
        finally:
            if folder.exists():
                write_minutes(folder)
    return Run(folder), json.loads(record.read_text())


def learn_prior(cvae):
    """The CVAE with its learned prior, and the core minutes that the prior took."""
    record = cvae.folder.parent / f"prior-of-{sha256(cvae.find_model())[:8]}.minutes.json"
    is_timed, start = record.is_file(), time.process_time()
    if not is_timed:
        for path in cvae.folder.glob("prior-*.keras"):
            path.unlink()
    drawer = cvae.open_drawer(prior="flow")
    if not is_timed:
        write_text(record, json.dumps((time.process_time() - start) / 60))
    return drawer, json.loads(record.read_text())


def reconstruction_psnr(model, held_out):
    images = held_out.images / np.float32(255)
    return measure_reconstructions(images, reconstruct(model, images, held_out.image_embeddings))["psnr"]


class Meter:
    """Measures a run's rungs, and keeps what it has measured in a folder.

    Args:
        folder: of a `.npz` a rung. run: the run. minutes: of a core that its training took.
        encoder: that of its data. arguments: of the command line.
    """

    def __init__(self, folder, run, minutes, encoder, arguments):
        self.encoder, self.seed = encoder, arguments.seed
        info = data_to_measure(run, arguments.data, arguments.captions, arguments.seed)
        self.held_out = read_held_out(info, 64, arguments.captions)
        made_by = f"{sha256(run.find_model())[:8]}-{arguments.captions}-{arguments.seed}"
        self.folder = folder / run.folder.name / made_by
        self.real = functools.cache(lambda: embed_images(self.held_out.images, encoder, None))
        self.prompts = functools.cache(lambda: encoder.encode_texts(list(PROMPTS)))
        self.known = {"minutes": minutes, "psnr": reconstruction_psnr(run.model(), self.held_out)}

    def measure(self, name, load):
        """A rung by its name and what loads its (model, core minutes beside the run's): (row, prompts' pictures)."""
        path = self.folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.npz"
        model, more = load()
        if not path.is_file():
            scores, pictures = self._measure(model)
            with atomic_path(path) as partial:
                np.savez(partial, row=json.dumps(scores), pictures=pictures)
        with np.load(path) as kept:
            row, pictures = json.loads(str(kept["row"])), kept["pictures"]
        row |= {"name": name, "minutes": self.known["minutes"] + more, "psnr": self.known["psnr"]}
        return row | {"milliseconds": self._milliseconds(model)}, pictures

    def _measure(self, model):
        scores = measure_pictures(model, self.held_out, self.encoder, self.seed, self.real())
        return scores, draw(model, self.prompts(), SHOWN, self.seed)

    def _milliseconds(self, model):
        seconds = []
        for _ in range(1 + TIMES):
            start = time.perf_counter()
            draw(model, self.prompts()[:1], TIMED, self.seed)
            seconds.append(time.perf_counter() - start)
        return min(seconds[1:]) / TIMED * 1000


def measure_priors(run, held_out, seed):
    """A table of how near each prior brings held-out captions' embeddings to those of their images."""
    texts, ids = held_out.texts, held_out.ids
    images = held_out.image_embeddings[ids]
    lines = ["| embedding prior | cosine to the image | own image nearest among 100 |", "|---|---|---|"]
    for prior in PRIORS:
        drawer = run.open_drawer(prior=prior)
        guessed = drawer.guess(noise_of(drawer, len(texts), seed), texts)
        found, _ = metrics.r_precision(guessed, images, ids, ids, 100, seed)
        lines.append(f"| {prior} | {np.mean(np.sum(guessed * images, axis=1)):.3f} | {found:.1%} |")
    return "\n".join(lines) + "\n"


def rungs_of_cvae(run, encoder):
    """What `Meter.measure` loads of a CVAE: {name: function}."""

    def load(best=False):
        drawer, more = learn_prior(run)
        return BestOf(drawer, encoder) if best else drawer, more

    return {CVAE: lambda: (run.open_drawer(), 0), LEARNED: load, f"{LEARNED}, best of {BEST_OF}": lambda: load(True)}


def rungs_of_flow(run, encoder):
    """What `Meter.measure` loads of a flow: ({name: function} of priors and guidance, of steps, the usual's name)."""

    def load(best=False, sampler=None, **options):
        drawer = run.open_drawer(**options)
        drawer.options = dataclasses.replace(drawer.options, sampler=sampler or drawer.options.sampler)
        return BestOf(drawer, encoder) if best else drawer, 0

    drawer = run.open_drawer()
    usual_prior, usual_guidance = drawer.model.prior.kind, drawer.options.guidance
    asked = [(prior, usual_guidance) for prior in PRIORS]
    asked += [(usual_prior, guidance) for guidance in GUIDANCES]
    rungs = {
        f"flow, embedding prior {prior}, guidance {guidance:g}": functools.partial(load, prior=prior, guidance=guidance)
        for prior, guidance in dict.fromkeys(asked)
    }
    rungs[f"flow, best of {BEST_OF}"] = functools.partial(load, best=True)
    steps = {
        f"{sampler}, {looks // each} steps": functools.partial(load, sampler=sampler, steps=looks // each)
        for sampler, each in LOOKS_A_STEP.items()
        for looks in LOOKS
    }
    return rungs, steps, f"flow, embedding prior {usual_prior}, guidance {usual_guidance:g}"


def as_table(rows):
    lines = [f"| rung | {' | '.join(COLUMNS)} |", "|---" * (1 + len(COLUMNS)) + "|"]
    lines += [f"| {row['name']} | {' | '.join(form.format(**row) for form in COLUMNS.values())} |" for row in rows]
    real = rows[0]
    values = [f"{real[name]['real']:.3f}" for name in ("cmmd", "frechet", "clip_score", "r_precision")]
    theme, every = real["diversity"]["theme"], real["diversity"]["real"]
    lines.append(f"| real photographs | {' | '.join(values)} | {theme:.3f} of one theme, {every:.3f} of all | | | |")
    return "\n".join(lines) + "\n"


def draw_curves(path, rows):
    lines = {}
    for row, looks in zip(rows, LOOKS * len(LOOKS_A_STEP)):
        sampler = row["name"].split(",")[0]
        values = {"CMMD": row["cmmd"]["pictures"], "R-precision": row["r_precision"]["pictures"]}
        lines.setdefault(sampler, []).append(values | {"looks at the velocity": looks})
    save_lines(path, lines, "looks at the velocity", ["CMMD", "R-precision"])


def draw_pictures(out, rows, pictures, flow):
    names = [row["name"] for row in rows]
    first = np.stack([drawn[:, 0] for drawn in pictures], axis=1)
    save_grid(out / "rungs.png", first, PROMPTS, headings=names)
    chosen = [CVAE, LEARNED, flow]
    columns = np.concatenate([pictures[names.index(name)] for name in chosen], axis=1)
    headings = [name.split(",")[0] if number == SHOWN // 2 else "" for name in chosen for number in range(SHOWN)]
    save_grid(out / "headlines.png", columns, PROMPTS, headings=headings)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--data", required=True, help="embedded shards")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/rungs"))
    parser.add_argument("--width", type=float, default=1.0, help="of the flow and its autoencoder")
    parser.add_argument("--cvae-epochs", type=int, default=20)
    parser.add_argument("--flow-epochs", type=int, default=100)
    parser.add_argument("--flow-batch-size", type=int, default=64)
    parser.add_argument("--captions", type=int, default=500, help="pictures a rung")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    out = arguments.out
    given = {"width": arguments.width, "epochs": arguments.flow_epochs, "batch_size": arguments.flow_batch_size}
    flow, minutes = train_timed("64-flow", arguments, **given)
    with flow.encoder.open() as encoder:
        meter = Meter(out / "measured", flow, minutes, encoder, arguments)
        rungs, steps, usual = rungs_of_flow(flow, encoder)
        of_flow = [meter.measure(name, load) for name, load in rungs.items()]
        step_rows = [meter.measure(name, load)[0] for name, load in steps.items()]
        priors = measure_priors(flow, meter.held_out, arguments.seed)
    cvae, minutes = train_timed("64-image", arguments, epochs=arguments.cvae_epochs)
    with cvae.encoder.open() as encoder:
        meter = Meter(out / "measured", cvae, minutes, encoder, arguments)
        of_cvae = [meter.measure(name, load) for name, load in rungs_of_cvae(cvae, encoder).items()]
    rows, pictures = zip(*of_cvae, *of_flow)
    draw_pictures(out, rows, pictures, usual)
    draw_curves(out / "steps.png", step_rows)
    write_text(out / "rungs.md", as_table(rows))
    write_text(out / "steps.md", as_table(step_rows))
    write_text(out / "priors.md", priors)
    written = f"Wrote {out}/rungs.md and .png, headlines.png, steps.md and .png, priors.md."
    print(as_table(rows), as_table(step_rows), priors, written, sep="\n")


if __name__ == "__main__":
    run_command(main)
