"""Images of one's own, from every kind of source, and what is wrong with some."""

import csv
import json
import re

import pytest

from offline_preprocess import describe
from preprocess.shards.records import SPLITS, captions_of, read_shard, shard_paths
from preprocess.sources.build import preprocess_images
from preprocess.sources.open import open_source, prepare
from preprocess.sources.photo import Photo
from preprocess.utils.errors import UserError
from tests.helpers import command, noise_jpeg
from tests.preprocess.sources.written import SOURCES, in_tar, listed, write_images, write_list, write_tar


def records_in(out):
    return [record for split in SPLITS for path in shard_paths(out, split) for record in read_shard(path)]


def rejected_in(out):
    with open(out / "rejected.csv") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_gives_its_images_and_captions(kind, tmp_path):
    manifest = preprocess_images([SOURCES[kind](tmp_path / "mine")], tmp_path / "out", sizes=(64,))
    found = sorted(captions_of(record) for record in records_in(tmp_path / "out"))
    # A CSV row and a txt file in a tar are one caption.
    first = ["a cow"] if kind in ("csv", "tar") else ["a cow", "a brown cow"]
    assert found == sorted([first, ["a train"], ["two sheep"]])
    assert manifest["counts"]["rejected"] == 0 and manifest["found"]["images"] == 3


@pytest.mark.parametrize("kind", SOURCES)
def test_the_same_source_gives_the_same_files_whatever_the_workers(kind, tmp_path):
    place = SOURCES[kind](tmp_path / "mine")
    folders = [tmp_path / "one", tmp_path / "two"]
    for workers, out in enumerate(folders, 1):
        preprocess_images([place], out, sizes=(64,), shard_size=2, workers=workers)
    one, two = ({path.name: path.read_bytes() for path in out.iterdir()} for out in folders)
    assert one == two and sum(name.endswith(".tfrecord") for name in one) > 1


def test_a_theme_keeps_what_it_names_and_tells_of_the_rest(tmp_path):
    manifest = preprocess_images([listed(tmp_path / "mine")], tmp_path / "out", theme="small", sizes=(64,))
    assert len(records_in(tmp_path / "out")) == 2 and manifest["found"]["dropped"] == 1
    assert '  "a train"' in list(describe(manifest, "small"))
    assert "--theme all would keep 3" in "\n".join(describe(manifest, "small"))
    with pytest.raises(UserError, match="no caption in .*mine holds any of: .*; try --theme or --words"):
        preprocess_images([listed(tmp_path / "b" / "mine", {"3.jpg": ["a train"]})], tmp_path / "no", theme="small")


def test_images_without_captions_are_counted_and_captions_without_images_listed(tmp_path):
    rows = [
        {"file_name": "1.jpg", "caption": "a cow"},
        {"file_name": "sub/2.png", "caption": ["two sheep", 7, " "]},
        {"file_name": "4.jpg", "caption": "a horse"},
        {"caption": "nothing"},
        {"file_name": "../../1.jpg", "caption": "elsewhere"},
    ]
    folder = write_list(write_images(tmp_path / "mine", {"bad.jpg": b"none"}), rows)
    manifest = preprocess_images([folder], tmp_path / "out", sizes=(64,))
    assert manifest["found"]["images"] == 4 and manifest["found"]["captioned"] == 2
    assert sorted(rejected_in(tmp_path / "out")) == [
        ("../../1.jpg", "named in metadata.jsonl, but not among the images of its folder"),
        ("4.jpg", "named in metadata.jsonl, but not among the images of its folder"),
        ("mine/3.jpg", "no caption"),
        ("mine/bad.jpg", "no caption"),
        ("mine/metadata.jsonl, row 4", "no file_name"),
        ("mine/sub/2.png", "a caption is empty"),
        ("mine/sub/2.png", "a caption is no text but 7"),
    ]


def test_texts_beside_images_count_where_no_list_names_them(tmp_path):
    folder = write_list(write_images(tmp_path / "mine"), [{"file_name": "1.jpg", "caption": "a cow"}])
    (folder / "1.txt").write_text("not read")
    (folder / "sub" / "2.TXT").write_text("two sheep\n\na flock\n\n")
    (folder / "3.txt").write_bytes("kühe".encode("latin-1"))
    (folder / "orphan.txt").write_text("a horse")
    preprocess_images([folder], tmp_path / "out", sizes=(64,))
    assert sorted(map(captions_of, records_in(tmp_path / "out"))) == [["a cow"], ["two sheep", "a flock"]]
    assert sorted(rejected_in(tmp_path / "out")) == [
        ("mine/3.jpg", "its text is not text"),
        ("mine/orphan.txt", "a text without an image"),
    ]


def test_lists_in_folders_are_of_their_folders(tmp_path):
    for part in ("train", "test"):
        folder = tmp_path / "mine" / part
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(noise_jpeg())
        write_list(folder, [{"file_name": "a.jpg", "text": f"a cow of {part}"}])
    preprocess_images([tmp_path / "mine"], tmp_path / "out", sizes=(64,))
    assert sorted(map(captions_of, records_in(tmp_path / "out"))) == [["a cow of test"], ["a cow of train"]]


def test_the_field_of_captions_can_be_named(tmp_path):
    folder = listed(tmp_path / "mine", field="was man sieht")
    with pytest.raises(UserError, match="name the one that holds captions by --caption-field: was man sieht"):
        preprocess_images([folder], tmp_path / "out")
    preprocess_images([folder], tmp_path / "out", sizes=(64,), caption_field="was man sieht")
    assert len(records_in(tmp_path / "out")) == 3
    with pytest.raises(UserError, match="has no field title; name the one .*: caption"):
        preprocess_images([listed(tmp_path / "other")], tmp_path / "no", caption_field="title")


def test_one_record_does_not_decide_for_all(tmp_path):
    rows = [
        {"file_name": "1.jpg"},
        {"file_name": "sub/2.png", "text": "two sheep"},
        {"file_name": "3.jpg", "caption": "a"},
    ]
    preprocess_images([write_list(write_images(tmp_path / "mine"), rows)], tmp_path / "out", sizes=(64,))
    assert sorted(map(captions_of, records_in(tmp_path / "out"))) == [["a"], ["two sheep"]]
    files = {"a.jpg": noise_jpeg(), "a.json": b"{", "b.jpg": noise_jpeg(), "b.json": b'{"sha": 1}'}
    files |= {"c.1.jpg": noise_jpeg(), "c.1.txt": b"a cow", "d.jpg": noise_jpeg(), "d.txt": b"a cow"}
    manifest = preprocess_images([write_tar(tmp_path / "0.tar", files)], tmp_path / "tar", sizes=(64,))
    assert len(records_in(tmp_path / "tar")) == 1 and manifest["found"]["images"] == 3
    names = [name for name, _ in rejected_in(tmp_path / "tar")]
    assert names == ["0.tar/a", "0.tar/c.1.jpg", "0.tar/b"]


def test_words_alone_choose(tmp_path):
    manifest = preprocess_images([listed(tmp_path / "mine")], tmp_path / "out", words=["Train"], sizes=(64,))
    assert [captions_of(record) for record in records_in(tmp_path / "out")] == [["a train"]]
    assert "Dropped 2 images by --words, such as:" in list(describe(manifest, "words"))


def test_archives_beside_images_are_refused_and_names_of_any_bytes_read(tmp_path):
    folder = listed(tmp_path / "mine")
    write_tar(folder / "backup.tar", {"a.jpg": b"x"})
    with pytest.raises(UserError, match=r"holds images, such as 1.jpg, and backup.tar beside them"):
        preprocess_images([folder], tmp_path / "out")
    (folder / "backup.tar").unlink()
    name = "caf\udce9.jpg"
    (folder / name).write_bytes(noise_jpeg())
    (folder / "linked").symlink_to(write_images(tmp_path / "other"), target_is_directory=True)
    (folder / "metadata.jsonl").write_text(
        json.dumps({"file_name": name, "text": "a cow"})
        + json.dumps({"file_name": "linked/1.jpg", "text": "a"}).join("\n\n")
    )
    preprocess_images([folder], tmp_path / "out", sizes=(64,))
    names = sorted(record.features.feature["file_name"].bytes_list.value[0] for record in records_in(tmp_path / "out"))
    assert names == [b"mine/caf\\udce9.jpg", b"mine/linked/1.jpg"]


def test_a_source_that_is_lost_on_the_way_rejects_no_image(tmp_path):
    for kind in ("tar", "parquet", "zip"):
        open_source.cache_clear()
        with pytest.raises(FileNotFoundError):
            prepare(Photo(1, "0/0", ("a",), str(tmp_path / "gone"), kind=kind), (64,))


def test_a_tar_with_a_negative_size_is_damaged(tmp_path):
    tar = write_tar(tmp_path / "0.tar", {"a.jpg": b"x", "a.txt": b"a cow"})
    data = bytearray(tar.read_bytes())
    data[124:136] = b"\xff" * 10 + b"\xfe\x00"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    tar.write_bytes(data)
    with pytest.raises(UserError, match="0.tar is damaged, or no tar .a negative size"):
        preprocess_images([tar], tmp_path / "out")


def test_a_tars_captions_may_be_in_its_json(tmp_path):
    files = {"a.jpg": noise_jpeg(), "a.json": b'{"caption": "a cow", "alt": "a calf"}', "b.jpg": noise_jpeg()}
    tar = write_tar(tmp_path / "0.tar", {**files, "c.txt": b"nothing to see"})
    manifest = preprocess_images([tar], tmp_path / "out", sizes=(64,))
    assert [captions_of(record) for record in records_in(tmp_path / "out")] == [["a cow"]]
    assert manifest["found"]["images"] == 2
    assert rejected_in(tmp_path / "out") == [("0.tar/c", "captions without an image"), ("0.tar/b", "no caption")]
    preprocess_images([tar], tmp_path / "alt", sizes=(64,), caption_field="alt")
    assert [captions_of(record) for record in records_in(tmp_path / "alt")] == [["a calf"]]


@pytest.mark.parametrize("length", [100, 700, 1024, -1600, -1024, -600])
def test_a_tar_that_is_cut_short_is_named(length, tmp_path):
    place = in_tar(tmp_path / "mine") / "00000.tar"
    # Without the zeros that fill its last record.
    data = place.read_bytes().rstrip(b"\0")
    whole = data + bytes(-len(data) % 512 + 1024)
    place.write_bytes(whole)
    if length not in (-600,):  # of the two blocks of zeros at its end one is enough
        place.write_bytes(whole[:length])
        with pytest.raises(UserError, match="00000.tar is (cut short|damaged)"):
            preprocess_images([place], tmp_path / "out", sizes=(64,))
    else:
        place.write_bytes(whole[:-512])
        preprocess_images([place], tmp_path / "out", sizes=(64,))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.tar", b"text", "damaged, or no tar"),
        ("a.parquet", b"text" * 10, "damaged, or no Parquet"),
        ("a.zip", b"PK", "none of the sources that are read by --images; give it its own option, --zip"),
        ("a.jpg", b"x", "none of the sources that are read by --images; give it a folder of images"),
    ],
)
def test_files_that_are_no_sources_are_named(name, data, words, tmp_path):
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=words):
        preprocess_images([tmp_path / name], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_places_that_hold_nothing_are_named(tmp_path):
    with pytest.raises(UserError, match="nothing not found; give --images a folder"):
        preprocess_images([tmp_path / "nothing"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no .jpg, .jpeg, .jpe or other images"):
        preprocess_images([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(UserError, match="holds no captions of its images; write a file metadata.jsonl there"):
        preprocess_images([write_images(tmp_path / "bare")], tmp_path / "out")
    folder = listed(tmp_path / "mine")
    with pytest.raises(UserError, match="is named twice"):
        preprocess_images([folder, folder], tmp_path / "out")
    with pytest.raises(UserError, match="gives 1.jpg captions twice"):
        write_list(folder, [{"file_name": "1.jpg", "text": "a cow"}] * 2)
        preprocess_images([folder], tmp_path / "out")
    (folder / "metadata.jsonl").write_text('{"file_name": "1.jpg",\n')
    with pytest.raises(UserError, match=r"metadata.jsonl, line 1, is damaged, or no JSON"):
        preprocess_images([folder], tmp_path / "out")


def test_two_sources_of_one_name_stay_apart(tmp_path):
    places = [listed(tmp_path / part / "mine", {"1.jpg": [f"a cow of {part}"]}) for part in "ab"]
    preprocess_images(places, tmp_path / "out", sizes=(64,))
    records = records_in(tmp_path / "out")
    assert sorted(map(captions_of, records)) == [["a cow of a"], ["a cow of b"]]
    names = sorted(record.features.feature["file_name"].bytes_list.value[0] for record in records)
    assert names == [b"1/mine/1.jpg", b"2/mine/1.jpg"]


def test_an_image_that_changed_is_not_taken_for_the_old_one(tmp_path):
    folder = listed(tmp_path / "mine")
    preprocess_images([folder], tmp_path / "out", sizes=(64,))
    (folder / "sub" / "2.png").write_bytes(noise_jpeg())
    with pytest.raises(UserError, match="made with other settings .photos"):
        preprocess_images([folder], tmp_path / "out", sizes=(64,))


def test_the_command_takes_a_folder_of_images(tmp_path):
    folder = listed(tmp_path / "mine")
    process = command("offline_preprocess.py", "--images", folder, "--out", tmp_path / "out", "--sizes", 64)
    assert process.returncode == 0, process.stderr
    assert ("Found 3 images." in process.stdout and "1 for validation" in process.stdout) or "Kept" in process.stdout
    for given, words in (
        (["--zip", folder], "is a folder; give --zip an archive, .*or the folder's own images by --images"),
        (["--images", folder, "--captions", folder / "metadata.jsonl"], "--captions are of --zip"),
    ):
        process = command("offline_preprocess.py", *given, "--out", tmp_path / "other")
        assert process.returncode == 2 and re.search(words, process.stderr), process.stderr
