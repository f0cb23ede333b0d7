import ast
import gzip
import io

import numpy as np
import pytest
from typing_extensions import TypedDict

from preprocess.utils.errors import UserError
from preprocess.utils.load import gunzip, read_json, read_table, read_text
from preprocess.utils.load_arrays import read_arrays
from tests.helpers import ROOT


class Cow(TypedDict):
    legs: int


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged, or no JSON"),
        (b'{"legs": 4', "damaged, or no JSON"),
        (b"[" * 100_000, "too deep"),
        (b"\xff\xff", "is not text"),
        (b"[]", "damaged .the whole: "),
        (b"{}", "damaged .legs: field required"),
        (b'{"legs": "4"}', "damaged .legs: "),
        (b'{"legs": true}', "damaged .legs: "),
        (b'{"legs": NaN}', "damaged .legs: "),
    ],
)
def test_json_that_is_none_is_named(tmp_path, content, message):
    path = tmp_path / "cow.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"cow.json .*{message}.*; draw another\.$"):
        read_json(path, "draw another", Cow)


def test_json_of_every_encoding_is_read(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / "cow.json").write_bytes('{"legs": 4, "name": "Kühe"}'.encode(encoding))
        assert read_json(tmp_path / "cow.json", "", Cow)["name"] == "Kühe"


def test_what_is_not_there_or_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone.txt not found; look again\."):
        read_text(tmp_path / "gone.txt", "look again")
    with pytest.raises(UserError, match=r"is a folder; look again\."):
        read_text(tmp_path, "look again")
    with pytest.raises(UserError, match="cannot be read"):
        read_text("a\0b", "look again")


def arrays(**named):
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    return buffer.getvalue()


def cut_short(data):
    return data[:-30]


def changed(data):
    place = data.index(np.float32(7).tobytes())
    return data[:place] + b"\1" + data[place + 1 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (b"PK\3\4", "damaged"),
        (arrays(y=np.zeros(3)), "no x"),
        (arrays(x=np.zeros((2, 2))), "2 dimensions in x"),
        (arrays(x=np.array([np.nan])), "not finite in x"),
        (arrays(x=np.array([{}, 5], object)), "damaged"),
        (cut_short(arrays(x=np.full(9, 7, np.float32))), "damaged"),
        (changed(arrays(x=np.full(9, 7, np.float32))), "damaged .*CRC"),
    ],
)
def test_arrays_that_cannot_be_used_are_named_and_nothing_is_unpickled(tmp_path, data, message):
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"x.npz is damaged .*{message.removeprefix('damaged')}"):
        read_arrays(path, {"x": 1}, "make it again")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no column a"), ("a\n1", "no column b"), ("a,b\n1", "row 2 has"), ("a,b\n1,2,3", "row 2 has")],
)
def test_tables_that_lack_something_are_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv", "put it back", ("a", "b"))


def test_gzip_is_unpacked_no_further_than_it_may():
    assert gunzip(gzip.compress(b"cow"), "x", 3, "") == b"cow"
    assert len(gunzip(gzip.compress(bytes(10**7)), "x", 100, "")) == 101
    for damaged in (gzip.compress(b"cow")[:-9], gzip.compress(b"cow")[:5]):
        with pytest.raises(UserError, match="x is cut short; try again"):
            gunzip(damaged, "x", 3, "try again")


# What reads files in a way that a damaged one breaks, and the modules that do it so that it cannot.
READERS = {
    "json.load": (),
    "json.loads": (
        "preprocess/utils/load.py",
        "preprocess/utils/files.py",
        "preprocess/utils/quiet.py",
        "cvae/notebook_tools/setup.py",
    ),
    "np.load": ("preprocess/utils/load_arrays.py", "preprocess/photographs/train_encoder.py"),
    "csv.reader": ("preprocess/celeba/table.py",),
    "csv.DictReader": ("preprocess/utils/load.py",),
    "pickle.load": ("preprocess/embedding/process.py",),
    "pickle.Unpickler": (),
    "pickle.loads": (),
    "yaml.load": (),
    "torch.load": ("preprocess/embedding/clip_model.py", "cvae/systems/digits/published.py"),
    "Image.open": ("preprocess/shards/decode.py",),
    "gzip.open": (),
    "gzip.decompress": (),
    "keras.models.load_model": ("cvae/keras_files.py", "preprocess/photographs/train_encoder.py"),
    "keras.saving.load_model": (),
}


def test_each_format_is_read_in_one_place():
    for path in sorted([*ROOT.glob("*.py"), *(ROOT / "cvae").rglob("*.py"), *(ROOT / "preprocess").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in READERS:
                assert name in READERS[called], f"{name}, line {node.lineno}: {called}"
