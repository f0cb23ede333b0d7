"""The models' command line: `python -m cvae train`, `generate`, `gallery`."""

import argparse

from cvae.variants import VARIANTS
from preprocess.errors import run_command
from preprocess.wording import counted


def _add_train(commands):
    parser = commands.add_parser("train", help="train a variant on embedded shards")
    parser.add_argument("--variant", required=True, metavar="NAME", help=f"one of: {', '.join(VARIANTS)}")
    parser.add_argument("--data", default="data/bucolic/embedded", help="embedded shards (default: %(default)s)")
    parser.add_argument("--run", help="run folder (default: runs/NAME)")
    parser.add_argument("--epochs", type=int, default=25, help="epochs in all (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="Adam's (default: %(default)s)")
    parser.add_argument("--decay", action="store_true", help="lower the learning rate to nearly 0 over the epochs")
    parser.add_argument("--width", type=float, default=1.0, help="factor on the channels, below 1 for small machines")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=("float32", "mixed_bfloat16"), help="default: bfloat16 where the hardware has it"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run where it stopped")
    parser.add_argument("--overwrite", action="store_true", help="begin anew in place of the run that is there")
    parser.set_defaults(function=_train)


def _train(arguments):
    from cvae.training import Settings, best_epoch, train

    settings = Settings(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        decay=arguments.decay,
        width=arguments.width,
        seed=arguments.seed,
        precision=arguments.precision,
    )
    run = arguments.run or f"runs/{arguments.variant}"
    history = train(arguments.variant, arguments.data, run, settings, arguments.resume, arguments.overwrite)
    best = best_epoch(history)
    print(
        f"Trained {arguments.variant} for {counted(len(history), 'epoch')}: best validation loss "
        f"{best['val_loss']:.1f} in epoch {best['epoch']} (bce {best['val_bce']:.1f}, kl {best['val_kl']:.1f}, "
        f"ssim {best['val_ssim']:.3f}); in {run}."
    )


def _add_generate(commands):
    parser = commands.add_parser("generate", help="draw pictures for prompts")
    parser.add_argument("--run", required=True, help="run folder, such as runs/128-image")
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="what to draw, in quotes")
    parser.add_argument("--count", type=int, default=4, help="pictures a prompt (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--out", help="output folder (default: generated, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_generate)


def _generate(arguments):
    from cvae.generation import generate

    grid = generate(arguments.run, arguments.prompts, arguments.count, arguments.seed, arguments.out, arguments.clip)
    prompts = counted(len(arguments.prompts), "prompt")
    print(f"Drew {counted(arguments.count, 'picture')} for each of {prompts}: {grid}.")


def _add_gallery(commands):
    parser = commands.add_parser("gallery", help="draw pasture prompts and count what is right in the pictures")
    parser.add_argument("--run", required=True, help="run folder of a model trained on pasture scenes")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--out", help="output folder (default: gallery, in the run folder)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_gallery)


def _gallery(arguments):
    from cvae.runs import read_config

    read_config(arguments.run)  # before the seconds that Keras takes to import
    from preprocess.quiet import import_keras

    import_keras()
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
    for add in (_add_train, _add_generate, _add_gallery):
        add(commands)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    run_command(main, "run the same command again, `train` with --resume to go on")
