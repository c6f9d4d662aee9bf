"""The workers' image, as far as it can be checked where there is no Docker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[4]
DOCKERFILE = ROOT / "etl" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions as (name, arguments), continued lines joined."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def default(name: str) -> str:
    return next(rest.partition("=")[2] for kind, rest in instructions() if kind == "ARG" and rest.startswith(name))


def copied() -> Iterator[str]:
    for kind, rest in instructions():
        parts = rest.split()
        if kind == "COPY" and not parts[0].startswith("--from"):
            yield from parts[:-1]


def test_beam_is_the_one_of_the_lock() -> None:
    lock = (ROOT / "requirements" / "etl.txt").read_text()
    assert re.search(r"^apache-beam==(\S+)", lock, re.M)[1] == default("BEAM")  # type: ignore[index]


def test_python_is_the_one_that_the_lock_is_made_for() -> None:
    made_for = re.search(r"^COMPILE = .*--python-version (\S+)", (ROOT / "Makefile").read_text(), re.M)
    assert made_for is not None
    assert made_for[1] == default("PYTHON")
    stages = [rest for kind, rest in instructions() if kind == "FROM"]
    assert stages == ["apache/beam_python${PYTHON}_sdk:${BEAM} AS beam", "python:${PYTHON}-slim-bookworm"]


def test_what_is_copied_is_there_and_is_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / "etl" / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    names = list(copied())
    locked = {f"requirements/{name}.txt" for name in ("etl", "lock", "uv")}
    assert {*locked, "setup.py", "etl", "trainer"} <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name
    assert set(names) == sent


def test_all_that_is_installed_is_locked() -> None:
    installs = [
        line for kind, rest in instructions() if kind == "RUN" for line in re.findall(r"pip install[^&]*", rest)
    ]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line, line
    assert "-r requirements/etl.txt -c requirements/lock.txt" in installs[1]
    # The one package without a wheel is listed.
    lock = (ROOT / "requirements" / "etl.txt").read_text()
    assert re.search(rf"^{re.findall(r'--no-binary ([^ ]+)', installs[1])[0]}==", lock, re.M)


def test_what_setup_py_reads_is_copied_before_it_runs() -> None:
    read = re.findall(r'HERE / (?:"etl" / )?"([\w.]+)"', (ROOT / "setup.py").read_text())
    assert set(read) - {"__init__.py"} <= set(copied())
    order = [rest for kind, rest in instructions() if kind in ("COPY", "RUN")]
    assert next(i for i, rest in enumerate(order) if "--no-deps" in rest) > order.index("etl etl")


def test_it_starts_beams_own_program() -> None:
    assert instructions()[-1] == ("ENTRYPOINT", '["/opt/apache/beam/boot"]')
    assert ("COPY", "--from=beam /opt/apache/beam /opt/apache/beam") in instructions()


def test_cloud_build_builds_this_file() -> None:
    build = yaml.safe_load((ROOT / "etl" / "cloudbuild.yaml").read_text())
    arguments = build["steps"][0]["args"]
    assert ROOT / arguments[arguments.index("--file") + 1] == DOCKERFILE
    assert build["images"] == ["${_IMAGE}"]
