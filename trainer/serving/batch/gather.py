"""The last step: the units' files become one, in order; until then nothing is at the output's name."""

from __future__ import annotations

import glob
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from etl import storage
from etl.errors import DatasetError
from etl.format.layout import BUILDING_PREFIX
from etl.storage import locks
from etl.storage.publishing import OvertakenError
from trainer.serving.batch.job import SUMMARY_NAME, Job, UnitResult

_BLOCK_BYTES = 1 << 20


def finalise(job: Job, results: Iterable[UnitResult]) -> None:
    """Joins the files, moves the whole to its place, and leaves a summary in the run's folder.

    May be called again for the same run, after it failed half-way or after it was done.

    Args:
        job: The run.
        results: One for each unit, in any order; of several attempts any is as good.

    Raises:
        DatasetError: they don't add up to the input: it was changed meanwhile.
        OvertakenError: another run has written the output since this one began.
    """
    committed = {result.index: result for result in results}
    in_order = [committed[index] for index in sorted(committed)]
    _check(job, in_order)
    whole = f"{job.building_dir}/predictions.jsonl"
    with storage.create(whole) as target:
        for result in in_order:
            with storage.open_stream(result.path) as part:
                shutil.copyfileobj(part, target, _BLOCK_BYTES)
        if storage.is_local(whole):
            target.flush()
            os.fsync(target.fileno())
    failed: Counter[str] = Counter()
    for result in in_order:
        failed.update(result.failed)
    summary = {"num_instances": sum(result.num_instances for result in in_order), "failed": dict(failed)}
    with locks.hold(f"{lock_path(job.output)}.publish", "--output", job.output, wait_seconds=math.inf):
        # Where there is a summary, an earlier attempt at this step came here, and the output may be its own.
        is_again = storage.exists(f"{job.building_dir}/{SUMMARY_NAME}")
        if not is_again and version(job.output) != job.replaces:
            raise OvertakenError(f"{job.output}: another run has written it since this one began, and it stays")
        storage.write_atomically(f"{job.building_dir}/{SUMMARY_NAME}", json.dumps(summary).encode())
        storage.move(whole, job.output)


def lock_path(output: str) -> str:
    """Returns the lock that a run holds while it writes an output."""
    folder, slash, name = output.rpartition("/")
    return f"{folder}{slash}.{name}{locks.LOCK_NAME}"


def version(output: str) -> str:
    """Returns a text that changes when the output does; "" where there is none."""
    try:
        return storage.version(output)
    except FileNotFoundError:
        return ""


def _check(job: Job, results: Sequence[UnitResult]) -> None:
    """Checks that every byte of the input is in exactly one unit."""
    place = 0
    for result in results:
        if result.start != place:
            break
        place = result.end
    if place != job.num_bytes or len(results) != job.num_units:
        raise DatasetError(f"{job.input}: had {job.num_bytes:,} bytes at the start, and was changed since")


def unfinished_runs(output: str) -> Iterator[str]:
    """Lists the folders of runs into this output that are going on or were killed."""
    if storage.is_local(output):
        yield from sorted(glob.glob(f"{glob.escape(output)}{BUILDING_PREFIX}*"))
        return
    prefix = output + BUILDING_PREFIX
    yield from sorted({prefix + path[len(prefix) :].split("/")[0] for path in storage.list_matches(f"{prefix}*/**")})
