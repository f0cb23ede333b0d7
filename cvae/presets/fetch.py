"""Presets from elsewhere: from the Hugging Face Hub, or a zip at an address whose checksum is given.

No code comes with them: of a Hub's repository or a zip only what `FILES` names is taken, models are loaded without any
code of their own (see `cvae.keras_files`), and an encoder's program counts only where the user names it.
"""

import contextlib
import hashlib
import http.client
import os
import pathlib
import re
import tempfile
import urllib.request
import zipfile
from typing import Any

from cvae.presets import ABOUT
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.files import atomic_path
from preprocess.utils.load import read_zip_member, zip_names
from preprocess.utils.progress import progress_bar

HUB = "hf://"
# Without these there is no run; and what else there may be.
NEEDED = ("run.json", "best.keras")
FILES = (*NEEDED, "log.csv", "card.md", "README.md", "samples.png", ABOUT)
KINDS = "hf://user/name, or https://host/name.zip#sha256=CHECKSUM"
# Bytes read at a time, and of a zip and of each file in it at most.
CHUNK, MOST = 2**20, 2**30


def fetch_preset(address: str) -> pathlib.Path:
    """The run folder of a preset elsewhere, which is fetched once and kept in the user's cache.

    Args:
        address: "hf://user/name", "hf://user/name@revision", or "https://host/name.zip#sha256=" and the zip's SHA-256
            in hex.

    Raises:
        UserError: it cannot be reached, is no run, or has another checksum.
    """
    if address.startswith(HUB):
        return _from_hub(address)
    if re.match("https?://", address):
        return _from_zip(address)
    raise UserError(f"{address} is no address of a preset; write {KINDS}.")


def split_hub(address: str) -> tuple[str, str | None]:
    """("user/name", revision or None) of an address on the Hub.

    Raises:
        UserError: it is none.
    """
    found = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", address)
    if not found:
        raise UserError(f"{address} is no address on the Hub; write hf://user/name.")
    return found[1], found[2]


def name_of(address: str) -> str:
    """A folder's name for the run of an address: user--name of one on the Hub, else a zip's name."""
    path = re.sub(r"[@?#].*", "", address.partition("://")[2])
    name = path.replace("/", "--") if address.startswith(HUB) else pathlib.PurePosixPath(path).name
    return re.sub(r"[^\w.-]", "-", name.removesuffix(".zip")).strip(".") or "preset"


def import_hub() -> Any:
    """The Hub's client.

    Raises:
        UserError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise UserError("presets of the Hub want its client; run `pip install huggingface_hub`.") from None
    return huggingface_hub


def hub_reason(error: Exception) -> str:
    """What the Hub's client says, in a line."""
    return first_line(error).rstrip(".").replace("\n", " ")


def _from_hub(address):
    name, revision = split_hub(address)
    hub = import_hub()
    try:
        folder = pathlib.Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except hub.errors.RepositoryNotFoundError:
        raise UserError(f"{address} is not there, or not for everybody; check its name, or `hf auth login`.") from None
    # Without a network the client raises its own, the system's or its transport's errors.
    except Exception as error:
        raise UserError(f"{address} cannot be fetched ({hub_reason(error)}); check the network connection.") from None
    return _checked(folder, address)


def _checked(folder, address):
    if missing := [name for name in NEEDED if not (folder / name).is_file()]:
        raise UserError(f"{address} holds no {' and no '.join(missing)}, so it is no preset; name another.")
    return folder


def _from_zip(address):
    where, _, given = address.partition("#sha256=")
    if not re.fullmatch("[0-9a-f]{64}", given):
        fault = "a checksum that is none" if given else "no checksum"
        raise UserError(f"{address} has {fault}; end it in #sha256= and the zip's SHA-256, 64 hexadecimal digits.")
    folder = _cache() / given
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = pathlib.Path(scratch) / "preset.zip"
            _download(where, archive, given)
            _unpack(archive, pathlib.Path(scratch) / "run", where)
            _checked(pathlib.Path(scratch) / "run", where)
            # Another process may have fetched it meanwhile.
            with contextlib.suppress(OSError):
                os.rename(pathlib.Path(scratch) / "run", folder)
    return _checked(folder, where)


def _cache():
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "clip-cvae" / "presets"


def _download(address, path, checksum):
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, atomic_path(path) as partial:
            total = int(answer.headers.get("Content-Length") or 0) or None
            with open(partial, "wb") as file, progress_bar(total=total, desc="fetching", unit="B") as bar:
                while chunk := answer.read(CHUNK):
                    if file.tell() > MOST:
                        raise UserError(f"{address} has more than {MOST >> 20} MB, which no preset has; name another.")
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(len(chunk))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UserError(f"{address} cannot be fetched ({first_line(error)}); check address and network.") from None
    if digest.hexdigest() != checksum:
        raise UserError(
            f"{address} is not the file that was meant: it has another checksum; fetch it again, or ask its author."
        )


def _unpack(archive, folder, address):
    """Of a zip the files of a run, from its top or from the one folder there."""
    if not zipfile.is_zipfile(archive):
        raise UserError(f"{address} is no zip; name another.")
    remedy = "name another"
    names = [name for name in zip_names(archive, remedy) if not name.endswith("/")]
    tops = {name.split("/")[0] for name in names}
    prefix = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""
    folder.mkdir()
    for name in FILES:
        if prefix + name in names:
            (folder / name).write_bytes(read_zip_member(archive, prefix + name, remedy, MOST))
