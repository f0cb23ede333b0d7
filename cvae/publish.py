"""Puts a run on the Hugging Face Hub: its weights in float16, a card, its figures, and pictures that it draws."""

import importlib.metadata
import pathlib
import re
import tempfile

from cvae.export import shared_config
from cvae.keras_files import BEST, save_in_half
from cvae.log import describe_epoch, write_log
from cvae.presets import ABOUT, FOLDER
from cvae.presets.fetch import hub_reason, import_hub, split_hub
from cvae.registry import resolve
from cvae.runs import CONFIG, Run
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json, write_text
from preprocess.utils.load import read_text

# The Hub shows this as a repository's page; the first lines are its own.
CARD = """---
library_name: keras
pipeline_tag: text-to-image
license: {licence}
tags:
- clip-cvae
---

{body}
"""
BODY = """# {name}

A `{variant}`, {size} px, conditioned on {condition}, trained with
[clip-cvae]({repository}).

![Pictures that it draws]({samples})

*Drawn with seed 0, not chosen.*

- **Data.** {data}
- **Encoder.** {encoder}
- **Training.** {settings}
- **Figures.** Its best epoch: {figures}.
- **What it is bad at.** Say here what you have seen it fail at.
- **Rights.** Licence of the weights: {licence}. Say here what may be done with what it learned from.
"""
LOAD = """
## How to use it

    pip install git+{repository}
    cvae generate --preset {address} "{prompt}"

```python
import cvae

cvae.load_preset("{address}").generate(["{prompt}"]).save("pictures")
```

No code comes with it: `run.json` and `best.keras` are data, which clip-cvae loads with code of its own.
"""
SAMPLES, COUNT = "samples.png", 4


def publish(run: Run, address: str, private: bool = False, licence: str = "other") -> str:
    """Puts a run on the Hub, where `cvae.load_preset(address)` finds it.

    Args:
        run: the run.
        address: "hf://user/name". What is there already gets a new version, but for its card.
        private: whether a repository that is made now is for its owner alone.
        licence: of the weights, as the Hub names licences.

    Returns:
        The page's address.

    Raises:
        UserError: the run has no model; the Hub's client is not installed, nobody is logged in, or it cannot be
            reached.
    """
    name, revision = split_hub(address)
    if revision:
        raise UserError(f"{address} names a revision, of which the Hub makes one; leave out @{revision}.")
    hub = import_hub()
    run.find_model()
    client = hub.HfApi()
    try:
        # Before anything is drawn.
        client.whoami()
    except Exception as error:
        raise UserError(f"nobody is logged in to the Hub ({hub_reason(error)}); run `hf auth login` first.") from None
    with tempfile.TemporaryDirectory() as folder:
        write_preset(run, pathlib.Path(folder), address, licence)
        try:
            client.create_repo(name, private=private, exist_ok=True)
            if private and not client.repo_info(name).private:
                raise UserError(f"{address} is there already, for everybody; change that on its page, or name another.")
            # A card that is there may have been written by hand.
            kept = ["README.md"] if client.file_exists(name, "README.md") else []
            client.upload_folder(
                repo_id=name, folder_path=folder, ignore_patterns=kept, commit_message="A run of clip-cvae's"
            )
        except UserError:
            raise
        # The client raises its own, the system's or its transport's errors.
        except Exception as error:
            remedy = "check the network connection, and `hf auth login`"
            raise UserError(f"{address} cannot be written ({hub_reason(error)}); {remedy}.") from None
    return f"{client.endpoint}/{name}"


def write_preset(run: Run, folder: pathlib.Path, address: str, licence: str) -> None:
    """Writes what is published of a run into a folder: nothing of this machine, and of the data their description."""
    save_in_half(run.find_model(), folder / BEST)
    write_json(folder / CONFIG, shared_config(run.config))
    if history := run.log():
        write_log(folder, history)
    if (run.folder / ABOUT).is_file():
        write_text(folder / ABOUT, read_text(run.folder / ABOUT, "put it back"))
    prompts = list(resolve(run.system.prompts))
    run.generate(prompts, COUNT).grid().save(folder / SAMPLES)
    write_text(folder / "README.md", _card(run, address, licence, prompts[0]))


def _card(run, address, licence, prompt):
    own = run.folder / "card.md"
    body = _body(run, licence)
    if own.is_file() and run.folder.parent == FOLDER:
        # Without the links to its neighbours, which the Hub has not.
        body = re.sub(r"\[([^]]+)\]\((?!http)[^)]+\)", r"\1", read_text(own, "put it back"))
    load = LOAD.format(address=address, prompt=prompt, repository=_repository())
    return CARD.format(licence=licence, body=body + load)


def _body(run, licence):
    data, clip, settings = run.config.get("data_settings", {}), run.config.get("clip"), run.settings
    described = ", ".join(f"{name} {data[name]}" for name in ("theme", "zip", "limit") if data.get(name))
    return BODY.format(
        name=pathlib.Path(run.name).name,
        variant=run.variant_name,
        size=run.variant.image_size,
        condition=run.variant.conditioned_on,
        repository=_repository(),
        samples=SAMPLES,
        data=f"{described or 'See its run.json'}. Say here where they come from.",
        encoder=f"{clip['name']}, SHA-256 {clip['weights_sha256']}." if clip else "None.",
        settings=", ".join(f"{name} {settings[name]}" for name in ("epochs", "batch_size", "width") if name in settings)
        + ".",
        figures=describe_epoch(run.best_epoch()) if run.log() else "not kept",
        licence=licence,
    )


def _repository():
    urls = importlib.metadata.metadata("clip-cvae").get_all("Project-URL") or []
    return next(url.split(", ")[1] for url in urls if url.startswith("Repository"))
