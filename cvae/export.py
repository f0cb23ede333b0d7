"""Makes of a run one that comes with the package: `python -m cvae.export --run RUN --name NAME`."""

import argparse
import pathlib
from typing import Any

from cvae.keras_files import BEST, save_in_half
from cvae.log import write_log
from cvae.presets import FOLDER
from cvae.runs import CONFIG, Run
from preprocess.utils.command import run_command
from preprocess.utils.errors import UserError, summary
from preprocess.utils.files import atomic_path, write_json

# What stands for the folder of data, which nobody else has.
DATA = "those that its card tells of"


def export(run: Run, name: str) -> None:
    """Writes a run's model in float16 and what run.json has to say.

    Args:
        run: the run, not one that comes with the package. name: of the folder in `cvae/presets`.

    Raises:
        UserError: the run has no model; or another model has that name.
    """
    folder = FOLDER / name
    if (folder / BEST).exists():
        raise UserError(f"{folder} holds a model already, which others may build on; choose another --name.")
    folder.mkdir(exist_ok=True)
    with atomic_path(folder / BEST) as partial:
        save_in_half(run.find_model(), partial)
    write_log(folder, run.log())
    write_json(folder / CONFIG, shared_config(run.config))


def shared_config(config: dict[str, Any]) -> dict[str, Any]:
    """A run.json without names of this machine's files: of data, of an encoder, of --init and of --autoencoder."""
    shared = config | {"data": DATA}
    for name in config:
        if config["data"] and str(config[name]).endswith(f" in {config['data']}"):
            # Of digits, "60000 digits to train on ..., MNIST's files in FOLDER".
            shared[name] = config[name].removesuffix(f" in {config['data']}")
    if "options" in config:
        # Nor has anybody the run that it began with, or that its autoencoder was.
        own = {"init", "autoencoder"} if pathlib.Path(config["options"].get("autoencoder", "")).exists() else {"init"}
        shared["options"] = {name: value for name, value in config["options"].items() if name not in own}
    if pathlib.Path(str(config.get("clip_spec", "")).split(":")[0]).is_absolute():
        # Whoever has it names it with --clip.
        shared["clip_spec"] = pathlib.Path(config["clip_spec"]).name
    return shared


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m cvae.export", description=summary(__doc__))
    parser.add_argument("--run", required=True, help="run folder")
    parser.add_argument("--name", required=True, help="of what comes of it, such as photographs-64")
    arguments = parser.parse_args()
    export(Run(arguments.run), arguments.name)
    print(f"Wrote {FOLDER / arguments.name}; write its card.md and about.json.")


if __name__ == "__main__":
    run_command(main)
