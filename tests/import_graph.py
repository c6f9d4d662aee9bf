"""The import graph of the packages, read from their syntax trees, and the arrows that are allowed in it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("etl", "trainer")

# What the training side may take from the ETL.
SHARED = {
    *(
        "etl",
        "etl.cli",
        "etl.errors",
        "etl.errors.extras",
        "etl.images",
        "etl.interrupts",
        "etl.errors.limits",
        "etl.storage.locks",
    ),
    *(
        "etl.format.manifest",
        "etl.backbones.mobilenet",
        "etl.parallel",
        "etl.format.parsing",
        "etl.paths",
        "etl.process.lifecycle",
        "etl.progress",
    ),
    *(
        "etl.storage.publishing",
        "etl.storage.reading",
        "etl.errors.reasons",
        "etl.records",
        "etl.storage.retries",
        "etl.format.schema",
        "etl.storage",
    ),
    *("etl.stores", "etl.storage.holder", "etl.process.streams", "etl.process.terminal", "etl.words"),
}
# What batch prediction, a command that runs on Beam, takes besides.
BATCH_ONLY = {"etl.runners.dataflow", "etl.runners.failures", "etl.runners.registry"}

# The rooms of the ETL from the ground floor up: a module imports those of its own floor and of the floors below.
FLOORS: tuple[set[str], ...] = (
    {"", "cli", "errors", "extras", "interrupts", "limits", "notes", "parallel", "parsing", "paths", "process"}
    | {"progress", "reasons", "retries", "streams", "terminal", "words"},
    {"images", "lines", "manifest", "mobilenet", "records", "schema", "sharding", "tfrecord"},
    {"stores"},
    {"failures", "index", "index_check", "locks", "publishing", "reading", "storage"},
    {"sources"},
    {"config", "croissant", "embedding", "tfds_info", "variants"},
    {"assemble", "card", "contact_sheet", "digests", "plan", "report", "verify", "work"},
    {"finalise", "rejected", "resume", "workers"},
    {"pipeline", "transforms"},
    {"dask_runner", "dataflow", "portable", "prism_runner", "runners", "tied"},
    {"inspect", "options", "run"},
)
# Rooms that only few others may enter.
PRIVATE = {"etl.stores": {"etl.storage.locks", "etl.storage"}}

# Who may import Beam: its runners and the steps that it calls, and the one command of the trainer that runs on it.
BEAM = {
    *(
        "etl.runners.dask",
        "etl.runners.dataflow",
        "etl.runners.failures",
        "etl.runners.pipeline",
        "etl.runners.portable",
        "etl.runners.prism",
    ),
    *("etl.run", "etl.runners.registry", "etl.storage.gcs", "etl.runners.transforms", "trainer.serving.batch.pipeline"),
}


@dataclass(frozen=True, slots=True)
class Arrow:
    """One import: who imports what, on which line, and whether it is for type checkers alone."""

    source: str
    target: str
    line: int
    for_types: bool


def read_arrows(root: Path) -> list[Arrow]:
    """Reads all imports of the packages below `root`, wherever in a module they stand.

    A name that is imported from a package counts as the module of that name where there is one.
    """
    modules = {_name(path, root): path for package in PACKAGES for path in (root / package).rglob("*.py")}
    arrows = []
    for module, path in sorted(modules.items()):
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for found in _read_imports(path.read_text(encoding="utf-8")):
            arrows.append(Arrow(module, found.target(package, modules), found.line, found.for_types))
    return arrows


def find_breaches(root: Path) -> list[str]:
    """Returns a line for each import that is not allowed, and for each circle."""
    arrows = read_arrows(root)
    breaches = [f"{arrow.source}, line {arrow.line}: {problem}" for arrow in arrows for problem in _problems(arrow)]
    return breaches + [f"a circle: {' -> '.join(circle)}" for circle in _circles(arrows)]


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True, slots=True)
class _Import:
    """One imported name as it stands in a file: `from {level dots}{base} import {name}`, or `import {base}`."""

    base: str
    name: str
    level: int
    line: int
    for_types: bool

    def target(self, package: str, modules: Collection[str]) -> str:
        """Returns the module that it names, in a file of that package."""
        parts = package.split(".")
        above = parts[: len(parts) - self.level + 1] if self.level else []
        base = ".".join([*above, *([self.base] if self.base else [])])
        return f"{base}.{self.name}" if f"{base}.{self.name}" in modules else base


# Trees of equal files are read once: the tests change one file of hundreds at a time.
@functools.cache
def _read_imports(text: str) -> tuple[_Import, ...]:
    tree = ast.parse(text)
    typed = {id(node) for block in ast.walk(tree) if _is_for_types(block) for node in ast.walk(block)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [_Import(alias.name, "", 0, node.lineno, id(node) in typed) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base, level = node.module or "", node.level
            found += [_Import(base, alias.name, level, node.lineno, id(node) in typed) for alias in node.names]
    return tuple(found)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_within(module: str, rooms: set[str]) -> bool:
    # "etl" stands for the package's own file, not for all that is in it.
    return any(module == room or ("." in room and module.startswith(f"{room}.")) for room in rooms)


def _floor(module: str) -> int | None:
    room = module.partition(".")[2].partition(".")[0]
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _problems(arrow: Arrow) -> Iterator[str]:
    ours, theirs = arrow.source.partition(".")[0], arrow.target.partition(".")[0]
    if theirs in ("benchmarks", "tests") or (ours == "etl" and theirs == "trainer"):
        yield f"imports {arrow.target}"
    if theirs == "apache_beam" and not arrow.for_types and not _is_within(arrow.source, BEAM):
        yield "imports Beam"
    if theirs != "etl":
        return
    is_batch = arrow.source.startswith("trainer.batch_predict")
    if ours == "trainer" and not _is_within(arrow.target, SHARED | BATCH_ONLY if is_batch else SHARED):
        yield f"imports {arrow.target}, which the trainer doesn't share"
    if ours == "etl" and _is_within(arrow.source, SHARED) and not _is_within(arrow.target, SHARED):
        yield f"is shared with the trainer, and imports {arrow.target}, which is not"
    for room, owners in PRIVATE.items():
        if _is_within(arrow.target, {room}) and not _is_within(arrow.source, {room, *owners}):
            yield f"imports {arrow.target}, which only {' and '.join(sorted(owners))} may"
    above, below = _floor(arrow.source), _floor(arrow.target)
    if ours != "etl":
        return
    if above is None or below is None:
        yield f"{arrow.source if above is None else arrow.target} is on none of FLOORS, in tests/import_graph.py"
    # What only type checkers import is no step up: nothing is loaded for it.
    elif below > above and not arrow.for_types:
        yield f"imports {arrow.target}, from a floor above"


def _circles(arrows: list[Arrow]) -> Iterator[list[str]]:
    """Yields circles of imports, each once, from its first module by name; those for type checkers close none."""
    graph: dict[str, set[str]] = {}
    for arrow in arrows:
        if not arrow.for_types and arrow.target != arrow.source:
            graph.setdefault(arrow.source, set()).add(arrow.target)
    for start in sorted(graph):
        # Breadth first, to the shortest way back, through modules that come later by name.
        came_from: dict[str, str] = {}
        waiting = [start]
        while waiting:
            module = waiting.pop(0)
            for target in sorted(graph.get(module, ())):
                if target == start:
                    circle = [module, start]
                    while circle[0] != start:
                        circle.insert(0, came_from[circle[0]])
                    yield circle
                    waiting = []
                    break
                if target > start and target not in came_from:
                    came_from[target] = module
                    waiting.append(target)
