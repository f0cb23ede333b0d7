import csv
import io
import json
import zipfile

import pytest
from PIL import Image

from preprocess.coco.build import choose_photos, preprocess_coco
from preprocess.coco.captions import Captions, find_captions, read_captions
from preprocess.coco.themes import theme_words
from preprocess.shards import write as writing
from preprocess.shards.images import square_jpegs
from preprocess.shards.index import PhotoIndex
from preprocess.shards.records import captions_of, jpeg_of, read_shard, shard_paths, split_of
from preprocess.shards.records import encode as encode_record
from preprocess.shards.write import plan_shards
from preprocess.sources.open import prepare
from preprocess.sources.tally import Tally
from preprocess.sources.zips import list_images
from preprocess.utils.errors import UserError
from preprocess.utils.folders import read_manifest
from tests.helpers import shared, write_coco


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def stored(folder, split):
    return [record for path in shard_paths(folder, split) for record in read_shard(path)]


def as_bytes(example):
    return example.SerializeToString(deterministic=True)


def test_keeps_matching_images_with_all_captions_and_sizes(pasture, shards):
    manifest = read_manifest(shards, "")
    labels = json.loads((pasture / "labels.json").read_text())
    counts = manifest["counts"]
    assert counts["train"] + counts["val"] == len(labels) and counts["rejected"] == 0
    record = stored(shards, "train")[0]
    assert len(captions_of(record)) == 5
    assert all(jpeg_of(record, size)[:2] == b"\xff\xd8" for size in (64, 128, 224))
    statistics = json.loads((shards / "captions.json").read_text())
    assert statistics["images"] == len(labels)
    assert sum(statistics["images_that_mention"][word] for word in ("sheep", "cow", "horse")) == len(labels)


def test_workers_do_not_change_a_byte(pasture, shards, tmp_path):
    preprocess_coco(pasture / "train2017.zip", tmp_path / "out", theme="large", shard_size=16, workers=1)
    assert contents(tmp_path / "out") == contents(shards)


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(pasture, shards, tmp_path, monkeypatch):
    out = tmp_path / "out"
    finished = []

    def interrupted(path, value):
        if path.name.startswith("val-"):
            raise KeyboardInterrupt
        finished.append(path.name)
        write_json(path, value)

    write_json = writing.write_json
    monkeypatch.setattr(writing, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        preprocess_coco(pasture / "train2017.zip", out, theme="large", shard_size=16)
    assert finished
    times = {name: (out / name).stat().st_mtime_ns for name in finished}
    monkeypatch.setattr(writing, "write_json", write_json)
    preprocess_coco(pasture / "train2017.zip", out, theme="large", shard_size=16)
    assert contents(out) == contents(shards)
    assert times == {name: (out / name).stat().st_mtime_ns for name in finished}


def test_the_split_depends_on_the_id_alone(pasture, shards, tmp_path):
    # Written down, so that the split of data sets made before never changes.
    assert {i: split_of(i) for i in (1, 2, 3, 42, 139, 581929)} == {
        1: "train",
        2: "val",
        3: "train",
        42: "train",
        139: "train",
        581929: "train",
    }
    share = sum(split_of(image_id) == "train" for image_id in range(20_000)) / 20_000
    assert abs(share - 0.75) < 0.01
    preprocess_coco(pasture / "train2017.zip", tmp_path / "out", theme="large", shard_size=7, limit=30)
    whole = {split: {as_bytes(r) for r in stored(shards, split)} for split in ("train", "val")}
    for split in ("train", "val"):
        assert {as_bytes(r) for r in stored(tmp_path / "out", split)} <= whole[split]
    assert not whole["train"] & whole["val"]


def test_shards_follow_the_order_of_ids(pasture, tmp_path):
    images = list_images(pasture / "train2017.zip", "train2017.zip")
    captions = {name.split("/")[-1]: (int(name.split("/")[-1][:12]), ["a cow"]) for name in reversed(images)}
    photos = choose_photos("train2017.zip", images, Captions(captions, []), Tally(["cow"]), "captions").photos
    index = PhotoIndex(tmp_path / "photos.sqlite")
    index.fill(photos, 0.25)
    for part in plan_shards(index, 10).values():
        ids = [photo.image_id for photo in index.photos(part)]
        assert ids == sorted(ids) and len(ids) <= 10


def test_bad_images_are_recorded_and_skipped(pasture, tmp_path):
    with zipfile.ZipFile(pasture / "train2017.zip") as archive:
        good = archive.read(archive.namelist()[0])
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    tiny = io.BytesIO()
    Image.new("RGB", (1, 1)).save(tiny, "JPEG")
    files = {
        "good.jpg": good,
        "truncated.jpg": good[: len(good) // 2],
        "corrupt.jpg": good[:400] + bytes(400) + good[800:2000],
        "text.jpg": b"hello",
        "tiny.jpg": tiny.getvalue(),
        "bomb.jpg": buffer.getvalue(),
        "checksum.jpg": good + b"marker-of-the-member",
    }
    path = write_coco(tmp_path, files, {name: ["a cow"] for name in files})
    damaged = path.read_bytes().replace(b"marker-of-the-member", b"MARKER-OF-THE-MEMBER")
    path.write_bytes(damaged)
    manifest = preprocess_coco(path, tmp_path / "out", sizes=(64,))
    with open(tmp_path / "out" / "rejected.csv") as file:
        rejected = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert set(rejected) == set(files) - {"good.jpg"}
    assert "pixels" in rejected["bomb.jpg"] and "CRC" in rejected["checksum.jpg"] and "small" in rejected["tiny.jpg"]
    counts = manifest["counts"]
    assert counts["train"] + counts["val"] == 1 and counts["rejected"] == 6


def test_only_bad_images_leave_only_their_reasons(tmp_path):
    path = write_coco(tmp_path, {"a.jpg": b"text", "b.jpg": b""}, {"a.jpg": ["a cow"], "b.jpg": ["two cows"]})
    for _ in range(2):  # what is left is in nobody's way
        with pytest.raises(UserError, match=r"none of .* can be used; .*rejected.csv has the reasons"):
            preprocess_coco(path, tmp_path / "out", sizes=(64,))
        assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["rejected.csv"]
        assert (tmp_path / "out" / "rejected.csv").read_text().count("\n") == 3


def test_captions_of_other_images_and_themes_without_match_are_errors(pasture, tmp_path):
    images = list_images(pasture / "train2017.zip", "train2017.zip")
    with pytest.raises(UserError, match="none of the zip's images"):
        choose_photos(
            "train2017.zip", images, Captions({"other.jpg": (1, ["a cow"])}, []), Tally(["cow"]), "captions.json"
        )
    with pytest.raises(UserError, match="no caption in .*captions_train2017.json holds any of: .*zebra"):
        preprocess_coco(write_coco(tmp_path, {"1.jpg": b""}, {"1.jpg": ["a train"]}), tmp_path / "out", words=["zebra"])


def test_several_zips_make_one_data_set(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (80, 70)).save(buffer, "JPEG")
    image = buffer.getvalue()
    first = write_coco(tmp_path / "a", {"1.jpg": image}, {"1.jpg": ["a cow"]})
    second = write_coco(tmp_path / "b", {"2.jpg": image, "3.jpg": image}, {"2.jpg": ["a cow"], "3.jpg": ["a train"]})
    preprocess_coco([first, second], tmp_path / "cows", sizes=(64,))
    records = [record for split in ("train", "val") for record in stored(tmp_path / "cows", split)]
    assert sorted(captions_of(record)[0] for record in records) == ["a cow", "a cow"]
    manifest = preprocess_coco([first, second], tmp_path / "all", theme="all", sizes=(64,))
    assert manifest["counts"]["train"] + manifest["counts"]["val"] == 3
    with pytest.raises(UserError, match=r"both hold train2017/1.jpg; give each image once"):
        preprocess_coco([first, first], tmp_path / "twice", sizes=(64,))
    with pytest.raises(UserError, match="give --captions one file for each --zip"):
        preprocess_coco([first, second], tmp_path / "half", captions=tmp_path / "a" / "captions_train2017.json")


def test_the_theme_of_all_takes_no_words(pasture, tmp_path):
    with pytest.raises(UserError, match="keeps every image; leave out --words"):
        preprocess_coco(pasture / "train2017.zip", tmp_path / "out", theme="all", words=["goat"])


def test_reads_real_photographs():
    zip_path = shared("data", "photos", "full_size", "train2017.zip")
    images = list_images(zip_path, "train2017.zip")
    captions = read_captions(*find_captions(zip_path))
    photos = choose_photos(zip_path, images, captions, Tally(theme_words("large")), "captions").photos
    jpegs, reason = prepare(photos[0], (64,))
    assert reason is None
    assert encode_record(photos[0].image_id, "a.jpg", photos[0].captions, jpegs)
    with zipfile.ZipFile(zip_path) as archive:
        assert square_jpegs(archive.read(photos[0].member), (64,)) == jpegs


def jpeg(number=0):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (number, 90, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def texts_by_name(folder):
    records = [record for split in ("train", "val") for record in stored(folder, split)]
    return {name_of(record): captions_of(record) for record in records}


def name_of(record):
    return record.features.feature["file_name"].bytes_list.value[0].decode()


def rejected_in(folder):
    with open(folder / "rejected.csv") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def test_one_name_in_two_folders_is_two_images(tmp_path):
    path = write_coco(
        tmp_path,
        {"cats/0.jpg": jpeg(1), "dogs/0.jpg": jpeg(2), "1.jpg": jpeg(3)},
        {"cats/0.jpg": ["a cat"], "dogs\\0.jpg": ["a dog"], "1.jpg": ["a cow"]},
    )
    manifest = preprocess_coco(path, tmp_path / "out", theme="all", sizes=(64,))
    assert texts_by_name(tmp_path / "out") == {
        "train2017/cats/0.jpg": ["a cat"], "train2017/dogs/0.jpg": ["a dog"], "1.jpg": ["a cow"],
    }  # fmt: skip
    assert sum(manifest["counts"].values()) == 3


def test_a_name_that_may_be_either_of_two_images_is_refused(tmp_path):
    path = write_coco(tmp_path, {"cats/0.jpg": jpeg(1), "dogs/0.jpg": jpeg(2)}, {"0.jpg": ["a cat"]})
    with pytest.raises(UserError, match=r"0.jpg in .* may be train2017/cats/0.jpg or train2017/dogs/0.jpg"):
        preprocess_coco(path, tmp_path / "out", theme="all", sizes=(64,))


def test_records_do_not_say_where_the_zips_lay(pasture, tmp_path):
    """So that a run goes on whatever the path is spelt like."""
    made = []
    for place in ("here", "there"):
        for half in ("a", "b"):
            with zipfile.ZipFile(pasture / "train2017.zip") as source:
                names = sorted(source.namelist())[half == "b" :: 2][:6]
                folder = tmp_path / place / half
                folder.mkdir(parents=True)
                with zipfile.ZipFile(folder / "train2017.zip", "w") as target:
                    for number, name in enumerate(names):
                        target.writestr(f"train2017/{number}.jpg", source.read(name))
            offset = 100 * (half == "b")
            images = [{"id": offset + number, "file_name": f"{number}.jpg"} for number in range(6)]
            captions = [{"image_id": offset + number, "caption": "a cow"} for number in range(6)]
            (folder / "captions_train2017.json").write_text(json.dumps({"images": images, "annotations": captions}))
        zips = [tmp_path / place / half / "train2017.zip" for half in ("a", "b")]
        preprocess_coco(zips, tmp_path / f"out-{place}", theme="all", sizes=(64,), shard_size=4)
        made.append(contents(tmp_path / f"out-{place}"))
    assert made[0] == made[1]
    records = [*stored(tmp_path / "out-here", "train"), *stored(tmp_path / "out-here", "val")]
    names = sorted(record.features.feature["file_name"].bytes_list.value[0].decode() for record in records)
    assert names[0] == "1/train2017.zip/train2017/0.jpg" and names[-1] == "2/train2017.zip/train2017/5.jpg"


def test_all_that_is_captioned_is_kept_or_told(tmp_path):
    names = ["a.WEBP", "b.bmp", "c.gif", "d.tif", "e.jfif", "f.Png"]
    kinds = ["WEBP", "BMP", "GIF", "TIFF", "JPEG", "PNG"]
    files = {}
    for name, kind in zip(names, kinds):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30)).save(buffer, kind)
        files[name] = buffer.getvalue()
    # Composed in the captions, decomposed in the zip, as macOS writes it.
    files |= {"u\u0308ber.jpg": jpeg(), "damaged.jpg": jpeg()[:-20], "bare.jpg": jpeg(), "._a.WEBP": b"resources"}
    captions = {name: ["a cow"] for name in [*names, "\u00fcber.jpg", "damaged.jpg", "gone.jpg"]}
    path = write_coco(tmp_path, files, captions | {"e.jfif": ["a cow", None, ""], "b.bmp": ["a train"]})
    manifest = preprocess_coco(path, tmp_path / "out", sizes=(64,))
    found = manifest["found"]
    assert (found["images"], found["captioned"], found["dropped"], found["missing"]) == (9, 8, 1, 1)
    assert found["captions_left_out"] == 2 and manifest["counts"]["rejected"] == 1
    assert texts_by_name(tmp_path / "out").keys() == {*names, "u\u0308ber.jpg"} - {"b.bmp"}
    reasons = rejected_in(tmp_path / "out")
    assert reasons.keys() == {"damaged.jpg", "gone.jpg", "e.jfif", "bare.jpg"}
    assert "damaged" in reasons["damaged.jpg"] and reasons["bare.jpg"] == "no caption"
    assert "not among the images of" in reasons["gone.jpg"]


def test_images_of_one_name_in_two_zips_are_each_told(tmp_path):
    empty = write_coco(tmp_path / "a", {"1.jpg": jpeg(1), "2.jpg": jpeg(2)}, {"1.jpg": [""], "2.jpg": ["a cow"]})
    bare = write_coco(tmp_path / "b", {"1.jpg": jpeg(3), "3.jpg": jpeg(4)}, {"3.jpg": ["a cow"]})
    preprocess_coco([empty, bare], tmp_path / "out", sizes=(64,))
    with open(tmp_path / "out" / "rejected.csv") as file:
        reasons = [row["reason"] for row in csv.DictReader(file) if row["file"] == "1.jpg"]
    assert reasons == ["a caption is empty", "no caption"]


def test_photographs_of_a_kind_that_is_not_read_are_told(tmp_path):
    files = {"1.jpg": jpeg(), "2.HEIC": b"\0\0\0\x18ftypheic" + bytes(100)}
    path = write_coco(tmp_path, files, {name: ["a cow"] for name in files})
    manifest = preprocess_coco(path, tmp_path / "out", sizes=(64,))
    assert manifest["found"]["missing"] == 0 and manifest["counts"]["rejected"] == 1
    assert rejected_in(tmp_path / "out")["2.HEIC"].startswith("not an image of a kind that is read: JPEG")


def test_an_image_without_an_images_ending_is_not_called_missing(tmp_path):
    files = {"1.jpg": jpeg(), "noending": jpeg(), "drawing.svg": b"<svg/>"}
    path = write_coco(tmp_path, files, {name: ["a cow"] for name in [*files, "gone"]})
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    reasons = rejected_in(tmp_path / "out")
    assert all(reasons[name].startswith("in the zip, but its name") for name in ("noending", "drawing.svg"))
    assert "not among the images of" in reasons["gone"]


def test_damaged_statistics_are_made_again(tmp_path):
    path = write_coco(tmp_path, {"1.jpg": jpeg()}, {"1.jpg": ["a cow"]})
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    whole = (tmp_path / "out" / "captions.json").read_bytes()
    (tmp_path / "out" / "captions.json").write_bytes(b"")
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    assert (tmp_path / "out" / "captions.json").read_bytes() == whole


def test_names_in_an_encoding_that_a_zip_does_not_tell_are_explained(tmp_path):
    files = {"1.jpg": jpeg(), "xxxx.jpg": jpeg()}
    path = write_coco(tmp_path, files, {"1.jpg": ["a cow"], "\u725b\u7f8a.jpg": ["a cow", "a sheep"]})
    path.write_bytes(path.read_bytes().replace(b"xxxx", "\u725b\u7f8a".encode("gbk")))
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    assert "names that are not in UTF-8; zip them again" in rejected_in(tmp_path / "out")["\u725b\u7f8a.jpg"]


def test_two_zips_may_have_images_of_one_name(tmp_path):
    paths = [
        write_coco(tmp_path / name, {"1.jpg": jpeg(100 * number)}, {"1.jpg": [f"a cow in {name}"]})
        for number, name in enumerate("ab")
    ]
    preprocess_coco(paths, tmp_path / "out", sizes=(64,))
    found = texts_by_name(tmp_path / "out")
    assert sorted(texts[0] for texts in found.values()) == ["a cow in a", "a cow in b"] and len(found) == 2


@pytest.mark.parametrize("side", ["train-00000.json", "val-00000.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"bytes": "many"}',
        b"\xff\xfe\0",
        b"[" * 10_000,
        b'{"bytes": 1, "count": 1, "rejected": [["a"]]}',
        b'{"bytes": 1, "count": 0, "rejected": [["a", "b"]]}',
    ],
)
def test_a_damaged_side_file_has_its_shard_made_again(tmp_path, side, content):
    path = write_coco(tmp_path, {f"{n}.jpg": jpeg(n) for n in range(8)}, {f"{n}.jpg": ["a cow"] for n in range(8)})
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    whole = contents(tmp_path / "out")
    assert side in whole
    (tmp_path / "out" / side).write_bytes(content)
    preprocess_coco(path, tmp_path / "out", sizes=(64,))
    assert contents(tmp_path / "out") == whole
