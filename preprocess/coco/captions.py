"""Which captions are bucolic, and reading captions in COCO's format."""

import contextlib
import io
import json
import pathlib
import re
import zipfile
import zlib
from collections.abc import Sequence

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

# The two vocabularies of the coursework; and none, which keeps every captioned image.
THEMES = {
    "small": ("cow", "sheep"),
    "large": (
        "cow",
        "sheep",
        "mountain",
        "hill",
        "countryside",
        "grass",
        "forest",
        "nature",
        "farm",
        "alpaca",
        "horse",
        "landscape",
        "fence",
    ),
    "all": (),
}

_NEEDED = frozenset(("images", "annotations", "id", "image_id", "file_name", "caption"))
_PLURAL = r"s|es|'s|s'"
# Endings of words of four letters and more: the adjective ("hilly", "grassy"), the participle ("forested") and the
# landscape compounds ("hillside", "farmland"). Shorter words would become others: "many", "cowed", "caring".
_LONGER = r"y|ed|ing|lands?|sides?|tops?"
_OF_A_WORD = {
    "farm": r"ers?|houses?|yards?",
    "mountain": r"ous|eers?",
    "horse": r"back|men|man|women|woman",
    "hill": r"ocks?",
    "cow": r"sheds?",
}
_IRREGULAR = {"calf": "calves", "goose": "geese", "ox": "oxen", "wolf": "wolves", "leaf": "leaves", "man": "men"}


def _inflections(word):
    """Regular expressions for one lower-case word or phrase and its inflections."""
    stem = r"\s+".join(re.escape(part) for part in word.split())
    endings = [_PLURAL]
    if len(word) >= 4:
        endings.append(_LONGER)
    if word in _OF_A_WORD:
        endings.append(_OF_A_WORD[word])
    forms = [f"{stem}(?:{'|'.join(endings)})?"]
    if word == "hill":
        forms.append("foothills?")
    if word.endswith("y"):
        forms.append(stem[:-1] + "ies")
    if word.endswith("e"):
        forms += [stem + "d", stem[:-1] + "ing"]
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    return forms


def word_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Compiles a pattern that finds any of `words` as a whole word with its inflections, ignoring case; of none, all.

    "hill" finds hills, hilly and hillside, but not chill; "cow" finds cows, but not cowboy.

    Raises:
        UserError: a word has no letter or digit.
    """
    if not words:
        return re.compile("")
    forms = []
    for word in words:
        if not re.search(r"\w", word):
            raise UserError(f"'{word}' is not a word to look for; give --words such as goat or 'hay bale'.")
        forms += _inflections(" ".join(word.lower().split()))
    return re.compile(r"(?<![\w-])(?:" + "|".join(forms) + r")(?!\w)", re.IGNORECASE)


def theme_words(theme: str, words: Sequence[str] = ()) -> tuple[str, ...]:
    """The words of a theme ("small", "large" or "all") and the user's own after them, without repetition.

    Raises:
        UserError: no such theme, or words of one's own for the theme that keeps all.
    """
    if theme not in THEMES:
        raise UserError(f"no theme '{theme}'; choose one of: {', '.join(THEMES)}.")
    if words and not THEMES[theme]:
        raise UserError(f"the theme {theme} keeps every image; leave out --words, or choose another theme.")
    return tuple(dict.fromkeys([*THEMES[theme], *(word.lower() for word in words)]))


def find_captions(zip_path: PathLike) -> tuple[pathlib.Path, str | None]:
    """Where a COCO zip's captions lie: beside it, as JSON or inside the official annotations zip.

    Returns:
        (path, member): `member` names the JSON inside a zip, or is None for a plain JSON file.

    Raises:
        UserError: neither is there.
    """
    zip_path = pathlib.Path(zip_path)
    name = f"captions_{zip_path.stem}.json"
    split_year = re.search(r"\d{4}", zip_path.stem)
    archive = zip_path.with_name(f"annotations_trainval{split_year.group() if split_year else '2017'}.zip")
    if zip_path.with_name(name).is_file():
        return zip_path.with_name(name), None
    if archive.is_file():
        return archive, f"annotations/{name}"
    if zip_path.with_name("captions_train2017.json").is_file():
        return zip_path.with_name("captions_train2017.json"), None
    usual = name if split_year else "captions_train2017.json"
    raise UserError(
        f"no captions beside {zip_path}; put {usual} or {archive.name} there, or name a file by --captions."
    )


def _needed(entry):
    """Drops what captions do not need from each object as it is read: COCO's addresses and dates take most memory."""
    return {key: entry[key] for key in entry if key in _NEEDED}


def _read_json(path, member):
    if member is None and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if pathlib.PurePath(name).name.startswith("captions_train")]
        if not found:
            raise UserError(f"{path} holds no captions_train*.json; give --captions the captions' JSON file.")
        member = found[0]
    if member is None:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"), object_hook=_needed)
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(member).decode("utf-8"), object_hook=_needed)


def read_captions(path: PathLike, member: str | None = None) -> dict[str, tuple[int, list[str]]]:
    """Reads captions in COCO's format with pycocotools.

    Args:
        path: a captions JSON file, or a zip that holds one.
        member: the JSON's name inside the zip; by default the first `captions_train*.json` in it.

    Returns:
        {file_name: (image_id, [captions])}, in the file's order, images without captions left out.

    Raises:
        UserError: the file is missing, not JSON, or JSON that holds no captions.
    """
    from pycocotools.coco import COCO

    try:
        dataset = _read_json(path, member)
    except IsADirectoryError:
        raise UserError(f"captions {path} is a folder; give --captions the file in it.") from None
    except FileNotFoundError:
        raise UserError(f"captions {path} not found; give --captions a captions_train2017.json.") from None
    except KeyError:
        raise UserError(f"{path} holds no {member}; give --captions the captions' JSON file.") from None
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"captions {path} cannot be read as JSON ({reason}); download the file again.") from None
    coco = COCO()
    try:
        coco.dataset = dataset
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        captions = {
            image["file_name"]: (int(image_id), [str(entry["caption"]) for entry in coco.imgToAnns[image_id]])
            for image_id, image in coco.imgs.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"{path} holds no captions in COCO's format; give --captions a captions_train2017.json."
        ) from None
    captions = {name: entry for name, entry in captions.items() if entry[1]}
    if not captions:
        raise UserError(f"{path} holds no captions; give --captions a captions_train2017.json.")
    return captions
