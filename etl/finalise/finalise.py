"""The last step: committed shards get their final names, then the manifest is written.

Until then everything lies under `.building-<run id>/`, where nobody takes it for a data set.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import platform
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from typing import Any

import etl
from etl import card, sources, storage, variants
from etl.cli import note
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.finalise import croissant, tfds_info
from etl.finalise import rejected as rejected_inputs
from etl.format import index
from etl.format import manifest as manifests
from etl.format.manifest import Counts, Manifest, Shard, Split, Statistics, Variant
from etl.parallel import ordered_map
from etl.plan.lines import decode_rejections
from etl.plan.sharding import shard_name
from etl.records import UnitResult
from etl.runners.failures import essence
from etl.storage import locks, publishing
from etl.storage.reading import NUM_READERS
from etl.work.unit import STATISTICS_STRIDE

# Beside the shards of a variant, for other readers.
_BESIDE_SHARDS = (index.FILE_NAME, *tfds_info.FILE_NAMES)
# Beside the manifest.
_BESIDE_MANIFEST = (croissant.FILE_NAME, manifests.REJECTED_NAME)
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}\.tfrecord(?:\.gz)?")
# In the run's own folder: what is to be put in place, and what made room for it.
_NEW = "new"
_REPLACED = "replaced"

_PACKAGES = ("tensorflow", "pillow", "simplejpeg", "numpy", "apache-beam")


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What the plan knows and no unit does.

    Attributes:
        run_id: Names the run's own folder.
        job: What equal runs share, see `etl.plan.resume.job_digest`.
        started: Seconds since the epoch.
        runner: Name of the Beam runner.
        class_names: In the order of `label_int`.
        splits: In order, also those without an image.
        num_read: All inputs.
        rejected: Reason to number of inputs that listing alone rejected.
        rejected_path: Those, one a line.
        duplicates: As in the manifest.
        num_shards: How many results there must be.
        replaces: `content_digest` of the manifest that was there when the run began: it replaces that data set alone.
        ignored: Kind to number of files and folders that are no inputs.
    """

    run_id: str
    job: str
    started: float
    runner: str
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    num_read: int
    rejected: Mapping[str, int]
    rejected_path: str
    duplicates: Mapping[str, int]
    num_shards: int
    replaces: str
    ignored: Mapping[str, int] = field(default_factory=dict)

    def building_dir(self, output: str) -> str:
        """Returns the run's own folder."""
        return building_dir(output, self.run_id)


def building_dir(output: str, run_id: str) -> str:
    """Returns a run's own folder in an output."""
    return f"{output}/{manifests.BUILDING_PREFIX}{run_id}"


def finalise(config: EtlConfig, facts: PlanFacts, results: Iterable[UnitResult]) -> Manifest:
    """Moves the shards of committed attempts to their final names and writes the manifest.

    May be called again for the same run, after it failed half-way or after it was done.

    Args:
        config: The run's configuration.
        facts: Of its plan.
        results: One for each shard; of several attempts any is as good.

    Returns:
        The manifest that was written.

    Raises:
        DatasetError: too many inputs were rejected, the results don't add up, or a shard is gone.
        OvertakenError: another run has written a data set there since this one began.
    """
    committed = {(result.unit.variant, result.unit.split, result.unit.index): result for result in results}
    if len(committed) != facts.num_shards:
        raise DatasetError(f"{facts.num_shards} shards were planned, {len(committed)} were made")
    in_order = [committed[place] for place in sorted(committed)]
    counts = _count(config, facts, in_order)
    manifest = Manifest(
        dataset=sources.dataset_name(config.source, config.options),
        class_names=facts.class_names,
        counts=counts,
        variants={name: _variant(config, facts, name, in_order) for name in config.variants},
        duplicates=facts.duplicates,
        ignored=facts.ignored,
        config=config.to_dict(),
        software=software(),
        run={
            "id": facts.run_id,
            "job": facts.job,
            "runner": facts.runner,
            "started": datetime.fromtimestamp(facts.started, timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.time() - facts.started, 1),
        },
    )
    _publish(config, facts, manifest, in_order)
    return manifest


def software() -> dict[str, str]:
    """Returns the versions on which the bytes of a shard can depend."""
    versions = {"petalstream": etl.__version__, "python": platform.python_version(), "machine": platform.machine()}
    return versions | {name: metadata.version(name) for name in _PACKAGES}


def _count(config: EtlConfig, facts: PlanFacts, results: list[UnitResult]) -> Counts:
    """Adds up the units of each variant, which must agree, since all judge the same inputs."""
    tallies = {}
    for name in config.variants:
        mine = [result for result in results if result.unit.variant == name]
        rejected = Counter(facts.rejected)
        for result in mine:
            rejected.update(result.rejected)
        written = sum(result.num_examples for result in mine)
        tallies[name] = Counts(facts.num_read, written, dict(sorted(rejected.items())), facts.duplicates["images"])
    first = tallies[config.variants[0]]
    for name, tally in tallies.items():
        if tally != first:
            raise DatasetError(
                f"variants {config.variants[0]} and {name} rejected different inputs: {first} and {tally}"
            )
    if rejected_inputs.is_too_many(first.rejected, first.read, config.max_rejected_fraction):
        listed = (decode_rejections(storage.read_bytes(path)) for path in _rejected_paths(config, facts, results))
        every = itertools.chain.from_iterable(listed)
        rejected_inputs.fail(first.rejected, first.read, config.max_rejected_fraction, every, config.output)
    return first


def _rejected_paths(config: EtlConfig, facts: PlanFacts, results: list[UnitResult]) -> list[str]:
    """Returns the files that list the rejected inputs, each input once: all variants reject the same."""
    mine = [result for result in results if result.unit.variant == config.variants[0]]
    return [facts.rejected_path, *(path for result in mine for path in result.rejected_paths)]


def _variant(config: EtlConfig, facts: PlanFacts, name: str, results: list[UnitResult]) -> Variant:
    splits = {}
    compressed = config.compression == "gzip"
    for split in facts.splits:
        mine = _shards_of(results, name, split)
        classes: Counter[str] = Counter(dict.fromkeys(facts.class_names, 0))
        for result in mine:
            classes.update(result.class_counts)
        shards = tuple(
            Shard(
                shard_name(split, index, len(mine), compressed=compressed),
                result.num_examples,
                result.num_bytes,
                result.sha256,
            )
            for index, result in enumerate(mine)
        )
        splits[split] = Split(
            name=split,
            num_examples=sum(shard.num_examples for shard in shards),
            num_bytes=sum(shard.num_bytes for shard in shards),
            class_counts=dict(classes),
            shards=shards,
        )
    measured = next((split for split in facts.splits if splits[split].num_examples), "")
    return Variant(
        name=name,
        image=variants.image_spec(config, name),
        features=variants.features(config, name),
        splits=splits,
        compression=config.compression,
        statistics=_statistics(measured, _shards_of(results, name, measured)),
        embedding=_embedding(config, results) if name == "embedding" else None,
    )


def _embedding(config: EtlConfig, results: list[UnitResult]) -> dict[str, Any]:
    """Describes the network that made the embeddings, which must be one and the same."""
    digests = {result.weights_digest for result in results if result.weights_digest}
    if len(digests) != 1:
        raise DatasetError(f"the embeddings come from {len(digests)} networks of different weights")
    return {
        "model": "MobileNetV2",
        "alpha": config.embedding_alpha,
        "weights": config.embedding_weights,
        "weights_sha256": digests.pop(),
    }


def _shards_of(results: Iterable[UnitResult], variant: str, split: str) -> list[UnitResult]:
    """Returns the shards of one split that hold an example, in order."""
    return [
        result
        for result in results
        if result.unit.variant == variant and result.unit.split == split and result.num_examples
    ]


def _statistics(split: str, results: list[UnitResult]) -> Statistics | None:
    sums = [sum(column) for column in zip(*(result.pixel_sums for result in results), strict=True)]
    if not sums or not sums[0]:
        return None
    number = sums[0]
    mean = [total / number for total in sums[1:4]]
    std = [math.sqrt(max(0.0, square / number - center**2)) for square, center in zip(sums[4:7], mean, strict=True)]
    rounded = [tuple(round(value, 4) for value in values) for values in (mean, std)]
    return Statistics(split, rounded[0], rounded[1], STATISTICS_STRIDE)  # type: ignore[arg-type]


def _publish(config: EtlConfig, facts: PlanFacts, manifest: Manifest, results: list[UnitResult]) -> None:
    """Puts everything in its place; at every moment the folder holds a complete data set or no manifest."""
    own_dir = facts.building_dir(config.output)
    path = manifests.join(config.output, manifests.FILE_NAME)
    lock_path = manifests.join(config.output, publishing.LOCK_NAME)
    with locks.hold(lock_path, "--output", config.output, wait_seconds=math.inf) as lock:
        recover(config.output)
        old = read_manifest(config.output)
        # Else an earlier attempt at this very step came to its end, or nearly.
        if not _is_made_by(old, facts.run_id):
            if content_digest(old) != facts.replaces:
                raise publishing.OvertakenError(
                    f"{path}: another run has written a data set there since this one began, and it stays; "
                    "the same command with --resume --overwrite replaces it"
                )
            placed = _prepare(config, facts, manifest, results)
            replaced = _replaced(config, facts, manifest, old)
            new_mark = f"{own_dir}/{_NEW}/{manifests.FILE_NAME}"
            storage.write_atomically(new_mark, manifests.to_json(manifest).encode())
            publishing.exchange(publishing.Exchange(own_dir, path, new_mark, replaced, placed), lock.check)
            _delete_empty(config.output, {place.rpartition("/")[0] for place, _ in replaced}, manifest)
    _draw_card(config.output, manifest)
    storage.delete_tree(own_dir)


def _prepare(
    config: EtlConfig, facts: PlanFacts, manifest: Manifest, results: list[UnitResult]
) -> list[tuple[str, str]]:
    """Writes all that belongs to the data set into the run's own folder, and checks that its shards are there.

    Returns:
        Each file, and its place in the data set.

    Raises:
        DatasetError: a shard is gone.
    """
    own_dir = facts.building_dir(config.output)
    new_dir = f"{own_dir}/{_NEW}"
    found = {file.path for file in storage.scan(own_dir)}
    placed, indexes = [], {}
    for name, variant in manifest.variants.items():
        targets: dict[str, UnitResult] = {}
        for split in facts.splits:
            shards = variant.splits[split].shards
            targets |= zip((shard.name for shard in shards), _shards_of(results, name, split), strict=True)
        gone = next((result.shard_path for result in targets.values() if result.shard_path not in found), None)
        if gone is not None:
            raise DatasetError(f"{gone}: the shard is gone; was the folder cleaned while the run went on?")
        placed += [(result.shard_path, manifests.join(config.output, name, shard)) for shard, result in targets.items()]
        lists = [result.list_path for result in targets.values()]
        write = partial(index.write_index, new_dir, variant, lists, own_dir)
        indexes[name] = storage.again_if_lost(write)
        tfds_info.write_info(new_dir, manifest, variant)
        placed += [(f"{new_dir}/{name}/{each}", manifests.join(config.output, name, each)) for each in _BESIDE_SHARDS]
    croissant.write_croissant(new_dir, manifest, indexes)
    lines = b"".join(ordered_map(storage.read_bytes, _rejected_paths(config, facts, results), NUM_READERS))
    storage.write_atomically(f"{new_dir}/{manifests.REJECTED_NAME}", lines)
    placed += [(f"{new_dir}/{each}", manifests.join(config.output, each)) for each in _BESIDE_MANIFEST]
    there = {file.path for file in storage.scan(new_dir)} | found
    return [(source, place) for source, place in placed if source in there]


def _replaced(config: EtlConfig, facts: PlanFacts, manifest: Manifest, old: bytes | None) -> list[tuple[str, str]]:
    """Lists what there is of an earlier data set, and of none: nothing else in the folder is touched.

    Returns:
        Each file, and the place in the run's own folder to which it is moved.
    """
    variants_of, splits = set(manifest.variants), set(facts.splits)
    try:
        earlier = manifests.from_json(old.decode("utf-8", "replace"), config.output) if old is not None else None
    except DatasetError:
        earlier = None
    for name, variant in (earlier.variants if earlier else {}).items():
        variants_of.add(name)
        splits |= set(variant.splits)
    paths = [
        manifests.join(config.output, each)
        for each in (*_BESIDE_MANIFEST, card.FILE_NAME, rejected_inputs.FAILED_NAME)
        if storage.exists(manifests.join(config.output, each))
    ]
    for name in sorted(variants_of):
        for path in storage.list_files(manifests.join(config.output, name)):
            file_name = path.rpartition("/")[2]
            shard = _SHARD.fullmatch(file_name)
            # A shard of no manifest is one that a run left that was killed; readers that go by names would read it.
            if file_name in _BESIDE_SHARDS or (shard is not None and shard[1] in splits):
                paths.append(path)
    own_dir = facts.building_dir(config.output)
    return [(path, f"{own_dir}/{_REPLACED}/{number:06d}") for number, path in enumerate(paths)]


def _delete_empty(output: str, folders: Iterable[str], manifest: Manifest) -> None:
    """Deletes the folders of variants that this data set no longer has, where nothing else is in them."""
    kept = {output, *(manifests.join(output, name) for name in manifest.variants)}
    for folder in sorted(set(folders) - kept):
        if next(storage.list_files(folder), None) is None:
            storage.delete_tree(folder)


def _draw_card(output: str, manifest: Manifest) -> None:
    """Draws the data set's page; the data set is complete without it."""
    try:
        card.write_card(output, manifest)
    # Whatever it is, it must not cost the data set.
    except Exception as error:
        note(f"warning: {output}: {card.FILE_NAME} could not be made: {essence(str(error) or type(error).__name__)}")
        note(f"the data set is complete; python -m etl.card {output} tries again")


def read_manifest(output: str) -> bytes | None:
    """Reads the manifest of the data set in an output; None where there is none."""
    try:
        return storage.read_bytes(manifests.join(output, manifests.FILE_NAME))
    except (FileNotFoundError, NotADirectoryError):
        return None


def content_digest(manifest: bytes | None) -> str:
    """Returns the SHA-256 of a manifest's file; "" of none."""
    return hashlib.sha256(manifest).hexdigest() if manifest is not None else ""


def _is_made_by(manifest: bytes | None, run_id: str) -> bool:
    try:
        return manifest is not None and bool(json.loads(manifest)["run"]["id"] == run_id)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def recover(output: str) -> None:
    """Takes back what a run that was killed while it published has left half-done; the caller holds the lock for it."""
    for folder in unfinished_runs(output):
        publishing.undo(folder)


def unfinished_runs(output: str) -> list[str]:
    """Returns the folders of runs into this output that are going on or were killed."""
    names = storage.list_folders(output)
    return [f"{output}/{name}" for name in names if name.startswith(manifests.BUILDING_PREFIX)]
