"""Checks a variant's `index.parquet` against its manifest and its shards."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from google.protobuf.message import DecodeError

from etl import storage
from etl.errors import one_line
from etl.format.index import HEAD_BYTES, index_schema
from etl.format.layout import INDEX_NAME
from etl.format.manifest import Shard, Variant
from etl.format.tfrecord import FRAME_BYTES
from etl.paths import join
from etl.words import quantity

_ROWS_PER_BATCH = 8_192

_Row = Mapping[str, Any]


def row_facts(key: str, label: str, label_int: int, shape: Sequence[int], digest: str, length: int) -> bytes:
    """Returns what a row says of its record, for a digest over all of a shard."""
    return json.dumps([key, label, label_int, *shape, digest, length]).encode()


def check_index(data_dir: str, variant: Variant, digests: Mapping[str, bytes] | None = None) -> list[str]:
    """Checks that the index lists every record of a variant, in order, and where it is.

    Every row's shard and place are checked against the manifest and the row before it. Records are read where the index
    says they are: the first, the middle and the last of each shard, all of one whose digest is not that of its rows,
    and none where it is. The shards themselves must be whole.

    Args:
        data_dir: The data set's folder.
        variant: Of it.
        digests: Shard to the BLAKE2b digest of its records' facts, see `row_facts`, where all have been read.

    Returns:
        One line a problem: the first of each shard; none where all is well.
    """
    where = f"{variant.name}/{INDEX_NAME}"
    try:
        return [f"{where}: {problem}" for problem in _check(data_dir, variant, digests or {})]
    except FileNotFoundError:
        return [f"{where}: the file is missing"]
    except (pa.ArrowException, OSError, ValueError) as error:
        return [f"{where}: can't be read: {one_line(error)[:300]}"]


def _check(data_dir: str, variant: Variant, digests: Mapping[str, bytes]) -> Iterator[str]:
    rows = _rows(join(data_dir, variant.name, INDEX_NAME))
    columns, expected = next(rows), {field.name: str(field.type) for field in index_schema()}
    if set(columns) != set(expected):
        yield f"its columns are {', '.join(columns)}, not {', '.join(expected)}"
        return
    if columns != expected:
        name = next(name for name in expected if columns[name] != expected[name])
        yield f"its column {name} is {columns[name]}, not {expected[name]}"
        return
    for split in variant.splits.values():
        for shard in split.shards:
            mine = list(itertools.islice(rows, shard.num_examples))
            problem = _check_places(mine, split.name, shard, compressed=variant.compression == "gzip")
            if problem:
                yield problem
                # What follows is shifted too, and would only say the same again.
                return
            if digests.get(shard.name) == _digest(mine):
                continue
            path = join(data_dir, variant.name, shard.name)
            places = range(len(mine)) if shard.name in digests else sorted({0, len(mine) // 2, len(mine) - 1})
            yield from itertools.islice(_check_records(path, mine, places, compressed=variant.compression == "gzip"), 1)
    if next(rows, None):
        yield "it lists more records than the manifest has examples"


def _rows(path: str) -> Iterator[_Row]:
    """Yields the columns with their types, then the rows.

    Raises:
        ValueError: a value is missing.
    """
    with storage.open_stream(path) as stream, pq.ParquetFile(stream) as file:
        yield {field.name: str(field.type) for field in file.schema_arrow}
        for batch in file.iter_batches(_ROWS_PER_BATCH):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if column.null_count:
                    raise ValueError(f"its column {name} has rows without a value")
            yield from batch.to_pylist()


def _check_places(rows: Sequence[_Row], split: str, shard: Shard, *, compressed: bool) -> str:
    """Returns what is wrong with the places in one shard, or ""."""
    if len(rows) != shard.num_examples:
        return f"{quantity(len(rows), 'record')} of {shard.name}, the manifest says {shard.num_examples:,}"
    end = 0
    for row in rows:
        if (row["split"], row["shard"]) != (split, shard.name):
            return f"{row['key']!r} is listed in {row['shard']} of {row['split']}, where {shard.name} is due"
        if row["offset"] != end + HEAD_BYTES:
            return f"{row['key']!r} is listed at byte {row['offset']} of {shard.name}, not {end + HEAD_BYTES}"
        end += row["length"] + FRAME_BYTES
    if not compressed and end != shard.num_bytes:
        return f"the records of {shard.name} end at byte {end}, its file at {shard.num_bytes}"
    return ""


def _digest(rows: Sequence[_Row]) -> bytes:
    digest = hashlib.blake2b()
    for row in rows:
        shape = row["height"], row["width"], row["channels"]
        digest.update(row_facts(row["key"], row["label"], row["label_int"], shape, row["digest"], row["length"]))
    return digest.digest()


def _check_records(path: str, rows: Sequence[_Row], places: Iterable[int], *, compressed: bool) -> Iterator[str]:
    """Reads records where the index says they are; yields a line for each that is another one."""
    with storage.open_stream(path) as file:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if compressed else file
        for place in places:
            row = rows[place]
            stream.seek(row["offset"])
            try:
                example = tf.train.Example.FromString(stream.read(row["length"]))
            except DecodeError:
                yield f"{row['key']!r}: no example is at byte {row['offset']} of {row['shard']}"
                continue
            for name, listed in _expected(row).items():
                feature = example.features.feature[name]
                stored = [*feature.bytes_list.value, *feature.int64_list.value]
                if stored != listed:
                    yield f"{row['key']!r}: its {name} is listed as {listed}, the record has {stored}"


def _expected(row: _Row) -> dict[str, list[bytes | int]]:
    """Returns what a record must hold for its row to be right."""
    texts: dict[str, list[bytes | int]] = {name: [row[name].encode()] for name in ("key", "label", "digest")}
    return {**texts, "label_int": [row["label_int"]], "shape": [row["height"], row["width"], row["channels"]]}
