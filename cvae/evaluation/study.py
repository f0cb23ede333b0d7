"""A blind comparison of two runs by people: the three questions of unCLIP's human study (Ramesh et al. 2022).

A page shows pairs in an order drawn anew for each person, each run as often on the left as on the right; the answers,
exported as JSON, become win rates.
"""

import hashlib
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict

from cvae.runs import Run, load_run
from cvae.sampling.generate import draw_prompts
from cvae.sampling.prompts import PROMPTS
from cvae.utils.arrays import to_uint8
from cvae.utils.plots import data_address
from preprocess.utils.errors import UserError, check_whole, counted, without_controls
from preprocess.utils.files import check_writable, save_numbered, write_text
from preprocess.utils.load import read_json

# The page, with STUDY where the study's data go.
PAGE = pathlib.Path(__file__).with_name("study.html")
QUESTIONS = {
    "photorealism": "Which looks more like a photograph?",
    "caption_similarity": "Which shows better what the caption says?",
    "diversity": "Which pictures differ more from each other?",
}
# What a choice counts for run a.
WINS = {"a": 1.0, "b": 0.0, "tie": 0.5}
# Pictures on each side of a question about diversity, in a square.
DIVERSE_PICTURES = 9
# The least side of a picture on the page, and the white rim of those in a square, in pixels.
SIDE, GAP = 128, 3
# The normal quantile of a 95 % interval.
Z = 1.96


class Answer(TypedDict):
    """A person's choice in a trial."""

    trial: int
    question: Literal["photorealism", "caption_similarity", "diversity"]
    chosen: Literal["a", "b", "tie"]


class Export(TypedDict):
    """What a study's page saves."""

    a: str
    b: str
    study: str
    person: str
    answers: list[Answer]


def make_study(
    run_a: str | pathlib.Path | Run,
    run_b: str | pathlib.Path | Run,
    out: str | pathlib.Path,
    pairs: int = 3,
    seed: int = 0,
    prompts: Sequence[str] = PROMPTS,
    clip: str | None = None,
) -> tuple[int, pathlib.Path]:
    """Writes a page that asks a person to choose between the pictures of two runs.

    Args:
        run_a, run_b: run folders, or runs that are open.
        out: the HTML file, which needs nothing else.
        pairs: pairs of single pictures a prompt for each of the first two questions; diversity is asked once a prompt.
        seed: of noise, order and sides.
        prompts: what is drawn.
        clip: the encoder, if it has moved.

    Returns:
        (The number of questions, the page's path: with a number where that was there already.)

    Raises:
        UserError: see `cvae.sampling.generate.generate`.
    """
    check_whole("pairs", pairs, 1)
    check_whole("seed", seed, 0)
    if pathlib.Path(out).is_dir():
        raise UserError(f"{out} is a folder; name a file for the page, such as {pathlib.Path(out) / 'study.html'}.")
    if pathlib.Path(out).suffix not in (".html", ".htm"):
        raise UserError(f"{out} is no page's name; end it in .html.")
    check_writable(pathlib.Path(out).parent)
    runs = [run if isinstance(run, Run) else load_run(run) for run in (run_a, run_b)]
    if runs[0].folder.resolve() == runs[1].folder.resolve():
        raise UserError("both runs are the same; name two to compare.")
    for run in runs:
        run.check_draws_prompts()
        run.find_model()
    count = max(pairs, DIVERSE_PICTURES)
    pictures = [to_uint8(draw_prompts(run, list(prompts), count, seed, clip)) for run in runs]
    rng = np.random.default_rng(seed)
    trials = []
    for question in QUESTIONS:
        shown = [range(DIVERSE_PICTURES)] if question == "diversity" else [[number] for number in range(pairs)]
        asked = [(row, numbers) for row in range(len(prompts)) for numbers in shown]
        # Each run is on the left in half of a question's trials, so that liking one side decides nothing.
        for (row, numbers), left in zip(asked, rng.permutation(np.arange(len(asked)) % 2)):
            sides = [_data_address(pictures[side][row, list(numbers)]) for side in (left, 1 - left)]
            trials.append({"question": question, "prompt": prompts[row], "left": "ab"[left], "images": sides})
    identity = hashlib.sha256(json.dumps(trials).encode()).hexdigest()[:16]
    study = {"a": str(run_a), "b": str(run_b), "id": identity, "questions": QUESTIONS, "trials": trials}
    # In a script, "</" would end it, and "<!--" begin a comment.
    page = PAGE.read_text(encoding="utf-8").replace("STUDY", json.dumps(study).replace("<", "\\u003c"))
    return len(trials), save_numbered(out, lambda partial: write_text(partial, page))


def _data_address(pictures):
    """One picture, or several as a square sheet, as a PNG within an HTML page's text.

    Small ones are enlarged smoothly: blocks would tell a 64 px run from a 128 px one.
    """
    from PIL import Image

    if pictures.shape[1] < SIDE:
        enlarged = [Image.fromarray(picture).resize((SIDE, SIDE), Image.LANCZOS) for picture in pictures]
        pictures = np.stack([np.asarray(picture) for picture in enlarged])
    side = math.isqrt(len(pictures))
    if side > 1:
        pictures = np.pad(pictures, ((0, 0), (GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)
    sheet = np.concatenate([np.concatenate(pictures[i * side : (i + 1) * side], axis=1) for i in range(side)])
    return data_address(Image.fromarray(sheet))


def wilson_interval(wins: float, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), two floats from 0 to 1."""
    share = wins / total
    centre = share + Z**2 / (2 * total)
    width = Z * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    low, high = ((centre + sign * width) / (1 + Z**2 / total) for sign in (-1, 1))
    return low, high


def _read_export(path):
    """One exported JSON: (study, person, {trial: (question, win of a)}).

    Raises:
        UserError: it is no such export.
    """
    export = read_json(path, "name the JSON files that a study page saved", Export)
    answers = {answer["trial"]: (answer["question"], WINS[answer["chosen"]]) for answer in export["answers"]}
    return (export["a"], export["b"], export["study"]), export["person"], answers


def win_rates(paths: Sequence[str | pathlib.Path]) -> tuple[str, str, int, dict[str, dict[str, Any]]]:
    """Counts the answers of exported studies.

    Args:
        paths: JSON files that one page exported; of those that a person saved on the way, the longest counts.

    Returns:
        (name of a, name of b, number of people, table): {question: {"answers", "wins", "low", "high"}}, how often a was
        chosen over b, as a share from 0 to 1 with a 95 % interval; ties count as half a win. The interval takes answers
        for independent: it holds for these people and pictures, and is too narrow for people at large.

    Raises:
        UserError: a file is not such an export, belongs to another page, or there are no answers.
    """
    study: Any = None
    people: dict[str, Any] = {}
    for path in paths:
        found, person, answers = _read_export(path)
        if found != (study or found):
            raise UserError(f"{path} belongs to another page than {paths[0]}; count each page's answers by themselves.")
        study = found
        if len(answers) >= len(people.get(person, ())):
            people[person] = answers
    people = {person: answers for person, answers in people.items() if answers}
    if not people:
        raise UserError("the exports hold no answers yet; answer some questions on the page.")
    table = {}
    for question in QUESTIONS:
        wins = [win for answers in people.values() for asked, win in answers.values() if asked == question]
        if wins:
            low, high = wilson_interval(sum(wins), len(wins))
            table[question] = {"answers": len(wins), "wins": sum(wins) / len(wins), "low": low, "high": high}
    return *study[:2], len(people), table


def format_win_rates(a: str, b: str, people: int, table: dict[str, dict[str, Any]]) -> str:
    """The table of `win_rates` as text."""
    heading = f"{a} chosen over {b}"
    width = max(40, len(heading))
    lines = [f"{'question':<20} {heading:>{width}} {'answers':>8}"]
    for question, row in table.items():
        rate = f"{row['wins']:.0%} (95 % interval {row['low']:.0%} to {row['high']:.0%})"
        lines.append(f"{question:<20} {rate:>{width}} {row['answers']:>8}")
    lines.append(f"By {counted(people, 'respondent')}; the intervals hold for them, not for people at large.")
    return without_controls("\n".join(lines))
