"""Finds what an unfinished run left behind, and which of it the same job can keep."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from etl import storage, variants
from etl.backbones.weights import IMAGENET
from etl.config import EtlConfig
from etl.format import layout
from etl.parallel import ordered_map
from etl.plan.lines import decode_rejections, decode_result
from etl.plan.output import unfinished_runs
from etl.plan.software import software
from etl.records import Unit, UnitResult
from etl.storage.reading import NUM_READERS
from etl.storage.stored import StoredFile

_CHUNK_BYTES = 1 << 20


def job_digest(config: EtlConfig, class_names: Sequence[str], plans: Iterable[bytes]) -> str:
    """Returns what two runs share if and only if they make the same data set.

    Args:
        config: The run's configuration.
        class_names: In the order of `label_int`.
        plans: Every unit's list of images, in order, which holds the images' digests.

    Returns:
        SHA-256 in hexadecimal, of these, of the embeddings' weights and of the versions of the software.
    """
    facts = [config.to_dict(), software(), list(class_names), _weights_digest(config)]
    sha256 = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for plan in plans:
        sha256.update(hashlib.sha256(plan).digest())
    return sha256.hexdigest()


def _weights_digest(config: EtlConfig) -> str:
    """Returns the digest of the files of weights; "" where there are none: those of ImageNet never change."""
    every = (variant.weights(config) for variant in variants.chosen(config))
    paths = [each.source for each in every if each is not None and each.source not in (None, IMAGENET)]
    return "".join(hashlib.sha256(storage.read_bytes(path)).hexdigest() for path in paths if path)


def find(config: EtlConfig, digest: str) -> str | None:
    """Returns the folder of an unfinished run of the same job, if there is one."""
    for folder in unfinished_runs(config.output):
        path = f"{folder}/{layout.JOB_NAME}"
        if storage.exists(path) and storage.read_bytes(path) == digest.encode():
            return folder
    return None


def keep_done(units: list[Unit], building_dir: str) -> list[Unit]:
    """Marks the units that an earlier attempt finished.

    Args:
        units: Of the job.
        building_dir: The folder of the earlier run, which this one goes on in.

    Returns:
        The units in order, `done_path` set where a result's files are there with the digest that was noted; on an
        object store, which keeps no half objects, with the size.
    """
    found = {file.path: file for file in storage.scan(building_dir)}
    paths = [path for path in found if path.endswith(layout.RESULT_SUFFIX)]
    contents = ordered_map(storage.read_bytes, paths, NUM_READERS)
    done: dict[tuple[str, int], str] = {}
    for path, content in zip(paths, contents, strict=True):
        try:
            result = decode_result(content)
        except ValueError:
            # Damaged: the unit is done once more, as one of which nothing is there.
            continue
        if _is_whole(result, found):
            done[result.unit.shard, result.unit.part] = path
    return [dataclasses.replace(unit, done_path=done.get((unit.shard, unit.part), "")) for unit in units]


def _is_whole(result: UnitResult, found: Mapping[str, StoredFile]) -> bool:
    files = {result.shard_path: result.sha256, result.list_path: result.list_sha256}
    if not all(path in found for path in (*files, *result.rejected_paths)):
        return False
    if storage.lists_digests(result.shard_path):
        # Objects appear whole or not at all, so nothing is downloaded to be sure.
        return found[result.shard_path].num_bytes == result.num_bytes
    return all(map(_has_digest, files, files.values())) and _lists_rejected(result)


def _lists_rejected(result: UnitResult) -> bool:
    """Tells whether the rejections of a unit are all there."""
    try:
        num_read = sum(len(list(decode_rejections(storage.read_bytes(path)))) for path in result.rejected_paths)
    except (FileNotFoundError, ValueError):
        return False
    return num_read == sum(result.rejected.values())


def _has_digest(path: str, digest: str) -> bool:
    sha256 = hashlib.sha256()
    try:
        with storage.open_stream(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha256.update(chunk)
    except FileNotFoundError:
        return False
    return sha256.hexdigest() == digest
