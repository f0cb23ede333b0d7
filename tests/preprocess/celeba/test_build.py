import csv
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from preprocess.celeba.attributes import ATTRIBUTES
from preprocess.celeba.build import captions_of_attributes, preprocess_celeba, read_attributes
from preprocess.shards.records import captions_of, image_of, read_shard, shard_paths
from preprocess.utils.errors import UserError
from tests.helpers import assert_user_error, command, shared

rng = np.random.default_rng(0)
ROWS = {f"{number:06d}.jpg": rng.choice([-1, 1], 40) for number in range(1, 13)}


def table(rows, header=ATTRIBUTES, count=None):
    lines = [" ".join(map(str, [name, *values])) for name, values in rows.items()]
    return "\n".join([str(len(rows) if count is None else count), " ".join(header) + " ", *lines]) + "\n"


def as_csv(rows, header=ATTRIBUTES):
    text = io.StringIO()
    csv.writer(text).writerows([("image_id", *header), *((name, *values) for name, values in rows.items())])
    return text.getvalue()


def portrait(seed):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (7, 6, 3), np.uint8)
    Image.fromarray(pixels).resize((178, 218), Image.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_celeba(folder, names=tuple(ROWS), text=None):
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"img_align_celeba/{name}", portrait(number))
    (folder / "list_attr_celeba.txt").write_text(table(ROWS) if text is None else text)
    return folder / "img_align_celeba.zip", folder / "list_attr_celeba.txt"


def records(out):
    found = [record for split in ("train", "val") for path in shard_paths(out, split) for record in read_shard(path)]
    return {record.features.feature["file_name"].bytes_list.value[0].decode(): record for record in found}


def test_portraits_keep_their_attributes_and_get_sentences(tmp_path):
    manifest, statistics = preprocess_celeba(*write_celeba(tmp_path), tmp_path / "out", shard_size=5)
    stored = records(tmp_path / "out")
    assert stored.keys() == ROWS.keys() and manifest["counts"]["rejected"] == 0
    for number, (name, values) in enumerate(ROWS.items(), 1):
        feature = stored[name].features.feature
        assert list(feature["attributes"].int64_list.value) == list((values > 0).astype(int))
        assert list(feature["image_id"].int64_list.value) == [number]
        assert tuple(captions_of(stored[name])) == captions_of_attributes(number, (values > 0).astype(int))
        assert ("man" in captions_of(stored[name])[0].split()) == (values[ATTRIBUTES.index("Male")] > 0)
    assert set(statistics.values()) == {0}
    conditions = json.loads((tmp_path / "out" / "portraits.json").read_text())["portraits_with"]
    assert conditions["Smiling"] == sum(values[ATTRIBUTES.index("Smiling")] > 0 for values in ROWS.values())


def test_images_are_the_centre_at_64_px(tmp_path):
    preprocess_celeba(*write_celeba(tmp_path), tmp_path / "out")
    whole = Image.open(io.BytesIO(portrait(0)))
    expected = np.asarray(whole.crop((0, 20, 178, 198)).resize((64, 64), Image.BICUBIC), np.float32)
    assert np.abs(image_of(records(tmp_path / "out")["000001.jpg"], 64) - expected).mean() < 4


def test_workers_and_forms_of_the_table_change_nothing(tmp_path):
    zip_path, attributes = write_celeba(tmp_path)
    (tmp_path / "list_attr_celeba.csv").write_text(as_csv({name: values.clip(0) for name, values in ROWS.items()}))
    assert read_attributes(attributes) == read_attributes(tmp_path / "list_attr_celeba.csv")
    order = ATTRIBUTES[::-1]
    (tmp_path / "turned.csv").write_text(as_csv({name: values[::-1] for name, values in ROWS.items()}, order))
    assert read_attributes(tmp_path / "turned.csv") == read_attributes(attributes)
    for out, source, workers in (("one", attributes, 1), ("two", tmp_path / "turned.csv", 2)):
        preprocess_celeba(zip_path, source, tmp_path / out, shard_size=4, workers=workers)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / out).iterdir()} for out in ("one", "two"))
    assert one == two


def test_rows_and_images_without_each_other_are_skipped_and_counted(tmp_path):
    names = [*list(ROWS)[2:], "900000.jpg", "900001.jpg", "900002.jpg"]
    zip_path, attributes = write_celeba(tmp_path, names)
    done = command(
        "-m", "preprocess.celeba", "--zip", zip_path, "--attributes", attributes, "--out", tmp_path / "out"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "skipped 3 images without a row and 2 rows without an image" in done.stdout
    assert records(tmp_path / "out").keys() == set(list(ROWS)[2:])


def changed(name, values):
    return {**ROWS, name: values}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty"]),
        ("12\n", ["is empty"]),
        (table(ROWS, ["a"] * 40), ["no header with CelebA's attributes"]),
        (table(ROWS).split("\n", 2)[2], ["no header"]),
        (as_csv(ROWS, ATTRIBUTES[:-2]), ["lacks 2 columns: Wearing_Necktie, Young"]),
        (table(ROWS, [*ATTRIBUTES, "Kind"]), ["one column of image files' names", "has none"]),
        (table(changed("000003.jpg", [2] * 40)), ["'2' in line 5", "-1, 0 or 1"]),
        (table(changed("000004.jpg", ["x"] * 40)), ["'x' in line 6"]),
        (table(changed("000002.jpg", [1] * 39)), ["40 values in line 4, not 41"]),
        (table(ROWS, count=13), ["says that it has 13 rows and has 12"]),
        (table(ROWS).replace("000002.jpg", "000001.jpg"), ["two rows for 000001.jpg", "line 4"]),
        (table({"other.jpg": [1] * 40}), ["a row for none of the zip's images"]),
    ],
)
def test_other_tables_give_one_sentence(tmp_path, text, words):
    with pytest.raises(UserError) as error:
        preprocess_celeba(*write_celeba(tmp_path, text=text), tmp_path / "out")
    assert all(word in str(error.value) for word in words), error.value
    assert not (tmp_path / "out").exists()


def test_missing_files_give_one_sentence(tmp_path):
    zip_path, attributes = write_celeba(tmp_path)
    for zip_given, table_given, word in ((zip_path, "gone.txt", "gone.txt"), ("gone.zip", attributes, "gone.zip")):
        process = command("-m", "preprocess.celeba", "--zip", zip_given, "--attributes", table_given)
        assert_user_error(process, word)
    (tmp_path / "noise.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match="is not text"):
        read_attributes(tmp_path / "noise.txt")


def test_reads_the_real_table():
    rows = read_attributes(shared("data", "celeba", "list_attr_celeba.txt"))
    assert len(rows) == 8000 and all(len(values) == 40 for values in rows.values())
    assert 0.35 < np.mean([values[ATTRIBUTES.index("Male")] for values in rows.values()]) < 0.5
