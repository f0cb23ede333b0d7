"""A blind comparison of two runs by people: the three questions of unCLIP's human study (Ramesh et al. 2022).

A page shows pairs in random order, left and right drawn by lot; its answers, exported as JSON, become win rates.
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
from preprocess.errors import UserError
from preprocess.files import write_text

QUESTIONS = {
    "photorealism": "Which looks more like a photograph?",
    "caption_similarity": "Which shows better what the caption says?",
    "diversity": "Which pictures differ more from each other?",
}
# What a choice counts for run a.
WINS = {"a": 1.0, "b": 0.0, "tie": 0.5}
# Pictures on each side of a question about diversity, in a square.
DIVERSE_PICTURES = 9
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
    if pairs < 1:
        raise UserError("--pairs must be at least 1.")
    if pathlib.Path(run_a).resolve() == pathlib.Path(run_b).resolve():
        raise UserError("both runs are the same; name two to compare.")
    count = max(pairs, DIVERSE_PICTURES)
    pictures = [to_uint8(draw_prompts(run, prompts, count, seed, clip_spec)) for run in (run_a, run_b)]
    rng = np.random.default_rng(seed)
    trials = []
    for row, prompt in enumerate(prompts):
        singles = [(question, [number]) for question in list(QUESTIONS)[:2] for number in range(pairs)]
        for question, numbers in [*singles, ("diversity", range(DIVERSE_PICTURES))]:
            left = int(rng.integers(2))
            sides = [_data_address(pictures[side][row, list(numbers)]) for side in (left, 1 - left)]
            trials.append({"question": question, "prompt": prompt, "left": "ab"[left], "images": sides})
    trials = [trials[index] for index in rng.permutation(len(trials))]
    identity = hashlib.sha256(json.dumps(trials).encode()).hexdigest()[:16]
    study = {"a": str(run_a), "b": str(run_b), "id": identity, "questions": QUESTIONS, "trials": trials}
    # In a script, "</" would end it.
    write_text(out, _PAGE.replace("STUDY", json.dumps(study).replace("</", "<\\/")))
    return len(trials)


def _data_address(pictures):
    """One picture, or several as a square sheet, as a PNG within an HTML page's text."""
    from PIL import Image

    side = math.isqrt(len(pictures))
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


def win_rates(paths):
    """Counts the answers of exported studies.

    Args:
        paths: JSON files that the page exported, all of the same two runs.

    Returns:
        (name of a, name of b, {question: {"answers", "wins", "low", "high"}}): how often a was chosen over b, as a
        share from 0 to 1 with its 95 % interval. Ties count as half a win.

    Raises:
        UserError: a file is not such an export, belongs to other runs, or there are no answers.
    """
    names, answers = None, []
    for path in dict.fromkeys(pathlib.Path(path).resolve() for path in paths):
        try:
            export = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            found = str(export["a"]), str(export["b"])
            chosen = [(answer["question"], WINS[answer["chosen"]]) for answer in export["answers"]]
            if not {question for question, _ in chosen} <= set(QUESTIONS):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(f"{path} is not an export of a study page; name the JSON files that it saved.") from None
        if found != (names or found):
            raise UserError(f"{path} compares {' with '.join(found)}, the others {' with '.join(names)}.")
        names, answers = found, answers + chosen
    if not answers:
        raise UserError("the exports hold no answers yet; answer some questions on the page.")
    table = {}
    for question in QUESTIONS:
        wins = [win for asked, win in answers if asked == question]
        if wins:
            low, high = wilson_interval(sum(wins), len(wins))
            table[question] = {"answers": len(wins), "wins": sum(wins) / len(wins), "low": low, "high": high}
    return *names, table


def format_win_rates(a, b, table):
    """The table of `win_rates` as text."""
    lines = [f"{'question':<20} {a + ' chosen over ' + b:>40} {'answers':>8}"]
    for question, row in table.items():
        rate = f"{row['wins']:.0%} (95 % interval {row['low']:.0%} to {row['high']:.0%})"
        lines.append(f"{question:<20} {rate:>40} {row['answers']:>8}")
    return "\n".join(lines)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Which picture?</title><style>
body { font: 18px sans-serif; max-width: 760px; margin: 2em auto; text-align: center }
figure { display: inline-block; margin: 8px } button { font: inherit; padding: 8px 24px; margin: 8px }
img { width: 320px; height: 320px; image-rendering: pixelated; cursor: pointer }
#caption { font-style: italic }
</style></head><body>
<p id="place"></p><h2 id="question"></h2><p id="caption"></p>
<figure><img id="left" alt="left picture"></figure><figure><img id="right" alt="right picture"></figure>
<p><button data-chosen="left">left (1)</button><button data-chosen="tie">no difference (0)</button>
<button data-chosen="right">right (2)</button></p>
<p><button id="back">back</button><button id="export">save answers</button></p>
<script>
const study = STUDY;
const store = "study " + study.id;
let answers = [];
try { answers = JSON.parse(localStorage.getItem(store)) || []; } catch (error) { /* a file may have no storage */ }
const element = id => document.getElementById(id);
function keep() { try { localStorage.setItem(store, JSON.stringify(answers)); } catch (error) { /* see above */ } }
function show() {
  const trial = study.trials[answers.length];
  element("place").textContent = answers.length + " of " + study.trials.length + " answered";
  element("question").textContent = trial ? study.questions[trial.question] : "Thank you. Please save the answers.";
  element("caption").textContent = trial && trial.question !== "photorealism" ? trial.prompt : "";
  for (const [index, side] of ["left", "right"].entries()) {
    element(side).style.visibility = trial ? "visible" : "hidden";
    if (trial) element(side).src = trial.images[index];
  }
}
function choose(side) {
  const trial = study.trials[answers.length];
  if (!trial) return;
  const other = trial.left === "a" ? "b" : "a";
  const chosen = side === "tie" ? "tie" : side === "left" ? trial.left : other;
  answers.push({ question: trial.question, prompt: trial.prompt, chosen: chosen });
  keep(); show();
}
for (const button of document.querySelectorAll("[data-chosen]")) button.onclick = () => choose(button.dataset.chosen);
element("left").onclick = () => choose("left");
element("right").onclick = () => choose("right");
element("back").onclick = () => { answers.pop(); keep(); show(); };
document.onkeydown = event => { const side = { 1: "left", 2: "right", 0: "tie" }[event.key]; if (side) choose(side); };
element("export").onclick = () => {
  const text = JSON.stringify({ a: study.a, b: study.b, answers: answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "answers-" + Date.now() + ".json";
  link.click();
};
show();
</script></body></html>
"""
