"""`python -m trainer.vertex package`: the source distribution, built, and tried where nothing else is installed."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from etl import __version__
from etl.cli import Parser, local_path
from etl.errors import EXIT_OK, ConfigError, PetalstreamError, one_line
from etl.words import quantity
from trainer import environment

FILE_NAME = f"petalstream-{__version__}.tar.gz"

_ROOT = Path(__file__).parents[3]
# All that the distribution is built from; the tree holds much else.
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "etl", "trainer")
_LOCK = _ROOT / "requirements" / "train.txt"
# Of the job that tries the package: as few images and steps as show that all of it is there.
_NUM_IMAGES = 24
_JOB = ("--model", "linear", "--image_size", "32", "--num_epochs", "1", "--batch_size", "8", "--seed", "1")


class PackageError(PetalstreamError):
    """The distribution can't be built, or doesn't do where it is all there is."""


def add_arguments(parser: Parser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--output_dir",
        type=local_path("--output_dir"),
        default="dist",
        metavar="DIR",
        help="where to put the distribution",
    )
    parser.add_argument(
        "--no_check",
        action="store_true",
        help="don't try it in an environment of its own, which takes a minute or more",
    )
    parser.add_argument("--dry_run", action="store_true", help="say what would be built, and build nothing")
    parser.add_argument(
        "--requirements",
        default=str(_LOCK),
        metavar="FILE",
        help="locked packages of the training container, which the environment is made of",
    )


def run(arguments: argparse.Namespace) -> int:
    """Builds the distribution and, unless told otherwise, tries it."""
    if arguments.dry_run:
        print(f"would build {Path(arguments.output_dir, FILE_NAME)} of {', '.join(SOURCES)}; no request is sent")
        return EXIT_OK
    requirements = Path(arguments.requirements)
    if not arguments.no_check and not requirements.is_file():
        raise ConfigError("--requirements", arguments.requirements, "a file with the container's packages")
    sdist = build(Path(arguments.output_dir))
    facts = {"distribution": str(sdist), "size": f"{sdist.stat().st_size / 1000:,.0f} kB"}
    if not arguments.no_check:
        with tempfile.TemporaryDirectory(prefix="petalstream-package-") as folder:
            print("making an environment of the container's packages", file=sys.stderr)
            python = make_environment(sdist, requirements, Path(folder, "env"))
            print("running a job there", file=sys.stderr)
            facts |= try_job(python, Path(folder))
    _print_table(facts)
    return EXIT_OK


def build(output_dir: Path) -> Path:
    """Builds the source distribution; equal sources give equal bytes.

    Args:
        output_dir: Made where there is none.

    Returns:
        The file, `FILE_NAME` in that folder.

    Raises:
        ConfigError: this isn't a source tree but an installed distribution, or the folder can't be written.
        PackageError: setuptools can't build it.
    """
    if not (_ROOT / "setup.py").is_file():
        hint = "or give --package_uri, or an image that has the trainer in it"
        raise ConfigError(
            "trainer.vertex package", str(_ROOT), "the source tree of petalstream, with its setup.py", hint
        )
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "--output_dir", str(output_dir), "a folder that can be written", error.strerror or ""
        ) from error
    with tempfile.TemporaryDirectory(prefix="petalstream-sdist-") as folder:
        # A copy, because setuptools leaves files beside the sources.
        tree = Path(folder, "tree")
        tree.mkdir()
        for name in SOURCES:
            source, ignored = _ROOT / name, shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
            if source.is_dir():
                shutil.copytree(source, tree / name, ignore=ignored)
            else:
                shutil.copy(source, tree / name)
        code = f"import setuptools.build_meta as backend; backend.build_sdist({folder!r})"
        _call([sys.executable, "-c", code], "building the distribution", cwd=tree)
        target = output_dir / FILE_NAME
        content = _normalise((Path(folder) / FILE_NAME).read_bytes())
    unfinished = target.with_name(f".{FILE_NAME}.new")
    unfinished.write_bytes(content)
    os.replace(unfinished, target)
    return target


def make_environment(sdist: Path, requirements: Path, folder: Path) -> Path:
    """Makes a virtual environment of what a training container holds, and installs the distribution there.

    The distribution's own requirements must be among the container's: nothing else is fetched.

    Args:
        sdist: The distribution.
        requirements: The container's packages.
        folder: For the environment.

    Returns:
        The environment's Python.

    Raises:
        PackageError: something can't be installed, or is missing.
    """
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        venv.create(folder, with_pip=False)
        pip = [str(uv), "pip", "{}", "--quiet", "--python", str(python)]
    else:
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "{}", "--quiet"]
    install, check = ([part.format(word) for part in pip] for word in ("install", "check"))
    _call([*install, "--no-deps", "--requirement", str(requirements)], "installing the container's packages")
    _call([*install, "--no-deps", str(sdist.resolve())], "installing the distribution")
    _call(check, "checking that nothing is missing")
    beam = subprocess.run([str(python), "-c", "import apache_beam"], capture_output=True, check=False)
    if not beam.returncode:
        raise PackageError(f"{requirements}: it has apache-beam, which no training container needs")
    return python


def try_job(python: Path, folder: Path) -> Mapping[str, str]:
    """Trains on drawn images as a service would have it: by environment variables, from a managed data set.

    Args:
        python: Of an environment with the distribution.
        folder: For the images and the model.

    Returns:
        What was done, for people.

    Raises:
        PackageError: the job failed, or left no model that answers.
    """
    draw = ["-m", "etl.sources.synthetic", str(folder / "photographs"), "--num_images", str(_NUM_IMAGES), "--seed", "1"]
    _run(python, folder, draw, "drawing photographs")
    photographs = sorted((folder / "photographs").rglob("*.jpg"))
    environ = {
        **write_managed(photographs, folder),
        environment.MODEL_DIR: f"{folder}/run/model/",
        environment.CHECKPOINT_DIR: f"{folder}/run/checkpoints/",
        environment.LOG_DIR: f"{folder}/run/logs/",
    }
    _run(python, folder, ["-m", "trainer.task", *_JOB], "the job", environ)
    asked = ["-m", "trainer.predict", str(folder / "run"), str(photographs[0]), "--format", "json"]
    answer = json.loads(_run(python, folder, asked, "the exported model"))
    said = f"{answer['class_str']} ({answer['probability']:.2f}) of a photograph of {photographs[0].parent.name}"
    return {"job": f"{quantity(len(photographs), 'photograph')}, {' '.join(_JOB)}", "its model says": said}


def write_managed(photographs: Sequence[Path], folder: Path) -> Mapping[str, str]:
    """Writes the JSON lines of a managed data set.

    Args:
        photographs: Files in one folder a class.
        folder: For the lines.

    Returns:
        The variables that say where they are.
    """
    names = (environment.TRAINING_DATA, environment.VALIDATION_DATA, environment.TEST_DATA)
    lines: dict[str, list[str]] = {name: [] for name in names}
    for index, path in enumerate(photographs):
        # Half of them to train on, a quarter each for the others.
        line = {"imageGcsUri": str(path), "classificationAnnotation": {"displayName": path.parent.name}}
        lines[names[max(0, index % 4 - 1)]].append(json.dumps(line))
    for name, content in lines.items():
        (folder / f"{name}-00000.jsonl").write_text("\n".join(content) + "\n", encoding="utf-8")
    return {**{name: f"{folder}/{name}-*" for name in names}, environment.DATA_FORMAT: environment.JSON_LINES}


def _normalise(data: bytes) -> bytes:
    """Packs an archive anew with neither times nor owners in it, so that equal files give equal bytes."""
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mode = member.type, member.size, 0o755 if member.isdir() else 0o644
            new.addfile(plain, old.extractfile(member))
    return packed.getvalue()


def _run(
    python: Path, folder: Path, arguments: Sequence[str], what: str, environ: Mapping[str, str] | None = None
) -> str:
    # From a folder without sources, and without the paths to any: only what is installed can be imported.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return _call([str(python), *arguments], what, cwd=folder, env={**kept, **(environ or {})})


def _call(command: Sequence[str], what: str, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command; returns what it printed.

    Raises:
        PackageError: it failed; with the last line that it said.
    """
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise PackageError(f"{what} failed ({' '.join(command[:3])} …): {one_line(said[-1])}")
    return done.stdout


def _print_table(facts: Mapping[str, str]) -> None:
    from rich.table import Table

    from etl.cli import console

    table = Table("package", "", show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    console().print(table)
