import io

import numpy as np
import pytest
from PIL import Image

from cvae.sampling.pictures import Pictures, check_output, slug
from preprocess.utils.errors import UserError


@pytest.fixture
def pictures():
    """Two rows of three pictures, each of a grey of its own."""
    greys = np.linspace(0, 1, 6).reshape(2, 3, 1, 1, 1) * np.ones((16, 16, 3))
    return Pictures(greys, ["a cow", "snow"])


def test_a_row_is_a_list_of_images(pictures):
    assert len(pictures) == 2 and [len(row) for row in pictures] == [3, 3]
    assert isinstance(pictures[0][1], Image.Image) and pictures[0][1].size == (16, 16)
    assert pictures[0][1].getpixel((0, 0)) == (51, 51, 51)


def test_the_grid_is_an_image_and_shown_by_itself(pictures):
    assert pictures.grid().width > 300
    shown = Image.open(io.BytesIO(pictures._repr_jpeg_()))
    assert shown.size == pictures.grid().size


def test_several_in_one_file_are_their_grid(pictures, tmp_path):
    path = pictures.save(tmp_path / "all.png")
    assert Image.open(path).size == pictures.grid().size
    single = Pictures(pictures.arrays[:1, :1] / np.float32(255), ["a cow"])
    assert Image.open(single.save(tmp_path / "one.jpg")).size == (16, 16)


def test_a_folder_holds_each_and_the_grid(pictures, tmp_path):
    assert pictures.save(tmp_path / "out") == tmp_path / "out" / "grid.png"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"01-a-cow-{n}.png" for n in (1, 2, 3)} | {f"02-snow-{n}.png" for n in (1, 2, 3)} | {"grid.png"}
    assert pictures.save(tmp_path / "out") == tmp_path / "out" / "2" / "grid.png"
    assert pictures.save(tmp_path / "out") == tmp_path / "out" / "3" / "grid.png"


def test_pictures_under_headings_are_named_by_them(pictures, tmp_path):
    headed = Pictures(pictures.arrays, ["changed", "decoded"], ["photo", "decoded"], headings=["given"])
    headed.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{row}-{one}.png" for row in ("photo", "decoded") for one in ("given", 1, 2)} | {"grid.png"}
    # Alike, they cannot tell pictures apart.
    alike = Pictures(pictures.arrays, ["a", "b"], headings=["with hat", "with hat", "all"])
    assert len(set(alike._in_file_names())) == 3
    assert alike._in_file_names() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("White sheep!", "white-sheep"),
        ("Schäfchen im Schnee", "schäfchen-im-schnee"),
        ("羊在雪地里", "羊在雪地里"),
        ("../../etc/passwd", "etc-passwd"),
        ("...", "prompt"),
        ("a" * 100, "a" * 60),
    ],
)
def test_names_keep_the_letters_of_all_scripts(text, name):
    assert slug(text) == name


def test_a_slice_of_rows_is_pictures_too():
    rows = np.linspace(0, 1, 3 * 2 * 4 * 4 * 3).reshape(3, 2, 4, 4, 3)
    whole = Pictures(rows, ["one", "two", "three"])
    some = whole[1:]
    np.testing.assert_array_equal(some.arrays, whole.arrays[1:])
    assert whole.arrays.std() > 50
    assert isinstance(some, Pictures) and some.labels == ["two", "three"] and len(some) == 2
    assert some[0][0].size == (4, 4)


@pytest.mark.parametrize("name", ["notes.txt", "notes.txt/pictures", "notes.txt/pictures/cow.png"])
def test_an_output_in_place_of_a_file_or_below_one_is_an_error(tmp_path, name):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="notes.txt is a file"):
        check_output(tmp_path / name)


def test_an_output_that_cannot_be_written_is_an_error_before_drawing(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    for out in (tmp_path / "new" / "cow.png", tmp_path / "new"):
        with pytest.raises(UserError, match=r"cannot be written into \(Permission denied\); choose another --out"):
            check_output(out)


def test_they_say_what_they_are():
    assert repr(Pictures(np.zeros((2, 3, 8, 16, 3)), ["a", "b"])) == "<pictures: 2 rows of 3, 16 x 8 pixels>"


def test_names_of_files_fit_in_255_bytes():
    assert len(slug("\U0001d430" * 70).encode()) <= 180
