"""Makes one shard of its parts."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable

from etl import storage, variants
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.format.index import RecordList
from etl.format.layout import LIST_SUFFIX, SHARD_SUFFIX
from etl.format.tfrecord import RecordWriter, frame_record, read_records
from etl.records import UnitResult
from etl.work.unit import NO_SUMS


def assemble(config: EtlConfig, results: Iterable[UnitResult], building_dir: str) -> UnitResult:
    """Makes one shard of the results of its units.

    The parts are files, not elements of a shuffle, so that no runner ever holds a shard's records in memory.

    Args:
        config: The run's configuration.
        results: Of all units of the shard; of several attempts at one the first is taken.
        building_dir: The run's own folder.

    Returns:
        What was made; the only result itself, where a shard is one unit.

    Raises:
        DatasetError: the parts were made by networks of different weights.
    """
    parts: dict[int, UnitResult] = {}
    for result in results:
        parts.setdefault(result.unit.part, result)
    in_order = [parts[part] for part in sorted(parts)]
    first = in_order[0]
    if variants.find(first.unit.variant).unit_size is None:
        return first
    if len({part.weights_digest for part in in_order}) > 1:
        raise DatasetError(f"{first.unit.shard}: its embeddings come from networks of different weights")
    return storage.again_if_lost(lambda: _join(config, in_order, building_dir))


def _join(config: EtlConfig, in_order: list[UnitResult], building_dir: str) -> UnitResult:
    first = in_order[0]
    stem = f"{building_dir}/{first.unit.shard}.{uuid.uuid4().hex}"
    path = f"{stem}{SHARD_SUFFIX}"
    compressed = config.compression == "gzip"
    with storage.create(path) as stream, RecordList(f"{stem}{LIST_SUFFIX}") as listed:
        writer = RecordWriter(stream, compressed=compressed)
        for part in in_order:
            with storage.open_stream(part.shard_path) as source:
                for record in read_records(source):
                    writer.write(frame_record(record, compressed=compressed))
            listed.extend(part.list_path)
        num_bytes, sha256 = writer.finish()
    return UnitResult(
        unit=first.unit,
        shard_path=path,
        rejected_paths=tuple(path for part in in_order for path in part.rejected_paths),
        num_examples=writer.num_records,
        num_bytes=num_bytes,
        sha256=sha256,
        list_path=listed.path,
        list_sha256=listed.sha256,
        class_counts=dict(sorted(sum((Counter(part.class_counts) for part in in_order), Counter()).items())),
        rejected=dict(sorted(sum((Counter(part.rejected) for part in in_order), Counter()).items())),
        pixel_sums=tuple(map(sum, zip(NO_SUMS, *(part.pixel_sums for part in in_order), strict=True))),
        weights_digest=first.weights_digest,
    )
