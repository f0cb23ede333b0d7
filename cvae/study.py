"""A blind comparison of two runs by people: the three questions of unCLIP's human study (Ramesh et al. 2022).

A page shows pairs in an order drawn anew for each person, each run as often on the left as on the right; the answers,
exported as JSON, become win rates.
"""

import base64
import hashlib
import io
import json
import math
import pathlib

import numpy as np

from cvae.generation import draw_prompts
from cvae.plots import to_uint8
from cvae.prompts import PROMPTS
from cvae.runs import find_model
from preprocess.errors import UserError, check_whole
from preprocess.files import write_text
from preprocess.wording import counted

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


def make_study(run_a, run_b, out, pairs=3, seed=0, prompts=PROMPTS, clip_spec=None):
    """Writes a page that asks a person to choose between the pictures of two runs.

    Args:
        run_a, run_b: run folders.
        out: the HTML file, which needs nothing else.
        pairs: pairs of single pictures a prompt for each of the first two questions; diversity is asked once a prompt.
        seed: of noise, order and sides.
        prompts: what is drawn.
        clip_spec: the encoder, if it has moved.

    Returns:
        The number of questions.

    Raises:
        UserError: see `cvae.generation.generate`.
    """
    check_whole("pairs", pairs, 1)
    check_whole("seed", seed, 0)
    if pathlib.Path(out).is_dir():
        raise UserError(f"{out} is a folder; name a file for the page, such as {pathlib.Path(out) / 'study.html'}.")
    if pathlib.Path(run_a).resolve() == pathlib.Path(run_b).resolve():
        raise UserError("both runs are the same; name two to compare.")
    find_model(run_a)
    find_model(run_b)
    count = max(pairs, DIVERSE_PICTURES)
    pictures = [to_uint8(draw_prompts(run, prompts, count, seed, clip_spec)) for run in (run_a, run_b)]
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
    # In a script, "</" would end it.
    write_text(out, _PAGE.replace("STUDY", json.dumps(study).replace("</", "<\\/")))
    return len(trials)


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
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def wilson_interval(wins, total):
    """The 95 % interval of a share (Wilson 1927), two floats from 0 to 1."""
    share = wins / total
    centre = share + Z**2 / (2 * total)
    width = Z * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return tuple((centre + sign * width) / (1 + Z**2 / total) for sign in (-1, 1))


def _read_export(path):
    """One exported JSON: (study, person, {trial: (question, win of a)}).

    Raises:
        UserError: it is no such export.
    """
    try:
        # A byte-order mark is what some editors leave.
        export = json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))
        study = str(export["a"]), str(export["b"]), str(export["study"])
        answers = {int(answer["trial"]): (answer["question"], WINS[answer["chosen"]]) for answer in export["answers"]}
        if not {question for question, _ in answers.values()} <= set(QUESTIONS):
            raise ValueError
        return study, str(export["person"]), answers
    except FileNotFoundError:
        raise UserError(f"{path} not found; name the JSON files that a study page saved.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path} is not an export of a study page; name the JSON files that it saved.") from None


def win_rates(paths):
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
    study, people = None, {}
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


def format_win_rates(a, b, people, table):
    """The table of `win_rates` as text."""
    heading = f"{a} chosen over {b}"
    width = max(40, len(heading))
    lines = [f"{'question':<20} {heading:>{width}} {'answers':>8}"]
    for question, row in table.items():
        rate = f"{row['wins']:.0%} (95 % interval {row['low']:.0%} to {row['high']:.0%})"
        lines.append(f"{question:<20} {rate:>{width}} {row['answers']:>8}")
    lines.append(f"By {counted(people, 'respondent')}; the intervals hold for them, not for people at large.")
    return "\n".join(lines)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Which picture?</title><style>
body { font: 18px sans-serif; max-width: 760px; margin: 2em auto; text-align: center }
figure { display: inline-block; margin: 8px } button { font: inherit; padding: 8px 24px; margin: 8px }
img { width: 320px; height: 320px; cursor: pointer }
#caption { font-style: italic }
</style></head><body>
<p id="place"></p><h2 id="question"></h2><p id="caption"></p>
<figure><img id="left" alt="left picture"></figure><figure><img id="right" alt="right picture"></figure>
<p><button data-chosen="left">left (1)</button><button data-chosen="tie">no difference (0)</button>
<button data-chosen="right">right (2)</button></p>
<p><button id="back">back</button><button id="export">save answers</button>
<button id="anew">next person</button></p>
<script>
const study = STUDY;
const store = "study " + study.id;
function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
function fresh() {
  return { person: Math.random().toString(36).slice(2), order: shuffled(study.trials.length), answers: [] };
}
let state = fresh();
try { state = JSON.parse(localStorage.getItem(store)) || state; } catch (error) { /* a file may have no storage */ }
const element = id => document.getElementById(id);
function keep() { try { localStorage.setItem(store, JSON.stringify(state)); } catch (error) { /* see above */ } }
function current() { return study.trials[state.order[state.answers.length]]; }
function show() {
  const trial = current();
  element("place").textContent = state.answers.length + " of " + study.trials.length + " answered";
  element("question").textContent = trial ? study.questions[trial.question] : "Thank you. Please save the answers.";
  element("caption").textContent = trial && trial.question !== "photorealism" ? trial.prompt : "";
  for (const [index, side] of ["left", "right"].entries()) {
    element(side).style.visibility = trial ? "visible" : "hidden";
    if (trial) element(side).src = trial.images[index];
  }
}
function choose(side) {
  const trial = current();
  if (!trial) return;
  const other = trial.left === "a" ? "b" : "a";
  const chosen = side === "tie" ? "tie" : side === "left" ? trial.left : other;
  const number = state.order[state.answers.length];
  state.answers.push({ trial: number, question: trial.question, prompt: trial.prompt, chosen: chosen });
  keep(); show();
}
for (const button of document.querySelectorAll("[data-chosen]")) button.onclick = () => choose(button.dataset.chosen);
element("left").onclick = () => choose("left");
element("right").onclick = () => choose("right");
element("back").onclick = () => { state.answers.pop(); keep(); show(); };
element("anew").onclick = () => {
  if (!state.answers.length || confirm("Have the answers been saved? They leave this page.")) state = fresh();
  keep(); show();
};
document.onkeydown = event => {
  const side = { 1: "left", 2: "right", 0: "tie" }[event.key];
  if (side && !event.repeat) choose(side);
};
element("export").onclick = () => {
  const text = JSON.stringify(
    { a: study.a, b: study.b, study: study.id, person: state.person, answers: state.answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "answers-" + Date.now() + ".json";
  link.click();
};
show();
</script></body></html>
"""
