"""The pasture gallery: pictures for prompts that no data set of scenes holds, and how often they are right."""

import pathlib

import numpy as np

from cvae.pasture.judge import JUDGED, gallery_prompts, judge_accuracy, load_judge, score
from cvae.runs import Run
from cvae.sampling.generate import draw_prompts
from cvae.utils.plots import save_grid, save_sheet
from preprocess.pasture import DRAWN_BY, PASTURE_CLIP
from preprocess.pasture.scenes import ATTRIBUTES
from preprocess.utils.errors import UserError
from preprocess.utils.files import check_no_file, next_folder, numbered_folder, sha256, write_json

# Pictures a prompt that are judged, of which GRID are shown.
JUDGED_PICTURES, GRID = 16, 6
JUDGE_SCENES, JUDGE_SEED = 500, 4242


def check_drawn(run: Run) -> None:
    """Raises a UserError for a run that was not trained on drawn scenes: what the judge sees would mean nothing."""
    # Runs of version 0.1 know their encoder only.
    encoder = run.encoder.clip["weights_sha256"]
    if run.config.get("drawn_by") != DRAWN_BY and encoder != sha256(PASTURE_CLIP):
        raise UserError(
            f"{run} was not trained on drawn scenes, which the gallery asks for and judges; name the demo's run, or "
            "measure this one with `evaluate`."
        )


def make_gallery(
    run: Run, out: str | pathlib.Path | None = None, seed: int = 0, clip: str | None = None
) -> tuple[dict[str, dict[str, float]], pathlib.Path]:
    """Draws the gallery with a run trained on pasture scenes and judges it.

    Args:
        run: the run.
        out: the output folder, or where it holds anything a numbered one in it; by default `gallery` in the run folder.
            It gets gallery.png (the first picture of every prompt), grid.png (more of them) and judged.json.
        seed: of the noise.
        clip: the encoder, if it has moved.

    Returns:
        ({attribute: {"right", "chance", "judge_on_drawn_scenes"}} and "all", shares from 0 to 1; the folder).

    Raises:
        UserError: the run was trained on photographs, say; or see `cvae.sampling.generate.generate`.
    """
    check_drawn(run)
    folder = pathlib.Path(out) if out else None
    if folder:
        check_no_file(folder)
    prompts, expected = zip(*gallery_prompts())
    pictures = draw_prompts(run, list(prompts), JUDGED_PICTURES, seed, clip)
    folder = numbered_folder(folder) if folder else next_folder(run.output / "gallery")
    save_sheet(folder / "gallery.png", pictures[:, 0], prompts)
    save_grid(folder / "grid.png", pictures[:, :GRID], prompts)

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
    write_json(folder / "judged.json", {"attributes": table, "pictures": int(right[..., 0].size), "prompts": by_prompt})
    return table, folder


def format_table(table: dict[str, dict[str, float]]) -> str:
    """The table of `make_gallery` as text."""
    lines = [f"{'attribute':<10} {'right':>7} {'chance':>7} {'judge on drawn scenes':>22}"]
    for name, row in table.items():
        lines.append(f"{name:<10} {row['right']:>7.1%} {row['chance']:>7.1%} {row['judge_on_drawn_scenes']:>22.1%}")
    return "\n".join(lines)
