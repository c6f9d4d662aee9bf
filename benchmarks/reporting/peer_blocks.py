"""Other people's readers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.reporting.markdown import NOT_RUN, medians, number, table, times
from benchmarks.reporting.results import Results, Row

TABLE = "peers: "
# Deliverable to its heading.
DELIVERABLES: Mapping[str, str] = {
    "jpeg": "JPEG as stored",
    "jpeg_256": "JPEG, shorter side 256",
    "pixels": "224x224 pixels",
}
PICTURE = "peers.png"
_NONE = "-"
_OURS, _THEIRS = "#1f77b4", "#9e9e9e"
_DPI = 110


def render_peers(results: Results) -> str:
    """Renders the rates, who is absent, and what each peer costs beside its rate."""
    tables = {name: results.table(TABLE + name) for name in DELIVERABLES}
    rows = {name: {row.name: row for row in group} for name, group in tables.items()}
    # In the order of the deliverable that everybody has.
    names = list(dict.fromkeys(row.name for group in tables.values() for row in group))
    if not names:
        return NOT_RUN
    parts = [
        _render_rates(rows, names),
        _say_how(tables),
        f"![Other readers beside ours](benchmarks/{PICTURE})",
        _render_costs(rows, names),
        *_say_absent(tables),
    ]
    return "\n\n".join(parts)


def draw_peers(results: Results, folder: Path) -> list[Path]:
    """Draws each deliverable's ratios to ours, their ranges as lines; returns the picture's path, if there is any."""
    tables = {title: rows for name, title in DELIVERABLES.items() if (rows := results.table(TABLE + name))}
    if not tables:
        return []
    from matplotlib import pyplot as plt

    height = 1.0 + 0.32 * max(map(len, tables.values()))
    figure, columns = plt.subplots(
        1, len(tables), figsize=(4 * len(tables), height), layout="constrained", squeeze=False
    )
    for axes, (title, rows) in zip(columns[0], tables.items(), strict=True):
        ordered = sorted(rows, key=lambda row: float(row.info["of_ours"]), reverse=True)
        for place, row in enumerate(ordered):
            ratio, rounds = row.info["of_ours"], row.info["of_ours_rounds"]
            axes.barh(place, ratio, 0.7, color=_OURS if row == rows[0] else _THEIRS)
            axes.plot([min(rounds), max(rounds)], [place, place], color="black", linewidth=1.2)
            axes.annotate(times(ratio), (max(ratio, *rounds), place), (4, -3), textcoords="offset points", fontsize=8)
        axes.set_yticks(range(len(ordered)), [row.name for row in ordered], fontsize=8)
        axes.invert_yaxis()
        axes.axvline(1, color="black", linewidth=0.6, zorder=0.5)
        axes.margins(x=0.2)
        axes.set_xlim(left=0)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("images a second, of ours", fontsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    path = folder / PICTURE
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return [path]


def _render_rates(rows: Mapping[str, Mapping[str, Row]], names: Sequence[str]) -> str:
    header = ["reader", *(cell for title in DELIVERABLES.values() for cell in (f"{title}: a second", "of ours"))]
    lines = []
    for name in names:
        cells = [_rate_cells(rows[deliverable].get(name)) for deliverable in DELIVERABLES]
        lines.append([name, *(cell for pair in cells for cell in pair)])
    return table(header, lines)


def _rate_cells(row: Row | None) -> tuple[str, str]:
    if row is None:
        return _NONE, _NONE
    rounds = row.info["of_ours_rounds"]
    # Ours of ours is one in every round.
    spread = f" ({number(min(rounds))} to {number(max(rounds))})" if min(rounds) < max(rounds) else ""
    return number(row.info["items_a_second"]), times(row.info["of_ours"]) + spread


def _say_how(tables: Mapping[str, Sequence[Row]]) -> str:
    first = next(row for group in tables.values() for row in group)
    sizes = ", ".join(
        f"{rows[0].info['num_images']:,} ({DELIVERABLES[name]})"
        for name, rows in tables.items()
        if rows and "num_images" in rows[0].info
    )
    return (
        f"Batches of {first.info['batch_size']}; images of an epoch: {sizes}; {medians(len(first.wall_rounds))}, "
        "in brackets the smallest and the largest ratio of a round."
    )


def _render_costs(rows: Mapping[str, Mapping[str, Row]], names: Sequence[str]) -> str:
    header = ["reader", "version", "workers", "CPU ms an image", "written s", "written MB"]
    header += ["import s", "first batch s", "memory MB"]
    lines = []
    for name in names:
        every = [rows[deliverable].get(name) for deliverable in DELIVERABLES]
        row = next(one for one in every if one is not None)
        info = row.info
        written = [number(info["prepare_seconds"]), number(info["prepared_bytes"] / 1e6)]
        lines.append(
            [
                name,
                next(iter(info["versions"].values())) if name != names[0] else _NONE,
                ", ".join(_NONE if one is None else _workers(one) for one in every),
                " / ".join(_NONE if one is None else number(one.cpu_seconds) for one in every),
                *(written if info["is_converted"] else [_NONE, number(info["prepared_bytes"] / 1e6)]),
                *(number(info[fact]) for fact in ("import_seconds", "first_batch_seconds", "peak_mb")),
            ]
        )
    versions: dict[str, str] = {}
    for group in rows.values():
        for row in group.values():
            versions |= row.info["versions"]
    told = ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
    return f"{table(header, lines)}\n\nVersions: {told}."


def _workers(row: Row) -> str:
    return "own" if row.info["num_workers"] == 0 else str(row.info["num_workers"])


def _say_absent(tables: Mapping[str, Sequence[Row]]) -> list[str]:
    absent: dict[str, str] = {}
    missing: dict[str, str] = {}
    for group in tables.values():
        for row in group:
            absent |= row.info.get("absent", {})
            for deliverable, reason in row.info["missing"].items():
                missing[f"{row.name} ({DELIVERABLES[deliverable]})"] = reason
    parts = [f"Not measured: {name}, {reason}." for name, reason in absent.items()]
    return parts + [f"No such form: {name}: {reason}." for name, reason in missing.items()]
