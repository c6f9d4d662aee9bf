"""The chapter's tables: ours, the same over storage, the chapter's."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting import chapter_figures
from benchmarks.reporting.comparison import describe_swaps, find_swaps, speed_ups
from benchmarks.reporting.markdown import NOT_RUN, medians, number, table, times
from benchmarks.reporting.results import STORAGE, Results, Row


def render_table(results: Results, name: str) -> str:
    """Renders one of the chapter's tables beside ours.

    Args:
        results: What was run.
        name: `7-1` to `7-5`.
    """
    local, remote = results.table(name), results.table(name + STORAGE)
    if not local and not remote:
        return NOT_RUN
    figures = chapter_figures.TABLES[name]
    theirs = dict(zip(figures, speed_ups([figure.wall_seconds for figure in figures.values()]), strict=True))
    ours = [(_cells(rows), bool(rows)) for rows in (local, remote)]
    header = ["row"]
    for label, (_, is_there) in zip(("", "storage: "), ours, strict=True):
        header += [f"{label}CPU s", f"{label}wall s", f"{label}speed-up"] if is_there else []
    lines = []
    for row in local or remote:
        line = [row.name]
        for cells, is_there in ours:
            line += cells.get(row.name, ["", "", ""]) if is_there else []
        figure = figures.get(row.name)
        line += (
            [number(figure.cpu_seconds), number(figure.wall_seconds), times(theirs[row.name])] if figure else [""] * 3
        )
        lines.append(line)
    parts = [table([*header, "chapter: CPU s", "chapter: wall s", "chapter: speed-up"], lines)]
    parts += _say_order(name, local, "Order of the rows by wall time")
    parts += _say_order(name, remote, "Over storage")
    parts.append(_say_size(name, local or remote, remote))
    return "\n\n".join([*parts, f"![Speed-ups of table {name}](benchmarks/{picture_name(name)})"])


def picture_name(name: str) -> str:
    """Returns the name of a table's picture."""
    return f"table_{name.replace('-', '_')}.png"


def _cells(rows: Sequence[Row]) -> dict[str, list[str]]:
    return {row.name: [number(row.cpu_seconds), number(row.wall_seconds), times(row.info["speed_up"])] for row in rows}


def _say_order(name: str, rows: Sequence[Row], where: str) -> list[str]:
    if not rows:
        return []
    theirs = {row: figure.wall_seconds for row, figure in chapter_figures.TABLES[name].items()}
    return [f"{where}: {describe_swaps(find_swaps(rows, theirs))}."]


def _say_size(name: str, rows: Sequence[Row], remote: Sequence[Row]) -> str:
    info = rows[0].info
    if name == "7-5":
        what = f"{info['num_images']} images of {info['image']}"
    else:
        what = f"{info['num_photographs']} photographs, {info['num_epochs']} epochs"
    told = f"{what}; {medians(len(rows[0].wall_rounds))}"
    if remote:
        latency, bandwidth = (remote[0].info[name] for name in ("latency_seconds", "bandwidth_mb_a_connection"))
        told += f"; storage: {1_000 * latency:.0f} ms a request, {bandwidth:g} MB/s a connection"
        told += f", {medians(len(remote[0].wall_rounds))}"
    return told + "."


def render_distribution(results: Results) -> str:
    """Renders devices and workers, and what the chapter says of its own."""
    parts = []
    for name in ("distribution: devices", "distribution: workers"):
        rows = results.table(name)
        lines = [
            [row.name, number(row.cpu_seconds), number(row.wall_seconds), times(row.info["speed_up"])] for row in rows
        ]
        parts += [table(["row", "CPU s", "wall s", "speed-up"], lines)] if rows else []
    if not parts:
        return NOT_RUN
    seconds = chapter_figures.DISTRIBUTION
    theirs = [
        [name, number(wall), times(speed_up)]
        for (name, wall), speed_up in zip(seconds.items(), speed_ups(list(seconds.values())), strict=True)
    ]
    parts.append(table(["chapter: an epoch of its classifier", "wall s", "speed-up"], theirs))
    return "\n\n".join(parts)


def render_colour_distortion(results: Results) -> str:
    """Renders the three places of the colour distortion."""
    rows = results.table("colour distortion")
    if not rows:
        return NOT_RUN
    lines = [
        [row.name, row.info["drawn"], number(row.cpu_seconds), number(row.wall_seconds), times(row.info["speed_up"])]
        for row in rows
    ]
    told = f"{rows[0].info['num_images']} images of 224x224; {medians(len(rows[0].wall_rounds))}."
    return "\n\n".join([table(["row", "drawn", "CPU s", "wall s", "speed-up"], lines), told])
