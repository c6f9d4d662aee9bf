"""Clusters, and what runs on them, for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.distributed.commands import ROOT, Launch, environment
from tests.distributed.needs import POOL_VARIABLE, PRISM_VARIABLE
from tests.photos import jpeg, make_folder

if TYPE_CHECKING:
    from tests.distributed.clusters import DaskCluster, WorkerPool

Launcher = Callable[[str, Sequence[str]], Launch]

# A run of many units that take a while each, so that it can be stopped between two.
NUM_SLOW_UNITS = 60


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    """Starts runs: called with the name of the output's folder and the arguments."""
    launched: list[Launch] = []

    def start(name: str, arguments: Sequence[str]) -> Launch:
        launched.append(Launch(tmp_path / name, arguments, tmp_path / f"{name}-{len(launched)}.log"))
        return launched[-1]

    yield start
    for run in launched:
        if run.process.poll() is None:
            run.kill()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small photographs, one of them broken."""
    folder = make_folder(tmp_path_factory.mktemp("photos"), 150)
    broken = folder / "roses" / "broken.jpg"
    broken.write_bytes((folder / "roses" / "0001.jpg").read_bytes()[:600])
    return folder


@pytest.fixture(scope="session")
def all_variants(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for every variant of the small photographs, in several shards each; with random weights."""
    import keras

    keras.utils.set_random_seed(3)
    network = keras.applications.MobileNetV2((224, 224, 3), alpha=0.35, include_top=False, pooling="avg", weights=None)
    weights = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    network.save_weights(weights)
    embedding = ["--embedding_weights", str(weights), "--embedding_alpha", "0.35"]
    shape = ["--image_size", "32", "--shard_mb", "0.05", "--max_rejected_fraction", "0.1"]
    source = ["--source", "folder", "--input", str(photos)]
    return [*source, "--variants", "jpeg,pixel,embedding", *shape, *embedding]


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for at least `NUM_SLOW_UNITS` units of larger photographs, each of some of them by one thread."""
    folder = tmp_path_factory.mktemp("large") / "roses"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.jpg").write_bytes(jpeg(number, 480, 640))
    size = ["--variants", "jpeg,pixel", "--image_size", "128", "--shard_mb", "0.25", "--direct_num_workers", "1"]
    return ["--source", "folder", "--input", str(folder.parent), *size]


@pytest.fixture(scope="session")
def reference(all_variants: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run in this process makes of `all_variants`."""
    return _run_in_process(all_variants, tmp_path_factory)


@pytest.fixture(scope="session")
def slow_reference(slow: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run in this process makes of `slow`."""
    return _run_in_process(slow, tmp_path_factory)


def _run_in_process(arguments: Sequence[str], factory: pytest.TempPathFactory) -> Path:
    folder = factory.mktemp("in-process")
    run = Launch(folder / "data", arguments, folder / "log.txt")
    assert run.wait() == 0, run.printed
    return run.output


@pytest.fixture
def new_dask(tmp_path: Path) -> Iterator[DaskCluster]:
    """A Dask cluster of three workers that a test may break."""
    yield from _dask(tmp_path)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A Dask cluster of three workers."""
    yield from _dask(tmp_path_factory.mktemp("dask"))


def _dask(folder: Path) -> Iterator[DaskCluster]:
    from tests.distributed.clusters import DaskCluster

    cluster = DaskCluster(folder, num_workers=3)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def prism() -> list[str]:
    """The arguments that choose Prism."""
    return ["--runner", "PrismRunner", "--prism_location", os.environ[PRISM_VARIABLE]]


@pytest.fixture(scope="session")
def pool_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds this package as it is distributed, its dependencies, and no more."""
    path = os.environ[POOL_VARIABLE]
    source = tmp_path_factory.mktemp("source")
    for name in ("etl", "trainer"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    uv = str(Path(sys.executable).with_name("uv"))
    made = tmp_path_factory.mktemp("sdist")
    for command in (
        [uv, "build", "--quiet", "--sdist", "--out-dir", str(made), str(source)],
        [uv, "pip", "install", "--quiet", "--python", path, "--no-deps", "--reinstall", "--no-cache"],
    ):
        sdist = [str(file) for file in made.glob("*.tar.gz")]
        subprocess.run([*command, *sdist], check=True, cwd=source, env=environment())
    return Path(path)


@pytest.fixture
def pool(pool_python: Path, tmp_path: Path) -> Iterator[WorkerPool]:
    """A pool of SDK workers."""
    from tests.distributed.clusters import WorkerPool

    made = WorkerPool(pool_python, tmp_path)
    yield made
    made.stop()
