"""Captions in COCO's format: where they lie, and which of them can be used."""

import contextlib
import dataclasses
import io
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from preprocess.sources.photo import Key, number_of
from preprocess.utils.errors import UserError
from preprocess.utils.load import is_blank, is_zip, parse_json, read_bytes, read_zip_member, zip_names
from preprocess.utils.places import is_file, to_place
from preprocess.utils.types import PathLike

_NEEDED = frozenset(("images", "annotations", "id", "image_id", "file_name", "caption"))
EXAMPLE = """\
{"images": [
  {"id": 1, "file_name": "000000000001.jpg"}],
 "annotations": [
  {"image_id": 1, "caption": "A cow stands in a field."},
  {"image_id": 1, "caption": "A brown cow."}]}"""


@dataclasses.dataclass(frozen=True)
class Captions:
    """What a captions file says.

    Attributes:
        images: {file_name: (image_id, [captions])}, in the file's order, images without captions left out.
        left_out: [(file_name, or the annotation's number where that is not known, why a caption of it is not used)].
    """

    images: dict[str, tuple[int, list[str]]]
    left_out: list[tuple[str, str]]


def find_captions(zip_path: PathLike) -> tuple[Any, str | None]:
    """Where a COCO zip's captions lie: beside it or in a folder "annotations" there, as JSON or in the official zip.

    Returns:
        (path, member): `member` names the JSON inside a zip, or is None for a plain JSON file.

    Raises:
        UserError: neither is there.
    """
    place = to_place(zip_path)
    name = f"captions_{place.stem}.json"
    split_year = re.search(r"\d{4}", place.stem)
    archive = place.with_name(f"annotations_trainval{split_year.group() if split_year else '2017'}.zip")
    folders = place.parent, place.parent / "annotations"
    for folder in folders:
        if is_file(folder / name):
            return folder / name, None
    if is_file(archive):
        return archive, f"annotations/{name}"
    for folder in folders:
        if is_file(folder / "captions_train2017.json") and not split_year:
            return folder / "captions_train2017.json", None
    usual = name if split_year else "captions_train2017.json"
    raise UserError(
        f"no captions beside {zip_path}; put {usual} or {archive.name} there, or name a file by --captions."
    )


def read_captions(path: PathLike, member: str | None = None, zip_stem: str = "train2017") -> Captions:
    """Reads captions in COCO's format.

    Ids may be numbers or texts, and annotations need none of their own. A caption that is no text, or belongs to no
    image that is listed, is left out, with its reason.

    Args:
        path: a captions JSON file, or a zip that holds one.
        member: the JSON's name inside the zip; by default captions_STEM.json, or the only captions_*.json.
        zip_stem: the name of the images' zip, without its ending.

    Returns:
        `Captions`.

    Raises:
        UserError: the file is missing, not JSON, or JSON that holds no captions; or it is not certain what it means:
            an id is given to two images, or an image has two.
    """
    dataset = _read_json(path, member, zip_stem)
    images = _list_of(dataset, "images", path)
    annotations = _list_of(dataset, "annotations", path)
    for name, entries, where in (("file_name", images, "images"), ("caption", annotations, "annotations")):
        if entries and not any(isinstance(entry, dict) and name in entry for entry in entries):
            raise _lacks(path, name, where)
    left_out: list[tuple[str, str]] = []
    names = dict(_names_by_key(images, path, left_out))
    captions = _join(names, _usable(annotations, names, left_out))
    if not captions:
        raise UserError(f"{path} holds no captions of its images; give --captions a captions_train2017.json.")
    return Captions(captions, left_out)


def _needed(pairs):
    """Drops what captions do not need from each object as it is read: COCO's addresses and dates take most memory."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has two of {key!r}, of which JSON keeps the last")
        if key in _NEEDED:
            found[key] = value
    return found


def _read_json(path, member, zip_stem):
    remedy = "give --captions a captions_train2017.json, or download it again"
    if member or is_zip(path):
        data = read_zip_member(path, member or _member_of(path, zip_stem), "give --captions the captions' JSON file")
    else:
        data = read_bytes(path, remedy)
    try:
        return parse_json(data, path, remedy, object_pairs_hook=_needed)
    except UserError as error:
        # Another format of captions, a table or a JSON object a line, and not a damaged file of this one.
        if data.isascii() and ("Extra data" in str(error) or data.strip()[:1] not in b"{["):
            raise UserError(f"{path} is no JSON; give --captions a file in COCO's format, such as\n{EXAMPLE}") from None
        raise


def _member_of(path, zip_stem):
    """The captions in a zip that belong to the images' zip."""
    names = zip_names(path, "download it again")
    found = {pathlib.PurePosixPath(name).name: name for name in names}
    found = {file: name for file, name in found.items() if re.fullmatch(r"captions_.*\.json", file)}
    if f"captions_{zip_stem}.json" in found:
        return found[f"captions_{zip_stem}.json"]
    if len(found) == 1:
        return next(iter(found.values()))
    held = " and ".join(found) if found else "no captions_*.json"
    raise UserError(f"{path} holds {held}; give --captions the captions' JSON file for this zip.")


def _lacks(path, name, where):
    place = f" in its {where}" if where else ""
    return UserError(f'{path} lacks "{name}"{place}; give --captions a file in COCO\'s format, such as\n{EXAMPLE}')


def _list_of(dataset, name, path):
    if not isinstance(dataset, dict) or not isinstance(dataset.get(name), list):
        raise _lacks(path, name, "")
    return dataset[name]


def key_of(value: Any) -> Key | None:
    """An id as images and annotations are joined by it: "7" and 7.0 are 7. None for what is no id."""
    if isinstance(value, bool) or value is None or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    # As many digits as int() takes at once.
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,1000}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, (int, str)) else None


def _names_by_key(images, path, left_out) -> Iterator[tuple[Key, str]]:
    keys: dict[str, Key] = {}
    names: dict[Key, str] = {}
    for number, image in enumerate(images, 1):
        entry = image if isinstance(image, dict) else {}
        key, name = key_of(entry.get("id")), entry.get("file_name")
        if not isinstance(name, str) or not name.strip():
            left_out.append((f"image {number}", f"its file_name {_fault(name)}"))
        elif key is None:
            left_out.append((name, f"its id is no number or text but {_shown(entry.get('id'))}"))
        elif names.setdefault(key, name) != name:
            raise UserError(
                f"{path} gives the id {key} to {names[key]} and to {name}; give each image an id of its own."
            )
        elif keys.setdefault(name, key) != key:
            raise UserError(f"{path} lists {name} with the ids {keys[name]} and {key}; list each image once.")
        else:
            yield key, name


def _usable(annotations, names, left_out) -> Iterator[dict[str, Any]]:
    """The annotations whose caption is a text and whose image is listed, numbered for pycocotools."""
    for number, annotation in enumerate(annotations, 1):
        entry = annotation if isinstance(annotation, dict) else {}
        key, caption = key_of(entry.get("image_id")), entry.get("caption")
        if key not in names:
            left_out.append((f"annotation {number}", f"no image has its image_id, {_shown(entry.get('image_id'))}"))
        elif not isinstance(caption, str) or is_blank(caption):
            left_out.append((names[key], f"a caption {_fault(caption)}"))
        else:
            yield {"id": number, "image_id": key, "caption": caption}


def _fault(value):
    """What is wrong with what should be a text."""
    if isinstance(value, str):
        return "is empty"
    return "is missing" if value is None else f"is no text but {_shown(value)}"


def _shown(value):
    return repr(value)[:60] if value is not None else "missing"


def _join(names, annotations) -> dict[str, tuple[int, list[str]]]:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {"images": [{"id": key} for key in names], "annotations": list(annotations)}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    found = {key: [entry["caption"] for entry in coco.imgToAnns[key]] for key in names}
    return {names[key]: (number_of(key), texts) for key, texts in found.items() if texts}
