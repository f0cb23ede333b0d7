"""The models' command line: `python -m cvae train`, `generate`, `evaluate` and so on."""

import argparse
import sys

from cvae.variants import VARIANTS, PortraitVariant, Variant, choose_portraits, find_variant
from preprocess.errors import UserError, run_command
from preprocess.wording import counted


def _add_train(commands):
    parser = commands.add_parser("train", help="train a variant on embedded shards")
    parser.add_argument("--variant", required=True, metavar="NAME", help=f"one of: {', '.join(VARIANTS)}")
    parser.add_argument(
        "--data",
        help=f"embedded shards (default: {Variant.data}); for mnist-clip-vae a folder with MNIST's four files, or "
        "`download` (default: data/mnist, or scikit-learn's digits where that is not there)",
    )
    parser.add_argument("--run", help="run folder (default: runs/NAME)")
    _add_settings(parser)
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--resume", action="store_true", help="go on with the run where it stopped")
    there.add_argument("--overwrite", action="store_true", help="begin anew in place of the run that is there")
    parser.set_defaults(function=_train)


def _add_settings(parser):
    parser.add_argument("--epochs", type=int, help="epochs of each stage in all (default: 25, or the variant's own)")
    parser.add_argument("--batch-size", type=int, help="default: 32, or the variant's own")
    parser.add_argument("--learning-rate", type=float, help="Adam's (default: 5e-4, or the variant's own)")
    parser.add_argument(
        "--decay",
        action=argparse.BooleanOptionalAction,
        help="lower the learning rate to nearly 0 (default: no, or the variant's own)",
    )
    parser.add_argument("--width", type=float, help="factor on the channels, below 1 for small machines (default: 1)")
    parser.add_argument("--seed", type=int, help="default: 0")
    parser.add_argument(
        "--precision", choices=("float32", "mixed_bfloat16"), help="default: bfloat16 where the hardware has it"
    )


def _given_settings(arguments):
    """What the command line gives of `cvae.training.Settings`."""
    names = ("epochs", "batch_size", "learning_rate", "decay", "width", "seed", "precision")
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _train(arguments):
    from cvae.runs import best_epoch, describe_epoch
    from cvae.training import settings_of, train

    variant = find_variant(arguments.variant)
    run, data = arguments.run or f"runs/{arguments.variant}", arguments.data or variant.data
    settings = settings_of(arguments.variant, _given_settings(arguments))
    history = train(arguments.variant, data, run, settings, arguments.resume, arguments.overwrite)
    best = best_epoch(history)
    print(f"Trained {arguments.variant} for {counted(len(history), 'epoch')}: {describe_epoch(best)}; in {run}.")


def _add_generate(commands):
    parser = commands.add_parser("generate", help="draw pictures for prompts")
    parser.add_argument("--run", required=True, help="run folder, such as runs/128-image")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("prompts", nargs="*", default=[], metavar="PROMPT", help="what to draw, in quotes")
    what.add_argument("--labels", nargs="+", metavar="DIGIT", help="which digits to draw, for mnist-clip-vae")
    parser.add_argument("--count", type=int, default=4, help="pictures of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--best-of", type=int, metavar="N", help="draw N of each and keep those CLIP finds closest")
    _add_drawing(parser)
    parser.add_argument("--out", help="output folder (default: generated, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_generate)


def _add_drawing(parser):
    """Adds the options of `cvae.generation.load_to_draw`."""
    parser.add_argument(
        "--guidance", type=float, help="of flows, to 20: 1 as varied as the data, 5 plainer (default: 3)"
    )
    parser.add_argument("--steps", type=int, help="of flows: from noise to picture (default: 12)")
    parser.add_argument(
        "--prior", metavar="NAME", help="flow; of flows also none, mean, ridge (their default) or gaussian"
    )


def _drawing(arguments):
    """What `_add_drawing` added."""
    return {name: getattr(arguments, name) for name in ("guidance", "steps", "prior")}


def _generate(arguments):
    if arguments.labels:
        names = "guidance", "steps", "prior", "best_of"
        if given := [name for name in names if getattr(arguments, name) is not None]:
            raise UserError(f"--{given[0].replace('_', '-')} is for prompts; leave it out with --labels.")
        from cvae.digits import generate_digits, read_labels

        labels = read_labels(" ".join(arguments.labels))
        grid = generate_digits(arguments.run, labels, arguments.count, arguments.seed, arguments.out)
        labels = counted(len(set(labels)), "label")
        print(f"Drew {counted(arguments.count, 'picture')} for each of {labels}: {grid}.")
        return
    from cvae.generation import generate

    what = arguments.prompts, arguments.count, arguments.seed, arguments.out, arguments.clip, arguments.best_of
    grid = generate(arguments.run, *what, **_drawing(arguments))
    prompts = counted(len(arguments.prompts), "prompt")
    print(f"Drew {counted(arguments.count, 'picture')} for each of {prompts}: {grid}.")


def _add_evaluate(commands):
    parser = commands.add_parser("evaluate", help="measure a run on held-out images")
    parser.add_argument("--run", required=True, help="run folder, such as runs/128-image")
    parser.add_argument("--data", help="embedded shards, or digits (default: those that the run was trained with)")
    parser.add_argument(
        "--count", type=int, default=1000, help="captions, or digits for the bounds, at most (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same figures (default: 0)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.add_argument("--published", metavar="PT", help="weights to measure beside a mnist-clip-vae")
    parser.set_defaults(function=_evaluate)


def _evaluate(arguments):
    from cvae.runs import read_config

    system = find_variant(read_config(arguments.run)["variant"]).system
    if arguments.published and system != "digits":
        raise UserError(f"--published is for a mnist-clip-vae, and {arguments.run} is none; leave it out.")
    what = arguments.run, arguments.data, arguments.count, arguments.seed
    if system == "digits":
        from cvae.digit_evaluation import evaluate_digits, format_digit_evaluation

        print(format_digit_evaluation(evaluate_digits(*what, arguments.published)))
    elif system == "portraits":
        from cvae.portrait_evaluation import evaluate_portraits, format_portrait_evaluation

        print(format_portrait_evaluation(evaluate_portraits(*what, arguments.clip)))
    else:
        from cvae.evaluation import evaluate, format_evaluation

        print(format_evaluation(evaluate(*what, arguments.clip)))
    print(f"Measured {arguments.run}: {arguments.run}/evaluation.json and evaluation.png.")


def _add_compare(commands):
    parser = commands.add_parser("compare", help="train a system's models and show them side by side")
    parser.add_argument(
        "--system", choices=("photos", "celeba"), default="photos",
        help="the coursework's rows, or the models of portraits (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--data", help=f"embedded shards (default: {Variant.data}; {PortraitVariant.data} for celeba)")
    parser.add_argument("--large-data", help="embedded shards of the large theme, for the last row of photos")
    parser.add_argument(
        "--variants", metavar="NAMES", help="of portraits, separated by commas (default: the three told attributes)"
    )
    parser.add_argument("--out", help="output folder (default: runs/comparison; runs/faces for celeba)")
    _add_settings(parser)
    parser.set_defaults(function=_compare)


def _compare(arguments):
    given, portraits = _given_settings(arguments), arguments.system == "celeba"
    out = arguments.out or ("runs/faces" if portraits else "runs/comparison")
    if portraits:
        from cvae.portrait_comparison import ROWS, compare_portraits, format_portraits

        if arguments.large_data:
            raise UserError("--large-data is for photos; leave it out with --system celeba.")
        rows = choose_portraits(arguments.variants) if arguments.variants is not None else ROWS
        results = compare_portraits(arguments.data or PortraitVariant.data, out, given, rows)
        print(format_portraits(results))
    else:
        from cvae.comparison import compare, format_table
        from cvae.training import Settings

        if arguments.variants is not None:
            raise UserError("--variants is for portraits; give --system celeba with it.")
        results = compare(arguments.data or Variant.data, out, Settings(**given), arguments.large_data)
        print(format_table(results))
    models = len({row["variant"] for row in results})
    print(
        f"Compared {counted(models, 'model')} in {counted(len(results), 'row')}: {out}/comparison.md, .json and .png."
    )


def _add_edit(commands):
    parser = commands.add_parser("edit", help="change attributes of a portrait")
    parser.add_argument("--run", required=True, help="run folder, such as runs/celeba-cvae")
    parser.add_argument("image", help="a portrait, cropped as CelebA's are")
    parser.add_argument(
        "--add", action="append", default=[], metavar="NAME", help="an attribute to add, such as Smiling"
    )
    parser.add_argument(
        "--remove", action="append", default=[], metavar="NAME", help="one to take away; both can be repeated"
    )
    parser.add_argument("--described", metavar="TEXT", help="what the portrait shows (default: a classifier guesses)")
    parser.add_argument("--out", help="output folder (default: edited, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_edit)


def _edit(arguments):
    from cvae.editing import edit

    what = arguments.run, arguments.image, arguments.add, arguments.remove, arguments.described
    grid = edit(*what, arguments.out, arguments.clip)
    changes = counted(len(arguments.add) + len(arguments.remove), "attribute")
    print(f"Changed {changes} of {arguments.image}: {grid}.")


def _add_vary(commands):
    parser = commands.add_parser("vary", help="draw variations of a photograph, or change it by a prompt")
    parser.add_argument("--run", required=True, help="run folder of a flow, such as runs/64-flow")
    parser.add_argument("image", help="a photograph")
    parser.add_argument("--towards", metavar="PROMPT", help='what it should become, such as "in the snow"')
    parser.add_argument("--count", type=int, default=4, help="pictures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of variations: the same draws the same (default: 0)")
    parser.add_argument("--guidance", type=float, help="see generate")
    parser.add_argument("--steps", type=int, help="see generate")
    parser.add_argument("--out", help="output folder (default: varied, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_vary)


def _vary(arguments):
    from cvae.varying import vary

    what = arguments.towards, arguments.count, arguments.seed, arguments.out, arguments.clip
    grid = vary(arguments.run, arguments.image, *what, arguments.guidance, arguments.steps)
    print(f"Drew {counted(arguments.count, 'picture')} beside {arguments.image}: {grid}.")


def _add_study(commands):
    parser = commands.add_parser("study", help="make a page on which people choose between two runs, blind")
    parser.add_argument("runs", nargs=2, metavar="RUN", help="the two run folders")
    parser.add_argument("--out", default="study.html", help="the page (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs a prompt and question (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of noise, order and sides (default: 0)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_study)


def _study(arguments):
    from cvae.study import make_study

    count = make_study(*arguments.runs, arguments.out, arguments.pairs, arguments.seed, clip_spec=arguments.clip)
    print(f"Wrote {counted(count, 'question')} to {arguments.out}; open it in a browser, answer, save the answers.")


def _add_win_rates(commands):
    parser = commands.add_parser("win-rates", help="count the answers that a study's page saved")
    parser.add_argument("answers", nargs="+", metavar="JSON", help="files that the page saved")
    parser.set_defaults(function=_win_rates)


def _win_rates(arguments):
    from cvae.study import format_win_rates, win_rates

    print(format_win_rates(*win_rates(arguments.answers)))


def _add_gallery(commands):
    parser = commands.add_parser("gallery", help="draw pasture prompts and count what is right in the pictures")
    parser.add_argument("--run", required=True, help="run folder of a model trained on pasture scenes")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--out", help="output folder (default: gallery, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_gallery)


def _gallery(arguments):
    from cvae.gallery import JUDGED_PICTURES, format_table, make_gallery

    out = arguments.out or f"{arguments.run}/gallery"
    table = make_gallery(arguments.run, out, arguments.seed, arguments.clip)
    print(format_table(table))
    print(
        f"{table['all']['right']:.1%} of attributes right in {JUDGED_PICTURES} pictures a prompt, of combinations "
        f"that were never drawn for training: {out}/gallery.png."
    )


def main():
    parser = argparse.ArgumentParser(prog="python -m cvae", description="Trains models and draws pictures with them.")
    commands = parser.add_subparsers(title="commands", required=True)
    drawing, measuring = (_add_generate, _add_vary, _add_edit), (_add_evaluate, _add_compare, _add_study)
    for add in (_add_train, *drawing, *measuring, _add_win_rates, _add_gallery):
        add(commands)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    again = "run the same command again" + (" with --resume" if sys.argv[1:2] == ["train"] else "")
    run_command(main, f"{again} to go on")
