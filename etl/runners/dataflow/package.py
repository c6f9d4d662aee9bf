"""The workers' package: the code that runs here, with the versions that are installed here.

Beam's `--setup_file` builds a source distribution of a project and has each worker install it, with what its
`install_requires` names and without any extra. This project's own has the ETL's dependencies in an extra, leaves files
in its folder when it is built, and isn't there at all where the project was installed. So a project is made for the
workers, of the packages as they were imported: from a checkout and from an installation alike.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, WorkerOptions

import etl
from etl.errors import ConfigError

PACKAGES = ("etl", "trainer")

# What the packages need on a worker. Not Beam, which the workers' image has in the version that made the job.
REQUIREMENTS = ("google-crc32c", "keras", "numpy", "pillow", "pooch", "pyarrow", "rich", "simplejpeg", "tensorflow")

_SETUP = '''"""Made by etl.runners.dataflow.package for the workers of one job."""

from setuptools import find_packages, setup

setup(
    name="petalstream",
    version={version!r},
    packages=find_packages(),
    package_data={{"": ["*"]}},
    python_requires=">=3.10",
    install_requires={requirements!r},
)
'''


@contextmanager
def packaged(options: PipelineOptions) -> Iterator[tuple[str, ...]]:
    """Sets Beam's `--setup_file` for as long as the block runs, unless the workers get the project otherwise.

    Args:
        options: Beam's view of the command line. With `--sdk_container_image` or a `--setup_file` given, nothing is
            packaged.

    Yields:
        What the workers install beside the package; nothing where nothing is packaged.

    Raises:
        ConfigError: setuptools, with which Beam builds the package, isn't installed here.
    """
    setup = options.view_as(SetupOptions)
    is_prebuilt = options.view_as(WorkerOptions).sdk_container_image and not setup.prebuild_sdk_container_engine
    if setup.setup_file or is_prebuilt:
        yield ()
        return
    if importlib.util.find_spec("setuptools") is None:
        hint = "install it (pip install setuptools), or give --sdk_container_image"
        raise ConfigError("--setup_file", None, "setuptools here, to package this project for the workers", hint)
    with tempfile.TemporaryDirectory(prefix="petalstream-package-") as folder:
        pins = tuple(map(_pin, REQUIREMENTS))
        setup.setup_file = str(write_project(Path(folder), pins))
        yield pins


def write_project(folder: Path, requirements: Sequence[str]) -> Path:
    """Writes the workers' project.

    Args:
        folder: Where; it exists and is empty.
        requirements: What is installed with it.

    Returns:
        Its `setup.py`.
    """
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        # An image for the ETL alone may lack the other half.
        if found is None or not found.submodule_search_locations:
            continue
        source = Path(next(iter(found.submodule_search_locations)))
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    setup_path = folder / "setup.py"
    text = _SETUP.format(version=etl.__version__, requirements=list(requirements))
    setup_path.write_text(text, encoding="utf-8")
    return setup_path


def _pin(name: str) -> str:
    """Returns the requirement of the version that is installed here, on which the bytes of a data set depend."""
    try:
        version = metadata.version(name)
    # TensorFlow has other names on some machines.
    except metadata.PackageNotFoundError:
        return name
    # What follows a plus is of one build, which no index has.
    return f"{name}=={version.partition('+')[0]}"
