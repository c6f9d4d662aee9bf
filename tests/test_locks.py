"""The lists of what an environment installs, and the lock that has their hashes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
LISTS = ("dask", "dev", "etl", "serve", "train")


def packages(name: str) -> dict[str, list[str]]:
    """Each `name==version` of a file, with its hashes; for which Pythons and systems is left to uv."""
    text = re.sub(r" \\\n +", " ", (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8"))
    lines = [
        line.partition(" --hash") for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    return {line.partition(" ;")[0]: re.findall(r"sha256:([0-9a-f]{64})", hashes) for line, _, hashes in lines}


@pytest.mark.parametrize("name", LISTS)
def test_all_of_a_list_is_in_the_lock_with_hashes(name: str) -> None:
    lock, listed = packages("lock"), packages(name)
    assert len(listed) > 20
    assert [line for line in listed if not lock.get(line)] == []
    assert all("==" in line for line in listed)


def test_the_lock_holds_nothing_that_no_environment_takes() -> None:
    assert set(packages("lock")) == set(packages("dev")) | set(packages("dask"))


@pytest.mark.parametrize("name", ["lock", "compat", "peers", "peers-ffcv", "uv"])
def test_no_lock_has_a_package_without_hashes_or_a_registry_s_address(name: str) -> None:
    assert [line for line, hashes in packages(name).items() if not hashes] == []
    assert "://" not in (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")


def test_a_list_is_remade_and_installed_under_the_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nLOCKED = --require-hashes -c requirements/lock.txt\n" in makefile
    for name in LISTS:
        assert re.search(rf"^\t\$\(FROM_LOCK\) .*-o requirements/{name}.txt$", makefile, re.M), name
    for line in re.findall(r"^.*-r requirements/(?:dask|dev|etl)\.txt.*$", makefile, re.M):
        assert "$(LOCKED)" in line


@pytest.mark.parametrize(
    ("hashed", "message"), [("the file", ""), ("another", "Hash mismatch"), ("nothing", "must have a hash")]
)
def test_uv_takes_the_hashes_from_the_lock(tmp_path: Path, hashed: str, message: str) -> None:
    wheel = tmp_path / "petal-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("petal.py", "")
        archive.writestr("petal-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: petal\nVersion: 1\n")
        archive.writestr("petal-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("petal-1.dist-info/RECORD", "petal.py,,\n")
    digest = {"the file": hashlib.sha256(wheel.read_bytes()).hexdigest(), "another": "0" * 64}.get(hashed)
    (tmp_path / "list.txt").write_text("petal==1\n", encoding="utf-8")
    (tmp_path / "lock.txt").write_text(f"petal==1 --hash=sha256:{digest}\n" if digest else "", encoding="utf-8")
    command = (
        "-m uv pip install --no-index --no-cache --find-links . --target there --require-hashes -r list.txt -c lock.txt"
    )
    done = subprocess.run([sys.executable, *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (hashed == "the file"), done.stderr
    assert message in done.stderr
    assert (tmp_path / "there" / "petal.py").exists() == (hashed == "the file")
