"""Standard output and standard error that can't be written, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets import write_dataset

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("etl.run", "etl.inspect", "etl.card", "etl.sources.synthetic", "trainer.task", "trainer.tune", "trainer.predict"),
    *("trainer.batch_predict", "trainer.server", "trainer.ingest.doctor", "trainer.ingest.service", "trainer.vertex"),
    "benchmarks.report",
)
FULL = "error: standard output: the disk is full; free room there\n"


def closed_pipe() -> int:
    """Returns the descriptor of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def run(*arguments: object, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, stdout=stdout, stderr=stderr, text=True
    )
    return done.returncode, done.stdout or "", done.stderr or ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(command: str) -> None:
    assert run(command, "--help", stdout=closed_pipe()) == (141, "", "")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder)
    return folder


def test_so_does_a_pipe_of_tables(dataset: Path) -> None:
    assert run("etl.inspect", "--quick", dataset, stdout=closed_pipe()) == (141, "", "")


def test_so_does_a_pipe_of_notes(tmp_path: Path) -> None:
    code, out, _ = run(
        "etl.sources.synthetic", tmp_path / "new", "--num_images", 2, stdout=subprocess.PIPE, stderr=closed_pipe()
    )
    assert (code, out) == (141, "")


def test_a_mistake_that_nobody_is_told_of_keeps_its_code() -> None:
    assert run("etl.inspect", "/nowhere", stderr=closed_pipe())[:2] == (2, "")
    with open("/dev/full", "w") as full:
        assert run("etl.inspect", "/nowhere", stderr=full.fileno())[:2] == (2, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line(dataset: Path) -> None:
    with open("/dev/full", "w") as full:
        assert run("trainer.vertex", "--help", stdout=full.fileno()) == (1, "", FULL)
        assert run("etl.inspect", "--quick", dataset, stdout=full.fileno()) == (1, "", FULL)


def test_without_standard_streams_a_command_does_its_work(tmp_path: Path, dataset: Path) -> None:
    # The next file that is opened would get their numbers, and what is printed.
    command = f'exec "{sys.executable}" -m etl.sources.synthetic "{tmp_path}/new" --num_images 2 <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], cwd=ROOT).returncode == 0
    images = sorted((tmp_path / "new").rglob("*.jpg"))
    assert [image.read_bytes()[:2] for image in images] == [b"\xff\xd8"] * 2
    command = f'exec "{sys.executable}" -m etl.inspect --quick /nowhere >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], cwd=ROOT).returncode == 2
