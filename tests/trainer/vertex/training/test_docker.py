"""The Dockerfiles: what they copy is there, and what they install is what is locked."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from trainer.vertex.training import package

ROOT = Path(package.__file__).parents[3]
FILES = sorted((ROOT / "trainer" / "vertex" / "docker").iterdir())


def instructions(path: Path) -> list[str]:
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_there_is_one_for_training_and_one_for_serving() -> None:
    assert [path.name for path in FILES] == ["serve.Dockerfile", "train.Dockerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_copied_exists_and_is_sent_along(path: Path) -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = [name for line in instructions(path) if line.startswith("COPY") for name in line.split()[1:-1]]
    assert {"setup.py", "etl", "trainer"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert any(fnmatch.fnmatch(name, f"{rule}*") for rule in kept), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_python_is_the_locks(path: Path) -> None:
    (base,) = [line for line in instructions(path) if line.startswith("FROM")]
    locked = re.search(r"--python-version (\S+)", (ROOT / "Makefile").read_text())
    assert locked is not None
    assert base == f"FROM python:{locked[1]}-slim"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_ends_in_a_command_of_ours(path: Path) -> None:
    (entry,) = [line for line in instructions(path) if line.startswith("ENTRYPOINT")]
    module = re.search(r'"-m", "([\w.]+)"', entry)
    assert module is not None
    assert (ROOT / module[1].replace(".", "/")).with_suffix(".py").is_file()


def test_what_is_installed_is_remade_with_the_lock_and_checked_against_its_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for path in FILES:
        (run,) = [line for line in instructions(path) if "uv pip install" in line]
        (command,) = re.findall(r"uv pip install[^&]*", run)
        listed = f"requirements/{path.stem}.txt"
        assert f"--require-hashes -r /src/{listed} -c /src/requirements/lock.txt" in command
        assert f"-o {listed}" in makefile
        assert "apache-beam" not in (ROOT / listed).read_text()


def test_the_server_s_container_answers_whoever_is_outside() -> None:
    (path,) = [path for path in FILES if path.stem == "serve"]
    (entry,) = [line for line in instructions(path) if line.startswith("ENTRYPOINT")]
    assert '"trainer.server", "--host", "0.0.0.0"]' in entry
