"""Getting a worker process ready, and seeing from elsewhere how far the workers are."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from etl import progress, storage
from etl.cli import load_tensorflow
from etl.errors import PetalstreamError
from etl.format import layout
from etl.records import Unit

# Between two looks at the run's folder: on a disk a look costs nothing, on an object store it is a listing.
_LOCAL_SECONDS = 1.0
_REMOTE_SECONDS = 10.0

_starting = threading.Lock()


def start() -> None:
    """Starts what this process needs for its work, quietly; any number of threads may call it."""
    with _starting:
        if "tensorflow" not in sys.modules:
            load_tensorflow()


@contextmanager
def follow(building_dir: str, units: Sequence[Unit]) -> Iterator[None]:
    """Reports the progress of workers elsewhere while the block runs: the units whose results lie in the run's folder.

    Args:
        building_dir: The run's own folder.
        units: All of the run.
    """
    sizes = {layout.unit_stem(unit.shard, unit.part): unit.num_images for unit in units if not unit.done_path}
    ended = threading.Event()
    seconds = _LOCAL_SECONDS if storage.is_local(building_dir) else _REMOTE_SECONDS

    def report() -> None:
        while not ended.wait(seconds):
            _report_done(building_dir, sizes)
        _report_done(building_dir, sizes)

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _report_done(building_dir: str, sizes: dict[str, int]) -> None:
    """Reports the units that are done, and forgets them."""
    try:
        paths = list(storage.list_files(building_dir))
    except (PetalstreamError, OSError):
        # Only for show: the next look may go better, and what the workers meet is theirs to tell.
        return
    for path in paths:
        if path.endswith(layout.RESULT_SUFFIX):
            # An attempt's own name stands between the unit's and the ending.
            name = path.removeprefix(f"{building_dir}/").split(".")[0]
            progress.advance(sizes.pop(name, 0))
