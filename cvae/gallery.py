"""The pasture gallery: pictures for prompts that no data set of scenes holds, and how often they are right."""

import pathlib

import numpy as np

from cvae.generation import draw_prompts
from cvae.pasture_judge import JUDGED, gallery_prompts, judge_accuracy, load_judge, score
from cvae.plots import save_grid, save_sheet
from preprocess.files import check_no_file, write_json
from preprocess.pasture.scenes import ATTRIBUTES

# Pictures a prompt that are judged, of which GRID are shown.
JUDGED_PICTURES, GRID = 16, 6
JUDGE_SCENES, JUDGE_SEED = 500, 4242


def make_gallery(run, out, seed=0, clip_spec=None):
    """Draws the gallery with a run trained on pasture scenes and judges it.

    Args:
        run: the run folder.
        out: the output folder: gallery.png (the first picture of every prompt), grid.png (more of them), judged.json.
        seed: of the noise.
        clip_spec: the encoder, if it has moved.

    Returns:
        {attribute: {"right", "chance", "judge_on_drawn_scenes"}} and "all", shares from 0 to 1.

    Raises:
        UserError: see `cvae.generation.generate`.
    """
    out = pathlib.Path(out)
    check_no_file(out)
    prompts, expected = zip(*gallery_prompts())
    pictures = draw_prompts(run, prompts, JUDGED_PICTURES, seed, clip_spec)
    save_sheet(out / "gallery.png", pictures[:, 0], prompts)
    save_grid(out / "grid.png", pictures[:, :GRID], prompts)

    judge = load_judge()
    right = score(judge, pictures, expected)
    own = judge_accuracy(judge, JUDGE_SCENES, JUDGE_SEED)
    table = {
        name: {
            "right": float(right[..., column].mean()),
            "chance": 1 / len(ATTRIBUTES[name]),
            "judge_on_drawn_scenes": own[name],
        }
        for column, name in enumerate(JUDGED)
    }
    table["all"] = {key: float(np.mean([row[key] for row in table.values()])) for key in table["animal"]}
    by_prompt = {prompt: float(share) for prompt, share in zip(prompts, right.mean((1, 2)))}
    write_json(out / "judged.json", {"attributes": table, "pictures": int(right[..., 0].size), "prompts": by_prompt})
    return table


def format_table(table):
    """The table of `make_gallery` as text."""
    lines = [f"{'attribute':<10} {'right':>7} {'chance':>7} {'judge on drawn scenes':>22}"]
    for name, row in table.items():
        lines.append(f"{name:<10} {row['right']:>7.1%} {row['chance']:>7.1%} {row['judge_on_drawn_scenes']:>22.1%}")
    return "\n".join(lines)
