"""The import graph of the packages, read from their syntax trees, and the arrows that are allowed in it."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("etl", "trainer")

# The rooms of a package from the ground floor up: a module imports those of its own floor and of the floors below. A
# room is a folder or a loose module; "" is the package's own file.
FLOORS: Mapping[str, tuple[set[str], ...]] = {
    "etl": (
        {"", "cli", "errors", "interrupts", "parallel", "paths", "process", "progress", "words"},
        {"images", "storage"},
        {"format"},
        {"backbones", "records"},
        {"variants"},
        {"sources"},
        {"config"},
        {"plan"},
        {"card", "verify", "work"},
        {"finalise"},
        {"runners"},
        {"inspect", "options", "run", "write"},
    ),
    "trainer": (
        {"", "environment", "files", "listing"},
        {"ingest", "layers", "layout"},
        {"models"},
        {"config", "data"},
        {"training"},
        {"evaluation", "serving"},
        {"flags", "options"},
        {"batch_predict", "doctor", "predict", "server", "task", "tune", "vertex"},
    ),
    "trainer.vertex": (
        {"", "api"},
        {"data", "deployment", "training"},
        {"prediction", "retraining"},
        {"commands", "listing"},
        {"__main__"},
    ),
}
# Fixed names of commands that live elsewhere: a thin module at the old place, which nothing else imports.
THIN = {"trainer.ingest.doctor"}

# Rooms of the ETL that the trainer may use; they import nothing else of it.
SHARED = {
    *("etl", "etl.backbones", "etl.cli", "etl.errors", "etl.format", "etl.images", "etl.interrupts", "etl.parallel"),
    *("etl.paths", "etl.process", "etl.progress", "etl.storage", "etl.words"),
}
# What batch prediction, a command that runs on Beam, takes besides.
BATCH_ONLY = {
    f"etl.runners.{name}" for name in ("beam_options", "dataflow", "factory", "failures", "names", "registry")
}

# Rooms that only few others may enter: the kinds of store, behind the storage layer.
PRIVATE = {
    f"etl.storage.{name}": {"etl.storage"}
    for name in ("disk", "disk_lock", "gcs", "gcs_client", "gcs_lease", "gcs_versions", "holder", "upload")
}

# Who may import Beam: its runners, the store that authenticates as Beam does, and the one command of the trainer that
# runs on it.
BEAM = {"etl.runners", "etl.storage.gcs", "trainer.serving.batch.pipeline"}

# Modules that lie loose in a package, beside its rooms.
MAX_LOOSE = 12


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
    breaches = [
        f"{arrow.source}, line {arrow.line}: {problem}"
        for arrow in arrows
        for problem in (*_problems(arrow), *_climbs(arrow))
    ]
    rooms = [dataclasses.replace(arrow, source=_room(arrow.source), target=_room(arrow.target)) for arrow in arrows]
    # A fixed name leads to the room that its command has moved to.
    between = [room for room, arrow in zip(rooms, arrows, strict=True) if arrow.source not in THIN]
    circles = [*_circles(arrows), *(circle for circle in _circles(between) if all("." in name for name in circle))]
    return breaches + [f"a circle: {' -> '.join(circle)}" for circle in dict.fromkeys(map(tuple, circles))]


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


def _floor(module: str, package: str) -> int | None:
    room = module[len(package) + 1 :].partition(".")[0]
    return next((number for number, rooms in enumerate(FLOORS[package]) if room in rooms), None)


def _problems(arrow: Arrow) -> Iterator[str]:
    ours, theirs = arrow.source.partition(".")[0], arrow.target.partition(".")[0]
    if theirs in ("benchmarks", "tests") or (ours == "etl" and theirs == "trainer"):
        yield f"imports {arrow.target}"
    if theirs == "apache_beam" and not arrow.for_types and not _is_within(arrow.source, BEAM):
        yield "imports Beam"
    if theirs != "etl":
        return
    is_batch = arrow.source.startswith("trainer.serving.batch")
    if ours == "trainer" and not _is_within(arrow.target, SHARED | BATCH_ONLY if is_batch else SHARED):
        yield f"imports {arrow.target}, which the trainer doesn't share"
    # The package's own file offers names that are imported when they are asked for, and their types.
    loads = not arrow.for_types
    if ours == "etl" and loads and _is_within(arrow.source, SHARED) and not _is_within(arrow.target, SHARED):
        yield f"is shared with the trainer, and imports {arrow.target}, which is not"
    for room, owners in PRIVATE.items():
        if _is_within(arrow.target, {room}) and not _is_within(arrow.source, owners):
            yield f"imports {arrow.target}, which only {' and '.join(sorted(owners))} may"


def _climbs(arrow: Arrow) -> Iterator[str]:
    """Yields what is wrong with the floors of an arrow, in each package that both its ends are in."""
    if arrow.target in THIN:
        yield f"imports {arrow.target}, which is a command's fixed name and nothing else"
    for package in FLOORS:
        if not (_is_within(arrow.source, {package}) or arrow.source.startswith(f"{package}.")):
            continue
        if not arrow.target.startswith(f"{package}.") and arrow.target != package:
            continue
        above, below = _floor(arrow.source, package), _floor(arrow.target, package)
        if above is None or below is None:
            lost = arrow.source if above is None else arrow.target
            yield f"{lost} is on none of FLOORS, in tests/import_graph.py"
        # What only type checkers import is no step up: nothing is loaded for it.
        elif below > above and not arrow.for_types and arrow.source not in THIN:
            yield f"imports {arrow.target}, from a floor above"


def count_loose(root: Path) -> dict[str, int]:
    """Returns how many modules lie loose in each package."""
    return {package: len({*(root / package).glob("*.py")} - {root / package / "__init__.py"}) for package in PACKAGES}


def _room(module: str) -> str:
    """Returns the folder or the loose module of a package that a module belongs to."""
    return ".".join(module.split(".")[:2])


def _circles(arrows: list[Arrow]) -> Iterator[list[str]]:
    """Yields circles of imports, each once, from its first module by name; an import for type checkers counts too."""
    graph: dict[str, set[str]] = {}
    for arrow in arrows:
        # A package's own file names for type checkers what it hands out late.
        if arrow.target != arrow.source and not (arrow.for_types and arrow.source in PACKAGES):
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
