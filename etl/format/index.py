"""`index.parquet`: where each record of a variant lies, for random access with any Parquet reader.

A worker lists the records of its file in a file beside it; the last step joins these lists into one index.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl import storage
from etl.errors import DatasetError
from etl.format.layout import INDEX_NAME
from etl.format.manifest import Variant
from etl.format.tfrecord import FRAME_BYTES
from etl.paths import join

# Of a frame, what stands before its record: the length and its checksum.
HEAD_BYTES = 12

# Records held before they are written: a few megabytes.
_ROWS_PER_BATCH = 8_192
# Readers that look for one key skip none of these, so they are as large as still fits in memory many times over.
_ROWS_PER_GROUP = 65_536


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A written index: its size in bytes and its SHA-256 in hexadecimal."""

    num_bytes: int
    sha256: str


class RecordList:
    """Lists the records of one file in another one, as they are written. A context manager: the list ends with it.

    Args:
        path: Of the list.

    Attributes:
        path: As given.
        sha256: Of the list's file in hexadecimal, once it is complete.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.sha256 = ""
        self._rows: list[tuple[str | int, ...]] = []
        self._schema = _list_schema()
        self._file = _Sink(path)
        # A stream, not a file of Arrow's: it is written and read from front to back, which object stores can do.
        self._writer = pa.ipc.new_stream(self._file, self._schema)

    def __enter__(self) -> RecordList:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._file.close()
        self.sha256 = self._file.sha256

    def add(self, key: str, label: str, label_int: int, digest: str, shape: Sequence[int], length: int) -> None:
        """Appends the record that was just written.

        Args:
            key: Of its image.
            label: The class name.
            label_int: The label's place among the class names.
            digest: MD5 of the image's file in hexadecimal.
            shape: Height, width and channels, as the record says.
            length: Of the record in bytes, without its frame.
        """
        self._rows.append((key, label, label_int, *shape, length, digest))
        if len(self._rows) >= _ROWS_PER_BATCH:
            self._flush()

    def extend(self, path: str) -> None:
        """Appends the records of another list, whose file follows this one's."""
        self._flush()
        for batch in _read_list(path):
            self._writer.write_batch(batch)

    def _flush(self) -> None:
        if self._rows:
            columns = zip(zip(*self._rows, strict=True), self._schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in columns]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._rows.clear()


def write_index(data_dir: str, variant: Variant, list_paths: Sequence[str], building_dir: str) -> IndexFile:
    """Writes a variant's index beside its shards; equal lists make equal bytes, and none is held in memory as a whole.

    Args:
        data_dir: The data set's folder.
        variant: What was written.
        list_paths: The records of each of its shards, in the order of splits and shards.
        building_dir: The run's own folder.

    Returns:
        The size and the digest of the index.

    Raises:
        DatasetError: a list has another number of records than its shard.
    """
    shards = [(split.name, shard) for split in variant.splits.values() for shard in split.shards]
    path = f"{building_dir}/{variant.name}/{uuid.uuid4().hex}.{INDEX_NAME}"
    with _Sink(path) as file, pq.ParquetWriter(file, index_schema(), compression="zstd") as writer:
        groups = _Groups(writer)
        for (split, shard), list_path in zip(shards, list_paths, strict=True):
            num_records = 0
            for table in _with_places(_read_list(list_path), split, shard.name):
                groups.add(table)
                num_records += table.num_rows
            if num_records != shard.num_examples:
                raise DatasetError(
                    f"{variant.name}/{shard.name}: {shard.num_examples:,} examples, its list has {num_records:,}"
                )
        groups.finish()
    storage.move(path, join(data_dir, variant.name, INDEX_NAME))
    return IndexFile(file.num_bytes, file.sha256)


def index_schema() -> pa.Schema:
    """Returns the columns of `index.parquet`."""
    text, number, place = pa.string(), pa.int32(), pa.int64()
    columns = {
        "key": text,
        "split": text,
        "label": text,
        "label_int": place,
        "height": number,
        "width": number,
        "channels": number,
        "shard": text,
        "offset": place,
        "length": place,
        "digest": text,
    }
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def _list_schema() -> pa.Schema:
    """Returns the columns of a list: those of the index that the file itself decides."""
    return pa.schema([field for field in index_schema() if field.name not in ("split", "shard", "offset")])


def _read_list(path: str) -> Iterator[pa.RecordBatch]:
    try:
        with storage.open_stream(path) as file, pa.ipc.open_stream(file) as reader:
            yield from reader
    except FileNotFoundError:
        raise DatasetError(f"{path}: the list is gone; was the folder cleaned while the run went on?") from None


def _with_places(batches: Iterable[pa.RecordBatch], split: str, shard: str) -> Iterator[pa.Table]:
    """Adds to a shard's lists where it is, and where in it each record is."""
    schema = index_schema()
    start = 0
    for batch in batches:
        lengths = batch.column("length").to_numpy()
        # Records stand one behind another, so where one starts follows from the lengths of those before it.
        ends = start + np.cumsum(lengths + FRAME_BYTES)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns["offset"] = pa.array(ends - lengths - (FRAME_BYTES - HEAD_BYTES))
        columns["split"] = pa.repeat(split, batch.num_rows)
        columns["shard"] = pa.repeat(shard, batch.num_rows)
        yield pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
        start = int(ends[-1]) if len(ends) else start


class _Groups:
    """Writes tables as row groups that are all of one size, but for the last, wherever the tables end."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        self._num_rows = 0

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._num_rows += table.num_rows
        while self._num_rows >= _ROWS_PER_GROUP:
            self._write(_ROWS_PER_GROUP)

    def finish(self) -> None:
        if self._num_rows:
            self._write(self._num_rows)

    def _write(self, num_rows: int) -> None:
        table = pa.concat_tables(self._waiting)
        self._writer.write_table(table.slice(0, num_rows).combine_chunks(), row_group_size=num_rows)
        self._num_rows -= num_rows
        self._waiting = [table.slice(num_rows)]


class _Sink(io.RawIOBase):
    """A new file as Arrow wants one, on any file system: it tells its place and keeps its digest."""

    def __init__(self, path: str) -> None:
        self._stream = storage.create(path)
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.num_bytes

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._stream.write(chunk)
        self._digest.update(chunk)
        self.num_bytes += len(chunk)
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
