"""What pytest-benchmark wrote, as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigError

STORAGE = " over storage"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one table.

    Attributes:
        table: The table's identifier; for what has no rows in turns, pytest-benchmark's group.
        name: The row's name.
        position: Its place in the table.
        wall_seconds: Median over the rounds.
        cpu_seconds: Median over the rounds; 0 where it wasn't measured.
        wall_rounds: Of each round.
        info: All of `extra_info`.
    """

    table: str
    name: str
    position: int
    wall_seconds: float
    cpu_seconds: float
    wall_rounds: tuple[float, ...]
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """One or several runs of the benchmarks, together.

    Attributes:
        tables: Identifier to rows, in the order of the table.
        machines: What each run says of its machine, each different one once.
    """

    tables: Mapping[str, tuple[Row, ...]]
    machines: tuple[Mapping[str, Any], ...]

    def table(self, name: str) -> tuple[Row, ...]:
        """Returns a table's rows, none where it wasn't run."""
        return self.tables.get(name, ())

    def info(self, table: str, row: str) -> Mapping[str, Any]:
        """Returns what a row says of itself, nothing where it wasn't run."""
        return next((one.info for one in self.table(table) if one.name == row), {})


def load(paths: Sequence[str]) -> Results:
    """Loads pytest-benchmark's JSON files; where two have the same row, the last one counts.

    Raises:
        ConfigError: a file is missing, or isn't one of those.
    """
    rows: dict[tuple[str, str], Row] = {}
    machines: list[Mapping[str, Any]] = []
    for path in paths:
        content = _read(path)
        for entry in content["benchmarks"]:
            row = parse_row(entry)
            rows[row.table, row.name] = row
        machine = {**content["machine_info"].get("petalstream", {}), "date": str(content.get("datetime", ""))[:10]}
        if machine not in machines:
            machines.append(machine)
    return Results(group_rows(rows.values()), tuple(machines))


def parse_row(entry: Mapping[str, Any]) -> Row:
    """Makes a row of one entry of `benchmarks`."""
    info = entry["extra_info"]
    return Row(
        table=info.get("table") or entry["group"] or entry["fullname"],
        name=info.get("row") or info.get("variant") or entry["name"],
        position=info.get("position", 0),
        wall_seconds=info.get("wall_seconds", entry["stats"]["median"]),
        cpu_seconds=info.get("cpu_seconds", 0.0),
        wall_rounds=tuple(info.get("wall_rounds", entry["stats"].get("data", ()))),
        info=info,
    )


def group_rows(rows: Any) -> dict[str, tuple[Row, ...]]:
    """Groups rows by table, each in its order."""
    tables: dict[str, list[Row]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    return {name: tuple(sorted(group, key=lambda row: row.position)) for name, group in tables.items()}


def _read(path: str) -> dict[str, Any]:
    hint = "pytest benchmarks --benchmark-json=FILE writes one"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("RESULTS", path, "a file that exists", hint) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ConfigError("RESULTS", path, "pytest-benchmark's JSON", hint) from None
    if not isinstance(content, dict) or not {"benchmarks", "machine_info"} <= content.keys():
        raise ConfigError("RESULTS", path, "pytest-benchmark's JSON", hint)
    return content
