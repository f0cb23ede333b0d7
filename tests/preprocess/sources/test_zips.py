import errno
import struct
import zipfile

import pytest

from preprocess.sources.open import prepare
from preprocess.sources.photo import Photo
from preprocess.sources.zips import END, list_images
from preprocess.utils.errors import UserError
from tests.helpers import noise_jpeg

WANTED = "COCO's train2017.zip"


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def test_images_are_listed_by_their_paths_and_nothing_else(tmp_path):
    members = [
        ("a/1.jpg", b"x"),
        ("a\\2.PNG", b"y"),
        ("__MACOSX/a/._1.jpg", b"z"),
        ("a/._3.jpg", b"z"),
        ("a/notes.txt", b""),
    ]
    found = list_images(write_zip(tmp_path / "a.zip", members), WANTED)
    assert sorted(found) == ["a/1.jpg", "a/2.PNG"]


def test_names_in_utf_8_that_do_not_say_so(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("Kxxhe.jpg", b"x")])
    path.write_bytes(path.read_bytes().replace(b"Kxxhe", "K\u00fche".encode()))
    assert list(list_images(path, WANTED)) == ["K\u00fche.jpg"]


def test_two_images_of_one_name_are_refused_unless_they_are_the_same(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write_zip(tmp_path / "a.zip", [("1.jpg", b"x"), ("1.jpg", b"y")])
    with pytest.raises(UserError, match=r"holds two images named 1.jpg"):
        list_images(path, WANTED)
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write_zip(tmp_path / "b.zip", [("1.jpg", b"x"), ("1.jpg", b"x")])
    assert list(list_images(path, WANTED)) == ["1.jpg"]


def test_a_directory_that_lacks_files_is_found(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("1.jpg", b"x"), ("2.jpg", b"y")])
    data = bytearray(path.read_bytes())
    end = data.rindex(END)
    data[end + 8 : end + 12] = struct.pack("<HH", 3, 3)
    path.write_bytes(data)
    with pytest.raises(UserError, match="its directory lacks some of its files"):
        list_images(path, WANTED)


def test_more_files_than_the_old_end_record_counts(tmp_path):
    path = write_zip(tmp_path / "a.zip", [(f"{number}.jpg", b"") for number in range(2**16 + 3)])
    assert len(list_images(path, WANTED)) == 2**16 + 3


def test_what_the_system_refuses_is_not_the_images_fault(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", [("1.jpg", noise_jpeg())])
    photo = Photo(1, "1.jpg", ("a cow",), str(path), name="1.jpg")
    assert prepare(photo, (64,))[1] is None

    def refuse(number):
        def read(*arguments):
            raise OSError(number, "refused") if number else MemoryError()

        return read

    for number in (errno.EIO, errno.ETIMEDOUT, errno.EACCES, errno.EMFILE, 0):
        monkeypatch.setattr(zipfile.ZipFile, "read", refuse(number))
        with pytest.raises((OSError, MemoryError)):
            prepare(photo, (64,))


def test_a_damaged_member_is_rejected_with_the_reason(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("1.jpg", noise_jpeg())])
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    kept, reason = prepare(Photo(1, "1.jpg", ("a cow",), str(path), name="1.jpg"), (64,))
    assert kept is None and reason.startswith("cannot be read from the zip: Bad CRC-32")


def test_a_packing_that_is_not_read_is_named_at_once(tmp_path):
    path = write_zip(tmp_path / "a.zip", [("1.jpg", b"x")])
    data = path.read_bytes()
    place = data.index(b"PK\x01\x02") + 10
    path.write_bytes(data[:place] + struct.pack("<H", 9) + data[place + 2 :])
    with pytest.raises(UserError, match="zip it again by deflate"):
        list_images(path, WANTED)
