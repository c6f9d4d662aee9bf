"""What all benchmarks share: the photographs, and how results are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import machine
from benchmarks.harness.datasets import Datasets, draw_weights
from benchmarks.harness.sizes import FULL, QUICK, TINY, Size
from etl.cli import load_tensorflow


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default=os.environ.get("PETALSTREAM_DATA"),
        metavar="DIR",
        help="folder that holds flower_photos and weights; without it photographs are drawn",
    )
    parser.addoption("--full", action="store_true", help="the chapter's own sizes, and more rounds: about an hour")
    parser.addoption("--tiny", action="store_true", help="a few images: does everything run? The figures mean nothing")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Adds what the report says of the machine and of the command."""
    flags = [flag for flag in ("--full", "--tiny") if config.getoption(flag)]
    command = machine.command(config.args, flags, has_data=bool(config.getoption("--data")))
    machine_info["petalstream"] = machine.describe(command)


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Loads TensorFlow before anything is timed, without its notices."""
    load_tensorflow()


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest) -> Path | None:
    """The folder of real photographs and weights, where there is one."""
    folder = request.config.getoption("--data")
    if folder is None:
        return None
    path = Path(folder)
    if not (path / "flower_photos").is_dir():
        raise pytest.UsageError(f"--data {folder}: no folder flower_photos in it")
    return path


@pytest.fixture(scope="session")
def photographs(real: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one directory a class: the real flowers, or 700 drawn ones."""
    if real is not None:
        return real / "flower_photos"
    from etl.sources.synthetic import command

    folder = tmp_path_factory.mktemp("drawn") / "photos"
    command.main([str(folder), "--num_images", "700", "--seed", "7"])
    return folder


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    """How much is measured."""
    if request.config.getoption("--tiny"):
        return TINY
    return FULL if request.config.getoption("--full") else QUICK


@pytest.fixture(scope="session")
def datasets(real: Path | None, photographs: Path, size: Size, tmp_path_factory: pytest.TempPathFactory) -> Datasets:
    """The data sets that are read, each written when it is first asked for."""
    folder = tmp_path_factory.mktemp("datasets")
    # The pets have the size of usual photographs, 500x375; the flowers are half as large.
    larger = real / "pets" if real is not None and (real / "pets" / "images").is_dir() else photographs
    weights = next((real / "weights").glob("*0.35*.h5"), None) if real is not None else None
    return Datasets(
        folder,
        photographs,
        larger,
        size.num_photographs,
        size.num_images,
        weights or draw_weights(folder / "drawn.weights.h5"),
    )
