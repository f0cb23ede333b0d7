"""The same three images in every kind of source."""

import io
import json
import tarfile

import pytest

from tests.helpers import noise_jpeg

CAPTIONS = {"1.jpg": ["a cow", "a brown cow"], "sub/2.png": ["two sheep"], "3.jpg": ["a train"]}


def png():
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (30, 40), "green").save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = {"1.jpg": noise_jpeg(), "sub/2.png": png(), "3.jpg": noise_jpeg()}


def write_images(folder, more=()):
    for name, data in {**IMAGES, **dict(more)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_list(folder, rows):
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder


def listed(folder, captions=CAPTIONS, field="caption"):
    return write_list(write_images(folder), [{"file_name": name, field: texts} for name, texts in captions.items()])


def beside(folder):
    for name, texts in CAPTIONS.items():
        (write_images(folder) / name).with_suffix(".txt").write_text("\n".join(texts))
    return folder


def in_csv(folder):
    rows = [("file_name", "text"), *((name, texts[0]) for name, texts in CAPTIONS.items())]
    (write_images(folder) / "metadata.csv").write_text("\n".join(",".join(row) for row in rows))
    return folder


def write_tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def in_tar(folder):
    files = {}
    for name, texts in CAPTIONS.items():
        key = name.rpartition(".")[0]
        files |= {name: IMAGES[name], f"{key}.txt": texts[0].encode(), f"{key}.json": json.dumps({"sha": 1}).encode()}
    write_tar(folder / "00000.tar", files)
    (folder / "00000.parquet").write_bytes(b"img2dataset's own list, which is not read")
    return folder


def in_parquet(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    folder.mkdir()
    table = {"image": [{"bytes": IMAGES[name], "path": name} for name in CAPTIONS], "caption": list(CAPTIONS.values())}
    parquet.write_table(pyarrow.table(table), folder / "train-00000.parquet", row_group_size=2)
    return folder


SOURCES = {"list": listed, "csv": in_csv, "beside": beside, "tar": in_tar, "parquet": in_parquet}
