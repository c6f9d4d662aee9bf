"""Ten times the inputs take no more memory, on any runner, in the command that starts the run or in a worker."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from etl.format import manifest as manifests
from tests.distributed import needs
from tests.distributed.conftest import Launcher
from tests.distributed.memory import Peaks

if TYPE_CHECKING:
    from tests.distributed.clusters import DaskCluster, WorkerPool

pytestmark = needs.DASK

FEW, MANY = 10_000, 100_000
# What a process may take beyond what a tenth of the inputs takes: 1,000 bytes for each of the others, an image's file
# with its place in a list.
MAX_GROWTH_BYTES = 90_000_000


@pytest.fixture(scope="module")
def many_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file that lists `MANY` images of 16x16, of ten classes; a second lists the first `FEW` of them."""
    folder = tmp_path_factory.mktemp("many")
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 60)).save(buffer, "JPEG", quality=50)
    data = buffer.getvalue()
    for first in range(0, MANY, 1000):
        (folder / f"{first:06d}").mkdir()
    rows = []
    for number in range(MANY):
        name = f"{number // 1000 * 1000:06d}/{number}.jpg"
        # A comment behind the first marker makes each file another one.
        comment = b"\xff\xfe\x00\x0a%08d" % number
        (folder / name).write_bytes(data[:2] + comment + data[2:])
        rows.append(f"{name},class{number % 10}\n")
    for count in (FEW, MANY):
        (folder / f"{count}.csv").write_text("".join(rows[:count]))
    return folder


def measure(launch: Launcher, folder: Path, count: int, options: Sequence[str], others: list[tuple[str, int]]) -> Peaks:
    arguments = ["--source", "csv", "--input", str(folder / f"{count}.csv"), "--shard_mb", "1"]
    run = launch(str(count), [*arguments, *options])
    with Peaks([("launcher", run.process.pid), *others]) as peaks:
        assert run.wait() == 0, run.printed
    assert manifests.load(run.output).counts.written == count
    return peaks


def check(launch: Launcher, folder: Path, name: str, options: Sequence[str], others: list[tuple[str, int]]) -> None:
    few = measure(launch, folder, FEW, options, others)
    many = measure(launch, folder, MANY, options, others)
    # What starts another program and is gone may have been seen in one of the two only.
    processes = sorted(few.bytes.keys() & many.bytes.keys())
    assert {"launcher", *(process for process, _ in others)} <= set(processes)
    growth = {process: many.bytes[process] - few.bytes[process] for process in processes}
    for process in processes:
        peaks = [f"{peak.bytes[process] / 1e6:.0f} MB with {count:,}" for peak, count in ((few, FEW), (many, MANY))]
        print(f"{name}, {process}: {', '.join(peaks)}")
    assert max(growth.values()) < MAX_GROWTH_BYTES, growth


def test_memory_is_bounded_in_process(many_images: Path, launch: Launcher) -> None:
    check(launch, many_images, "in process", [], [])


def test_memory_is_bounded_on_dask(dask: DaskCluster, many_images: Path, launch: Launcher) -> None:
    others = [("scheduler", dask.scheduler.pid), *(("worker", worker.pid) for worker in dask.workers)]
    check(launch, many_images, "Dask", dask.options, others)


@needs.PRISM
def test_memory_is_bounded_on_prism(prism: list[str], pool: WorkerPool, many_images: Path, launch: Launcher) -> None:
    check(launch, many_images, "Prism", [*prism, *pool.options], [("pool", pool.process.pid)])
