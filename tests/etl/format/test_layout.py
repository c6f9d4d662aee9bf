"""The names on disk, and that no other module spells them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.format import layout
from etl.storage import locks, publishing

ROOT = Path(__file__).parents[3]
PACKAGES = ("etl", "trainer", "benchmarks")

# Who names what: a module's constants, and the file in which alone they are spelt.
NAMES = {
    name: "etl/format/layout.py"
    for constant, value in vars(layout).items()
    if constant.isupper() and not constant.startswith("_")
    for name in ([value] if isinstance(value, str) else value)
} | {
    locks.LOCK_NAME: "etl/storage/locks.py",
    publishing.LOCK_NAME: "etl/storage/publishing.py",
    publishing.JOURNAL_NAME: "etl/storage/publishing.py",
}
# Ordinary words: only part of a path where a slash stands beside them.
WORDS = {layout.PLAN_NAME, layout.NEW_NAME, layout.REPLACED_NAME}

ALLOWED = {
    # A writer's lock on one cached split, in a folder of TensorFlow's cache.
    ("trainer/ingest/caching.py", ".lock"),
    # Scratch files that are measured, of no data set.
    ("benchmarks/test_etl.py", ".tfrecord"),
}


def test_a_shards_name_is_that_of_the_field() -> None:
    assert layout.shard_name("train", 3, 12) == "train-00003-of-00012.tfrecord"
    assert layout.shard_name("test", 0, 1, compressed=True) == "test-00000-of-00001.tfrecord.gz"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_shards_name_is_recognised(compressed: bool) -> None:
    name = layout.shard_name("train-2", 3, 12, compressed=compressed)
    assert layout.split_of_shard(name) == "train-2"
    assert Path(name).match(layout.shards_pattern("train-2"))


@pytest.mark.parametrize(
    "name",
    ["train.tfrecord", "train-00000-of-00001.tfrecord.bak", "train-0-of-1.tfrecord", "-00000-of-00001.tfrecord"],
)
def test_another_files_name_is_no_shards(name: str) -> None:
    assert layout.split_of_shard(name) is None


def test_a_runs_own_files_have_the_names_that_a_later_run_looks_for() -> None:
    folder = layout.building_dir("gs://b/out", "0123456789ab")
    assert folder == "gs://b/out/.building-0123456789ab"
    assert layout.run_id_of(folder) == "0123456789ab"
    assert layout.is_building(layout.building_name("x"))
    assert not layout.is_building("building-x")
    shard = layout.shard_stem("jpeg", "train", 3)
    assert layout.unit_stem(shard, 1) == "jpeg/train-00003-00001"
    assert layout.plan_path(f"{folder}/{layout.PLAN_NAME}", shard, 1) == f"{folder}/plan/jpeg/train-00003-00001.jsonl"


def test_names_are_spelt_in_one_place() -> None:
    spelt = list(find_spelt(ROOT))
    assert [line for line, allowed in spelt if not allowed] == []
    # Each exception is needed.
    assert {allowed for _, allowed in spelt if allowed} == ALLOWED


PLANTED = [
    ("x = 'manifest.json'", "manifest.json"),
    ("def f(folder: str) -> str:\n    return f'{folder}/manifest.json'", "manifest.json"),
    ("x = '/rejected.jsonl'", "rejected.jsonl"),
    ("x = f'{stem}.result.json'", ".result.json"),
    ("x = f'{out}/.building-{run}/check'", ".building-"),
    ("x = f'{folder}/plan'", "plan"),
    ("x = f'{split}-*.tfrecord*'", ".tfrecord"),
    (r"x = re.compile(r'(.+)\.tfrecord')", ".tfrecord"),
    ("x = '.lock'", ".lock"),
]


@pytest.mark.parametrize(("code", "name"), PLANTED)
def test_a_name_that_is_spelt_elsewhere_is_found(tmp_path: Path, code: str, name: str) -> None:
    plant(tmp_path, code)
    assert [line for line, _ in find_spelt(tmp_path)] == [
        f"etl/plan/late.py, line {1 + code.count(chr(10))}: spells {name!r}, as etl/"
        + ("storage/locks.py does" if name == ".lock" else "format/layout.py does")
    ]


@pytest.mark.parametrize(
    "code",
    [
        '"""Reads `manifest.json`."""',
        "raise ValueError('the folder of an earlier data set, or its manifest.json')",
        "x = 'plan'",
        "x = 'my-manifest.json'",
        "x = layout.MANIFEST_NAME",
    ],
)
def test_docstrings_messages_and_other_names_are_let_pass(tmp_path: Path, code: str) -> None:
    plant(tmp_path, code)
    assert list(find_spelt(tmp_path)) == []


def plant(root: Path, code: str) -> None:
    path = root / "etl" / "plan" / "late.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"{code}\n", encoding="utf-8")


def find_spelt(root: Path) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Yields a line for each name that is spelt outside its home, and the exception that allows it."""
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        for text, line in code_strings(ast.parse(path.read_text(encoding="utf-8"))):
            for name, home in NAMES.items():
                if file != home and is_named(name, text):
                    exception = (file, name)
                    yield (
                        f"{file}, line {line}: spells {name!r}, as {home} does",
                        exception if exception in ALLOWED else None,
                    )


def code_strings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yields the texts of a file that are neither docstrings nor sentences for people, and their lines."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
        # No name on disk has white space in it.
        if is_text and not re.search(r"\s", node.value):
            # As a reader has it, not as a regular expression does.
            yield node.value.replace("\\", ""), node.lineno


def is_named(name: str, text: str) -> bool:
    """Tells whether a text spells a name: as a part of a path, or as a prefix or suffix where it begins with a dot."""
    if name in WORDS:
        return "/" in text and name in text.split("/")
    if name.startswith(".") and name not in (locks.LOCK_NAME, publishing.LOCK_NAME):
        return name in text
    return any(part == name for part in text.split("/"))
