"""Text to image at a coursework's scale: CLIP-conditioned VAEs and a flow, in Keras.

import cvae

run = cvae.load_preset("photographs-128")  # or cvae.load_run("demo/run")
run.generate(["White sheep on a mountain under blue sky"], count=4, seed=0).save("pictures")

Errors that a user can cause are `UserError`s; their messages name options as the command line does, `--best-of` for
`best_of`.
"""

import importlib.util
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvae.runs import Run
    from cvae.sampling.pictures import Pictures

__version__ = "0.2.0"
__all__ = ["generate", "load_preset", "load_run", "train"]


def _find_sibling() -> None:
    """Has `import preprocess` find the package beside this one, whatever lies where Python was started."""
    own = pathlib.Path(__file__).resolve().parents[1] / "preprocess" / "__init__.py"
    found = importlib.util.find_spec("preprocess")
    if not own.is_file() or (found and found.origin and pathlib.Path(found.origin).resolve() == own):
        return
    if "preprocess" in sys.modules:
        raise ImportError(f"{found and found.origin} has the name of a part of cvae and was imported first; rename it.")
    spec: Any = importlib.util.spec_from_file_location("preprocess", own, submodule_search_locations=[str(own.parent)])
    sys.modules["preprocess"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["preprocess"])


_find_sibling()


def load_run(folder: str | pathlib.Path) -> "Run":
    """Opens a run folder: a `cvae.runs.Run`, which generates and evaluates.

    Raises:
        UserError: the folder is not a run.
    """
    from cvae.runs import load_run

    return load_run(folder)


def load_preset(name: str) -> "Run":
    """Opens a preset, a run of somebody else's: a `cvae.runs.Run`, which generates and evaluates.

    Args:
        name: of one that comes along, see `cvae presets`; a folder; "hf://user/name" of the Hugging Face Hub; or the
            address of a zip with its checksum, "https://host/name.zip#sha256=...". What is fetched is kept in the
            user's cache, and no code of it is run.

    Raises:
        UserError: it is none, or cannot be fetched.
    """
    from cvae.runs import load_preset

    return load_preset(name)


def generate(
    run: str | pathlib.Path, prompts: str | Sequence[str], count: int = 4, seed: int = 0, **options: Any
) -> "Pictures":
    """Draws pictures with the run in a folder.

    Args:
        run: the folder. Others: see `cvae.runs.Run.generate`.

    Raises:
        UserError: the folder is not a run; or see `cvae.runs.Run.generate`.
    """
    return load_run(run).generate(prompts, count, seed, **options)


def train(
    variant: str | None = None,
    data: str | pathlib.Path | None = None,
    run: str | pathlib.Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    prompts: str | Sequence[str] | None = None,
    on_epoch: Callable[[pathlib.Path], Any] | None = None,
    **settings: Any,
) -> "Run":
    """Trains a variant, as `cvae train` does.

    Args:
        variant: its name, see `cvae variants`; None for that of the run to go on with.
        data: what it is trained on; by default the variant's own folder.
        run: the run folder; by default runs/VARIANT.
        resume: whether to go on with the run that is there. overwrite: whether to begin anew in its place.
        prompts: drawn after every epoch; by default captions of validation images.
        on_epoch: called with the run folder after each epoch, when all its files are there.
        **settings: of `cvae.training.settings.Settings`, such as epochs=20, in place of the variant's own.

    Returns:
        The `cvae.runs.Run`.

    Raises:
        UserError: see `cvae.training.loop.train`.
    """
    from cvae.training.loop import folder_for, train

    folder = folder_for(variant, run)
    train(variant, data, folder, settings, resume, overwrite, on_epoch, prompts)
    return load_run(folder)
