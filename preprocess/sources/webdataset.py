"""Tars as webdataset has them and img2dataset writes them: a photograph's files follow each other, of one name."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

from preprocess.shards.decode import ENDINGS, UNREAD_ENDINGS
from preprocess.sources.captions import usable
from preprocess.sources.photo import ROWS_BITS, Photo, Source, check_file_size, number_of
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.load import decode_text, parse_json
from preprocess.utils.places import open_place
from preprocess.utils.types import PathLike

# Captions are a few hundred bytes; img2dataset's JSON, with an image's EXIF data, is some kilobytes.
MAX_TEXT = 10**6


class TarSource(Source):
    """A tar, not compressed. A photograph's name is all up to its files' first dot; it has a caption as txt or json."""

    def __init__(self, archive: PathLike) -> None:
        super().__init__()
        self.archive = archive
        self.file: Any = None

    def photos(self, label: str, caption_field: str | None = None) -> Iterator[Photo]:
        number = 0
        for number, (key, files) in enumerate(self._samples()):
            name = f"{label}/{key}"
            image = next((info for ending, info in files.items() if f".{ending}" in ENDINGS + UNREAD_ENDINGS), None)
            texts = usable(name, self._captions(name, files, caption_field), self.left_out)
            if image is None:
                self._leave_out(label, name, files, texts)
            elif not texts:
                self.bare.append(name)
            else:
                yield Photo(
                    (number_of(label) >> ROWS_BITS << ROWS_BITS) + number,
                    f"{image.offset_data}+{image.size}", texts, str(self.archive), (), f"{label}/{image.name}", "tar",
                    (image.mtime,),
                )  # fmt: skip

    def _leave_out(self, label, name, files, texts):
        """Says why files that are no photograph of this kind are not used, where they seem meant to be one."""
        if other := next(filter(_looks_like_image, files.values()), None):
            self.left_out.append((f"{label}/{other.name}", "its name has a dot before its ending's"))
        elif texts:
            self.left_out.append((name, "captions without an image"))

    def read(self, member: str) -> bytes:
        self.file = self.file or open_place(self.archive)
        start, size = map(int, member.split("+"))
        check_file_size(size)
        self.file.seek(start)
        return self.file.read(size)

    def _samples(self) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
        """(name, {ending: file}) of the photographs, in the tar's order, each once its files' texts can be read."""
        with open_place(self.archive, whole=True) as self._listed:
            key, files = "", dict[str, tarfile.TarInfo]()
            for info in self._files():
                folder, slash, name = info.name.rpartition("/")
                stem, _, ending = name.partition(".")
                if f"{folder}{slash}{stem}" != key:
                    if files:
                        yield key, files
                    key, files = f"{folder}{slash}{stem}", {}
                files[ending.lower()] = info
            if files:
                yield key, files

    def _files(self) -> Iterator[tarfile.TarInfo]:
        remedy = "make it again, as a tar that is not compressed"
        size = self._listed.seek(0, io.SEEK_END)
        self._listed.seek(0)
        try:
            tar: Any
            with tarfile.open(fileobj=self._listed, mode="r:") as tar:
                for info in tar:
                    if info.size < 0:  # from which tarfile would read the same again, for ever
                        raise tarfile.ReadError("a negative size")
                    if info.isreg() and not info.issparse() and not info.name.rpartition("/")[2].startswith("."):
                        yield info
                    # It would keep all that was listed.
                    tar.members = []
                end = tar.offset
        except tarfile.TarError as error:
            raise UserError(f"{self.archive} is damaged, or no tar ({first_line(error)}); {remedy}.") from None
        self._listed.seek(min(end, size))
        # A tar ends with zeros; without them tarfile stops as if nothing were missing.
        if end > size or any(self._listed.read(tarfile.BLOCKSIZE) or b"\1"):
            raise UserError(f"{self.archive} is cut short or damaged; download or make it again.")

    def _captions(self, name, files, wanted):
        """What a photograph's txt, or a field of its JSON, says; None, with a reason where that is no fault."""
        try:
            if "json" in files and (wanted is not None or "txt" not in files):
                record = parse_json(self._text_of(files["json"]), "its JSON", "make it again", dict)
                field = self.find_field(record, wanted, self.archive)
                return record[field] if field else None
            if "txt" in files and wanted is None:
                return decode_text(self._text_of(files["txt"]), "its txt", "make it again")
        except UserError as error:
            self.left_out.append((name, str(error).partition(";")[0]))
        return None

    def _text_of(self, info):
        if info.size > MAX_TEXT:
            raise UserError(f"its {info.name.rpartition('.')[2]} is larger than {MAX_TEXT // 10**6} MB;")
        self._listed.seek(info.offset_data)
        return self._listed.read(info.size)


def _looks_like_image(info):
    return info.name.lower().endswith(ENDINGS + UNREAD_ENDINGS)
