import zipfile

import numpy as np
import pytest

from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS
from preprocess.celeba.build import preprocess_celeba, read_attributes
from preprocess.faces.archive import ARCHIVE, TABLE, write_archive
from preprocess.faces.paint import HEIGHT, WIDTH, paint_face
from preprocess.faces.people import sample_person

NEVER_DRAWN = ("Attractive", "High_Cheekbones")
WOMAN = dict.fromkeys(ATTRIBUTES, False) | {"Young": True, "No_Beard": True, "Brown_Hair": True, "Straight_Hair": True}
MAN = WOMAN | {"Male": True}


def painted(person):
    return np.asarray(paint_face(np.random.default_rng(3), person), np.float32)


def test_the_archive_is_read_as_celeba_is(tmp_path):
    write_archive(tmp_path / "faces", 24, seed=1, workers=1)
    zip_path, table = tmp_path / "faces" / ARCHIVE, tmp_path / "faces" / TABLE
    manifest, statistics = preprocess_celeba(zip_path, table, tmp_path / "shards")
    assert manifest["counts"]["train"] + manifest["counts"]["val"] == 24 and set(statistics.values()) == {0}
    with zipfile.ZipFile(zip_path) as archive:
        assert [name.split("/")[1] for name in archive.namelist()] == list(read_attributes(table))


def test_the_same_seed_draws_the_same_whatever_the_workers(tmp_path):
    for out, seed, workers in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        write_archive(tmp_path / out, 6, seed, workers)
    a, b, c = ((tmp_path / out / ARCHIVE).read_bytes() for out in "abc")
    assert a == b != c
    assert (tmp_path / "a" / TABLE).read_text() == (tmp_path / "b" / TABLE).read_text()


def test_people_are_possible_and_every_attribute_that_can_be_drawn_occurs():
    people = [sample_person(np.random.default_rng(seed)) for seed in range(600)]
    for person in people:
        colours = sum(person[name] for name in HAIR_COLOURS)
        assert colours == (0 if person["Bald"] else 1)
        assert not (person["Bald"] and person["Wearing_Hat"]) and not (person["Big_Nose"] and person["Pointy_Nose"])
        assert person["Male"] or (person["No_Beard"] and not person["Mustache"] and not person["Bald"])
    counts = {name: sum(person[name] for person in people) for name in ATTRIBUTES}
    assert {name for name, count in counts.items() if not count} == set(NEVER_DRAWN)


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name not in (*NEVER_DRAWN, "Straight_Hair")])
def test_every_attribute_can_be_seen(name):
    base = MAN if name in ("Bald", "Mustache", "Goatee", "5_o_Clock_Shadow", "Sideburns", "Wearing_Necktie") else WOMAN
    other = base | {name: not base[name]}
    if name in HAIR_COLOURS:
        other = base | dict.fromkeys(HAIR_COLOURS, False) | {name: True}
        base = base | dict.fromkeys(HAIR_COLOURS, False) | {"Gray_Hair" if name == "Black_Hair" else "Black_Hair": True}
    if name == "Double_Chin":
        base, other = base | {"Chubby": True}, other | {"Chubby": True}
    seen = np.abs(painted(base) - painted(other)).max(axis=-1) > 24
    assert seen.shape == (HEIGHT, WIDTH) and seen.sum() > 25, name
