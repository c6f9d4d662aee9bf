"""Nobody but a variant or an encoding asks for one by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.format.encodings import ENCODINGS
from etl.variants import VARIANTS

ROOT = Path(__file__).parents[2]
NAMES = {*VARIANTS, *ENCODINGS}
THEIR_OWN = ("etl/variants/", "etl/format/encodings/")


def find_questions(text: str) -> Iterator[str]:
    """Yields each comparison of something called variant or encoding with a name, and each table by such names."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            words = {word for side in sides for word in _words(side)}
            # `none` is also the word for what isn't compressed.
            names = NAMES if "encoding" in words else NAMES - {"none"} if words & {"variant", "variants"} else set()
            if any(_holds_name(side, names) for side in sides):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        key = _key(node) if isinstance(node, ast.Subscript | ast.Call) else None
        if isinstance(key, ast.Attribute) and key.attr == "encoding":
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.match_case) and _holds_name(node.pattern, NAMES - {"none"}):
            yield f"line {node.pattern.lineno}: {ast.unparse(node.pattern)}"


def _key(node: ast.Subscript | ast.Call) -> ast.expr | None:
    if isinstance(node, ast.Subscript):
        return node.slice
    is_get = isinstance(node.func, ast.Attribute) and node.func.attr == "get"
    return node.args[0] if is_get and node.args else None


def _words(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id


def _holds_name(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(part, ast.Constant) and part.value in names for part in ast.walk(node))


def test_nobody_else_compares_names() -> None:
    found = []
    for package in ("etl", "trainer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(THEIR_OWN):
                found += [f"{name}, {question}" for question in find_questions(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'if variant.image.encoding == "jpeg": pass',
        'if "embedding" in config.variants: pass',
        'x = unit.variant != "embedding"',
        'y = image.encoding in ("raw", "float_list")',
        "z = _READERS[variant.image.encoding]",
        'z = _WORDS.get(image.encoding, "")',
        'match variant:\n    case "pixel": pass',
    ],
)
def test_a_planted_question_is_found(line: str) -> None:
    assert list(find_questions(line))


@pytest.mark.parametrize(
    "line", ['if header.format == "jpeg": pass', 'if variant.compression != "none": pass', "x = a[name]"]
)
def test_other_questions_are_none(line: str) -> None:
    assert not list(find_questions(line))
