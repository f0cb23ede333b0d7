"""Sources at addresses: a server of this machine that counts what it sends, and fsspec's memory."""

import contextlib
import functools
import http.server
import re
import threading

import pytest

from preprocess.coco.build import preprocess_coco
from preprocess.sources.build import preprocess_images
from preprocess.sources.folder import FolderSource
from preprocess.utils.errors import UserError
from tests.helpers import noise_jpeg, write_coco
from tests.preprocess.sources.written import CAPTIONS, IMAGES, SOURCES, listed


class RangeServer(http.server.SimpleHTTPRequestHandler):
    """Serves files and parts of files, and counts what it sends."""

    sent = 0

    def do_HEAD(self):
        self._send(body=False)

    def do_GET(self):
        self._send(body=True)

    def _send(self, body):
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        start, end = map(int, wanted.groups()) if wanted else (0, len(data) - 1)
        part = data[start : end + 1]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if not body:
            return
        type(self).sent += len(part)
        # A reader that has enough hangs up.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(part)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("aiohttp")
    handler = functools.partial(RangeServer, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        RangeServer.sent = 0
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_of_a_remote_zip_only_the_directory_and_the_chosen_are_read(server, tmp_path):
    files = {f"{number:03d}.jpg": noise_jpeg() + bytes(2_000_000) for number in range(10)}
    captions = {name: ["a cow" if name == "004.jpg" else "a train"] for name in files}
    zip_path = write_coco(tmp_path / "coco", files, captions)
    preprocess_coco(f"{server}/coco/train2017.zip", tmp_path / "far", sizes=(64,))
    assert RangeServer.sent < 2 * len(noise_jpeg()) + 3_000_000 < zip_path.stat().st_size / 5
    preprocess_coco(zip_path, tmp_path / "near", sizes=(64,))
    near, far = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("near", "far"))
    assert near == far


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_remote_sources_give_what_they_give_here(kind, server, tmp_path):
    folder = SOURCES[kind](tmp_path / "mine")
    name = next(path.name for path in folder.iterdir() if path.suffix == f".{kind}")
    preprocess_images([f"{server}/mine/{name}"], tmp_path / "far", sizes=(64,))
    preprocess_images([folder / name], tmp_path / "near", sizes=(64,))
    near, far = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("near", "far"))
    assert near == far


def test_a_folder_at_an_address_is_listed_and_read(tmp_path):
    upath = pytest.importorskip("upath")
    folder = listed(tmp_path / "mine")
    for path in folder.rglob("*"):
        if path.is_file():
            place = upath.UPath("memory://bucket/mine") / path.relative_to(folder).as_posix()
            place.write_bytes(path.read_bytes())
    source = FolderSource("memory://bucket/mine")
    photos = list(source.photos("mine"))
    assert {photo.name: list(photo.captions) for photo in photos} == {f"mine/{n}": t for n, t in CAPTIONS.items()}
    assert all(source.read(photo.member) == IMAGES[photo.name.removeprefix("mine/")] for photo in photos)


def test_what_is_not_at_an_address_is_a_sentence(server, tmp_path):
    with pytest.raises(UserError, match="0.tar not found"):
        preprocess_images([f"{server}/0.tar"], tmp_path / "out")
    with pytest.raises(UserError, match="nowhere://a/b.tar cannot be opened .*; name a file, a folder or an address"):
        preprocess_images(["nowhere://a/b.tar"], tmp_path / "out")
