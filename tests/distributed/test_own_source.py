"""The source that docs/sources.md writes, in a copy of the package, on runners whose workers are other processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.captions import make_captioned, programs, rejected
from tests.distributed import needs
from tests.distributed.commands import ROOT, environment


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package that has the source."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "etl", folder / "etl", ignore=shutil.ignore_patterns("__pycache__"))
    module, entry = programs()
    (folder / "etl" / "sources" / "captions.py").write_text(module, encoding="utf-8")
    registry = folder / "etl" / "sources" / "__init__.py"
    text = registry.read_text(encoding="utf-8").replace(entry.splitlines()[0], entry.rstrip())
    registry.write_text(text, encoding="utf-8")
    return folder


def run(package: Path, photos: Path, output: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "etl.run", "--source", "captions", "--input", str(photos), "--output", str(output)]
    # Without a width of its own the table would break its lines.
    own = environment() | {"PYTHONPATH": str(package), "COLUMNS": "200"}
    ended = subprocess.run(
        [*command, "--max_rejected_fraction", "0.5", *arguments],
        cwd=package,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "runner", [pytest.param("DaskRunner", marks=needs.DASK), pytest.param("PrismRunner", marks=needs.PRISM)]
)
def test_workers_reject_for_reasons_of_its_own(
    package: Path, runner: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options = [] if runner == "DaskRunner" else request.getfixturevalue("prism")
    photos = make_captioned(tmp_path / "photos")
    run(package, photos, tmp_path / "plain")
    printed = run(package, photos, tmp_path / "made", *(options or ["--runner", runner]))
    found = rejected(tmp_path / "made")
    assert found == rejected(tmp_path / "plain")
    assert found["daisy/0000.jpg"] == "decode: garbled_caption: byte 20 is none of UTF-8"
    assert "the caption is not UTF-8" in printed
