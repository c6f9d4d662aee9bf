"""Puts a finished data set into its place, the manifest last, and draws its page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import partial

from etl import storage
from etl.card.card import write_card
from etl.cli import note
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.errors.causes import essence
from etl.finalise import croissant, tfds_info
from etl.finalise.facts import PlanFacts
from etl.finalise.sums import rejected_paths, shards_of
from etl.format import index, layout
from etl.format import manifest as manifests
from etl.format.manifest import Manifest
from etl.parallel import ordered_map
from etl.paths import join
from etl.plan.output import content_digest, read_manifest, recover
from etl.records import UnitResult
from etl.storage import locks, publishing
from etl.storage.reading import NUM_READERS

# Beside the shards of a variant, for other readers.
_BESIDE_SHARDS = (layout.INDEX_NAME, *layout.TFDS_NAMES)
# Beside the manifest.
_BESIDE_MANIFEST = (layout.CROISSANT_NAME, layout.REJECTED_NAME)


def publish(config: EtlConfig, facts: PlanFacts, manifest: Manifest, results: list[UnitResult]) -> None:
    """Puts everything in its place; at every moment the folder holds a complete data set or no manifest."""
    own_dir = facts.building_dir(config.output)
    path = join(config.output, layout.MANIFEST_NAME)
    lock_path = join(config.output, publishing.LOCK_NAME)
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
            new_mark = f"{own_dir}/{layout.NEW_NAME}/{layout.MANIFEST_NAME}"
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
    new_dir = f"{own_dir}/{layout.NEW_NAME}"
    found = {file.path for file in storage.scan(own_dir)}
    placed, indexes = [], {}
    for name, variant in manifest.variants.items():
        targets: dict[str, UnitResult] = {}
        for split in facts.splits:
            shards = variant.splits[split].shards
            targets |= zip((shard.name for shard in shards), shards_of(results, name, split), strict=True)
        gone = next((result.shard_path for result in targets.values() if result.shard_path not in found), None)
        if gone is not None:
            raise DatasetError(f"{gone}: the shard is gone; was the folder cleaned while the run went on?")
        placed += [(result.shard_path, join(config.output, name, shard)) for shard, result in targets.items()]
        lists = [result.list_path for result in targets.values()]
        write = partial(index.write_index, new_dir, variant, lists, own_dir)
        indexes[name] = storage.again_if_lost(write)
        tfds_info.write_info(new_dir, manifest, variant)
        placed += [(f"{new_dir}/{name}/{each}", join(config.output, name, each)) for each in _BESIDE_SHARDS]
    croissant.write_croissant(new_dir, manifest, indexes)
    lines = b"".join(ordered_map(storage.read_bytes, rejected_paths(config, facts, results), NUM_READERS))
    storage.write_atomically(f"{new_dir}/{layout.REJECTED_NAME}", lines)
    placed += [(f"{new_dir}/{each}", join(config.output, each)) for each in _BESIDE_MANIFEST]
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
        join(config.output, each)
        for each in (*_BESIDE_MANIFEST, layout.CARD_NAME, layout.FAILED_REJECTED_NAME)
        if storage.exists(join(config.output, each))
    ]
    for name in sorted(variants_of):
        for path in storage.list_files(join(config.output, name)):
            file_name = path.rpartition("/")[2]
            # A shard of no manifest is one that a run left that was killed; readers that go by names would read it.
            if file_name in _BESIDE_SHARDS or layout.split_of_shard(file_name) in splits:
                paths.append(path)
    own_dir = facts.building_dir(config.output)
    return [(path, f"{own_dir}/{layout.REPLACED_NAME}/{number:06d}") for number, path in enumerate(paths)]


def _delete_empty(output: str, folders: Iterable[str], manifest: Manifest) -> None:
    """Deletes the folders of variants that this data set no longer has, where nothing else is in them."""
    kept = {output, *(join(output, name) for name in manifest.variants)}
    for folder in sorted(set(folders) - kept):
        if next(storage.list_files(folder), None) is None:
            storage.delete_tree(folder)


def _draw_card(output: str, manifest: Manifest) -> None:
    """Draws the data set's page; the data set is complete without it."""
    try:
        write_card(output, manifest)
    # Whatever it is, it must not cost the data set.
    except Exception as error:
        note(f"warning: {output}: {layout.CARD_NAME} could not be made: {essence(str(error) or type(error).__name__)}")
        note(f"the data set is complete; python -m etl.card {output} tries again")


def _is_made_by(manifest: bytes | None, run_id: str) -> bool:
    try:
        return manifest is not None and bool(json.loads(manifest)["run"]["id"] == run_id)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
