"""Every way from a prompt to a picture, from the coursework's CVAE to the flow, measured on the same data.

    python benchmarks/rungs.py --data photos/embedded --out runs/rungs --width 0.5 --cvae-epochs 20 --flow-epochs 100

Trains 64-image and 64-flow into the output folder, or goes on with them, and writes rungs.md, rungs.json, rungs.png
(the first picture of each prompt and rung) and steps.md (the flow's steps against its quality). Minutes are those that
training took here, in all its stages.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

BEST_OF = 8
# What is measured of the flow: (name, what is set on it).
FLOWS = (
    ("flow, embedding prior none", {"prior": "none"}),
    ("flow, embedding prior mean", {"prior": "mean"}),
    ("flow, embedding prior ridge", {"prior": "ridge"}),
    ("flow, guidance 1", {"guidance": 1.0}),
    ("flow, guidance 2", {"guidance": 2.0}),
    ("flow, guidance 3", {"guidance": 3.0}),
    ("flow, guidance 5", {"guidance": 5.0}),
)
STEPS = (2, 4, 6, 8, 12, 16, 24)


class BestOf:
    """Draws several pictures where a model draws one, and keeps the one that the encoder finds closest."""

    def __init__(self, model, encoder):
        self.model, self.encoder, self.latent_dim = model, encoder, model.latent_dim

    def draw(self, noise, texts):
        from cvae.generation import keep_closest

        # Noises of their own, that follow from the given one.
        seed = noise[0].view(np.uint32).tolist()
        more = np.random.default_rng(seed).standard_normal((BEST_OF - 1, *noise.shape)).astype(np.float32)
        rows = np.stack([np.asarray(self.model.draw(one, texts)) for one in (noise, *more)], axis=1)
        return keep_closest(rows, texts, 1, self.encoder)[:, 0]


def train_timed(variant, arguments, epochs):
    """Trains a variant, or goes on with it. Returns (its run folder, the minutes that it has taken in all)."""
    from cvae.training import settings_of, train

    run = arguments.out / variant
    record = arguments.out / f"{variant}.minutes.json"
    before, start = (json.loads(record.read_text()) if record.is_file() else 0), time.time()
    given = {"width": arguments.width, "seed": arguments.seed} | ({"epochs": epochs} if epochs else {})
    try:
        train(variant, arguments.data, run, settings_of(variant, given), resume=True)
    finally:
        minutes = before + (time.time() - start) / 60
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(minutes))
    return run, minutes


def measure(name, model, held_out, encoder, seed, minutes, psnr):
    """One row of the table."""
    from cvae.evaluation import measure_pictures
    from cvae.generation import draw
    from cvae.prompts import PROMPTS

    print(f"{name}:", flush=True)
    texts = encoder.encode_texts(list(PROMPTS))
    draw(model, texts[:1], 8, seed)
    start = time.perf_counter()
    draw(model, texts[:1], 8, seed)
    milliseconds = (time.perf_counter() - start) / 8 * 1000
    row = {"name": name, "minutes": minutes, "milliseconds": milliseconds, "psnr": psnr}
    return row | measure_pictures(model, held_out, encoder, seed), draw(model, texts, 1, seed)[:, 0]


def reconstruction_psnr(model, held_out):
    from cvae.evaluation import measure_reconstructions, reconstruct

    images = held_out.images / np.float32(255)
    return measure_reconstructions(images, reconstruct(model, images, held_out.image_embeddings))["psnr"]


def as_table(rows):
    names = ["rung", "CMMD", "Frechet", "CLIPScore", "R-precision", "diversity", "PSNR", "minutes", "ms a picture"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in rows:
        values = [f"{row['cmmd']['pictures']:.3f}", f"{row['frechet']['pictures']:.3f}"]
        values += [f"{row['clip_score']['pictures']:.3f}", f"{row['r_precision']['pictures']:.3f}"]
        values += [f"{row['diversity']['pictures']:.3f}", f"{row['psnr']:.2f} dB", f"{row['minutes']:.0f}"]
        lines.append(f"| {row['name']} | {' | '.join(values)} | {row['milliseconds']:.0f} |")
    real = rows[0]
    values = [f"{real[name]['real']:.3f}" for name in ("cmmd", "frechet", "clip_score", "r_precision")]
    theme, every = real["diversity"]["theme"], real["diversity"]["real"]
    lines.append(f"| real photographs | {' | '.join(values)} | {theme:.3f} of one theme, {every:.3f} of all | | | |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="embedded shards")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/rungs"))
    parser.add_argument("--width", type=float, default=1.0, help="of the flow and its autoencoder")
    parser.add_argument("--cvae-epochs", type=int, default=20)
    parser.add_argument("--flow-epochs", type=int)
    parser.add_argument("--captions", type=int, default=1000, help="pictures a rung")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    from cvae.evaluation import check_data
    from cvae.generation import encoder_of, load_to_draw
    from cvae.held_out import read_held_out
    from cvae.plots import save_grid
    from cvae.prompts import PROMPTS

    width, arguments.width = arguments.width, 1.0
    cvae, cvae_minutes = train_timed("64-image", arguments, arguments.cvae_epochs)
    arguments.width = width
    flow, flow_minutes = train_timed("64-flow", arguments, arguments.flow_epochs)
    _, info = check_data(flow, arguments.data, arguments.captions, arguments.seed)
    held_out = read_held_out(info, 64, arguments.captions)
    rows, pictures, steps = [], [], []
    with encoder_of(flow) as encoder:
        model = load_to_draw(cvae)
        psnr = reconstruction_psnr(model, held_out)
        for path in cvae.glob("prior-*.keras"):
            path.unlink()  # for its minutes
        start = time.time()
        learned = load_to_draw(cvae, prior="flow")
        learned_minutes = cvae_minutes + (time.time() - start) / 60
        rungs = [("coursework's CVAE", model, cvae_minutes, psnr)]
        rungs += [("+ learned prior", learned, learned_minutes, psnr)]
        rungs += [(f"+ best of {BEST_OF}", BestOf(learned, encoder), learned_minutes, psnr)]
        psnr = reconstruction_psnr(load_to_draw(flow), held_out)
        rungs += [(name, load_to_draw(flow, **options), flow_minutes, psnr) for name, options in FLOWS]
        rungs += [(f"flow, best of {BEST_OF}", BestOf(load_to_draw(flow), encoder), flow_minutes, psnr)]
        for name, model, minutes, psnr in rungs:
            row, drawn = measure(name, model, held_out, encoder, arguments.seed, minutes, psnr)
            rows.append(row)
            pictures.append(drawn)
            (arguments.out / "rungs.json").write_text(json.dumps({"rungs": rows}, indent=1))
        for count in STEPS:
            model = load_to_draw(flow, steps=count)
            steps.append(measure(f"{count} steps", model, held_out, encoder, arguments.seed, flow_minutes, psnr)[0])
    headings = [row["name"] for row in rows]
    save_grid(arguments.out / "rungs.png", np.stack(pictures, axis=1), PROMPTS, headings=headings)
    (arguments.out / "rungs.json").write_text(json.dumps({"rungs": rows, "steps": steps}, indent=1))
    (arguments.out / "rungs.md").write_text(as_table(rows) + "\n")
    (arguments.out / "steps.md").write_text(as_table(steps) + "\n")
    print(as_table(rows), as_table(steps), f"Wrote {arguments.out}/rungs.md, .json, .png and steps.md.", sep="\n\n")


if __name__ == "__main__":
    main()
