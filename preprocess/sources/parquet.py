"""Parquet files with images' bytes and captions, as the Hub has data sets."""

from collections.abc import Iterator
from typing import Any

from preprocess.shards.decode import BadImage
from preprocess.sources.captions import caption_field as field_of
from preprocess.sources.captions import usable
from preprocess.sources.photo import ROWS_BITS, Photo, Source, number_of
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import open_place
from preprocess.utils.types import PathLike

# Captions read at once.
ROWS = 10_000
# The Hub's images are {"bytes": ..., "path": ...}; others are bytes alone.
BYTES, PATH = "bytes", "path"


class ParquetSource(Source):
    """A Parquet file. Images are read a row group at a time, 100 to 1,000 of them as the Hub writes them."""

    def __init__(self, archive: PathLike) -> None:
        super().__init__()
        self.archive = archive
        try:
            import pyarrow.parquet
        except ImportError:
            raise UserError(f"{archive} needs pyarrow to be read; run `pip install pyarrow` first.") from None
        try:
            self.file = pyarrow.parquet.ParquetFile(open_place(archive))
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise UserError(f"{archive} is damaged, or no Parquet ({first_line(error)}); download it again.") from None
        self.image = self._image_column()
        self._group: tuple[int, Any] = -1, None

    def photos(self, label: str, caption_field: str | None = None) -> Iterator[Photo]:
        fields = [field.name for field in self.file.schema_arrow if field.name != self.image]
        column = field_of(fields, caption_field, self.archive)
        first = number_of(label) >> ROWS_BITS << ROWS_BITS
        sizes = tuple(self.file.metadata.row_group(group).total_byte_size for group in range(self.file.num_row_groups))
        batches = self.file.iter_batches(ROWS, columns=[column])
        values = (value for batch in batches for value in batch.column(0).to_pylist())
        for group, size in enumerate(sizes):
            for row in range(self.file.metadata.row_group(group).num_rows):
                name = f"{label}/{group}/{row}"
                if texts := usable(name, next(values), self.left_out):
                    yield Photo(first, f"{group}/{row}", texts, str(self.archive), (), name, "parquet", (size,))
                else:
                    self.bare.append(name)
                first += 1

    def read(self, member: str) -> bytes:
        group, row = map(int, member.split("/"))
        if self._group[0] != group:
            # Given up before the next is read: it may have some hundred megabytes.
            self._group = -1, None
            self._group = group, self.file.read_row_group(group, columns=[self.image]).column(self.image)
        value = self._group[1][row].as_py()
        data = value.get(BYTES) if isinstance(value, dict) else value
        if data is None:
            raise BadImage("no bytes" + (f", but the path {value[PATH]}" if value and value.get(PATH) else ""))
        return data

    def _image_column(self):
        import pyarrow

        def holds_bytes(kind):
            if pyarrow.types.is_struct(kind):
                names = [kind.field(number).name for number in range(kind.num_fields)]
                return BYTES in names and holds_bytes(kind.field(BYTES).type)
            return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)

        found = [field.name for field in self.file.schema_arrow if holds_bytes(field.type)]
        if not found:
            raise UserError(f"{self.archive} has no column of images' bytes; name a file that has one, as the Hub's.")
        return "image" if "image" in found else found[0]
