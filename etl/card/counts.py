"""The page's charts: how many examples each class and split has, and how even the shards are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.card import charts, figures
from etl.card.charts import Column, Part
from etl.card.markup import Markup, code, element, join, paragraph, section, table
from etl.card.samples import class_totals
from etl.format.manifest import Manifest, Split, Variant
from etl.words import quantity

# Up to here each class has a bar; of more the page shows the curve of their sizes, and the ends of it.
MOST_BARS = 60
# Of a longer list the page shows the beginning.
MOST_ROWS = 1_000
_NUM_EXTREMES = 10
# More steps than the chart is wide can't be seen.
_MOST_STEPS = 1_000


@dataclass(frozen=True, slots=True)
class _ClassRow:
    """One class: its name, its examples in each split, and their sum."""

    name: str
    by_split: tuple[int, ...]
    total: int


def splits_of(manifest: Manifest) -> Mapping[str, Split]:
    """Returns the splits of the first variant; those of the others hold the same images."""
    first = next(iter(manifest.variants.values()), None)
    return first.splits if first else {}


def classes_section(manifest: Manifest) -> Markup:
    """Shows the examples of each class, by split."""
    splits = splits_of(manifest)
    rows = [
        _ClassRow(name, tuple(split.class_counts.get(name, 0) for split in splits.values()), total)
        for name, total in class_totals(manifest).items()
    ]
    legend = charts.legend(list(splits))
    if not rows:
        return section("classes", "Classes", paragraph("There are no classes."))
    if len(rows) <= MOST_BARS:
        return section("classes", "Classes", _balance(rows), legend, _bars(rows, list(splits)))
    return section("classes", "Classes", _balance(rows), legend, _curve(rows), *_lists(rows, list(splits)))


def splits_section(manifest: Manifest) -> Markup:
    """Shows the examples of each split."""
    splits = list(splits_of(manifest).values())
    total = sum(split.num_examples for split in splits)
    parts = [
        Part(
            split.num_examples / max(1, total),
            number,
            f"{split.name}: {split.num_examples:,}, {figures.share(split.num_examples, total)}",
        )
        for number, split in enumerate(splits)
    ]
    rows = [
        [
            split.name,
            f"{split.num_examples:,}",
            figures.share(split.num_examples, total),
            quantity(sum(1 for number in split.class_counts.values() if number)),
        ]
        for split in splits
    ]
    empty = [split.name for split in splits if not split.num_examples]
    return section(
        "splits",
        "Splits",
        element("div", charts.bar(parts), class_="thick"),
        charts.legend([split.name for split in splits]),
        table(["split", "examples", "share", "classes with an example"], rows, numbers=frozenset({1, 2, 3})),
        paragraph(f"Empty: {figures.listing(empty)}.", class_="warning") if empty else Markup(),
    )


def shards_section(manifest: Manifest) -> Markup:
    """Shows the size of every shard beside the size that was aimed at."""
    target = manifest.config.get("shard_bytes")
    target = float(target) if isinstance(target, (int, float)) else 0.0
    parts = [_shards(variant, target) for variant in manifest.variants.values()]
    rows = [
        [f"{variant.name} / {split.name}", *_evenness(split)]
        for variant in manifest.variants.values()
        for split in variant.splits.values()
    ]
    head = ["variant / split", "shards", "examples", "size", "smallest", "mean", "largest", "furthest from mean"]
    aim = f"Shards aim at {figures.size(target)}; " if target else ""
    return section(
        "shards",
        "Shards",
        paragraph(f"{aim}each split is cut into even ones, and a split smaller than that is one shard."),
        *parts,
        table(head, rows, class_="full", numbers=frozenset(range(1, len(head)))),
    )


def _balance(rows: Sequence[_ClassRow]) -> Markup:
    """Says how even the classes are."""
    largest = max(rows, key=lambda row: row.total)
    smallest = min(rows, key=lambda row: row.total)
    number = quantity(len(rows), "class")
    if largest.total == smallest.total:
        return paragraph(f"{number}, of {quantity(largest.total, 'example')} each.")
    times = f": the largest is {largest.total / smallest.total:,.1f} times the smallest" if smallest.total else ""
    return paragraph(
        f"{number}, from {smallest.total:,} (",
        code(figures.shorten(smallest.name, 40)),
        f") to {quantity(largest.total, 'example')} (",
        code(figures.shorten(largest.name, 40)),
        f"){times}.",
    )


def _bars(rows: Sequence[_ClassRow], splits: Sequence[str]) -> Markup:
    longest = max(1, *(row.total for row in rows))
    lines = []
    for row in rows:
        parts = [
            Part(number / longest, series, f"{row.name}, {split}: {number:,}")
            for series, (split, number) in enumerate(zip(splits, row.by_split, strict=True))
        ]
        lines.append([_class_name(row.name), charts.bar(parts), *_numbers(row)])
    head = ["class", "", *splits, "all"]
    return table(head, lines, class_="bars counts", numbers=frozenset(range(2, len(head))))


def _curve(rows: Sequence[_ClassRow]) -> Markup:
    """Draws the classes by size, the largest first."""
    ordered = sorted(rows, key=lambda row: (-row.total, row.name))
    if len(ordered) > _MOST_STEPS:
        ordered = [ordered[place * (len(ordered) - 1) // (_MOST_STEPS - 1)] for place in range(_MOST_STEPS)]
    series = list(zip(*(row.by_split for row in ordered), strict=True))
    label = f"Examples a class, from {ordered[0].total:,} down to {ordered[-1].total:,}"
    ends = element(
        "p",
        element("span", f"{ordered[0].total:,}, the largest class"),
        element("span", f"{ordered[-1].total:,}, the smallest"),
        class_="ends",
    )
    return join(charts.steps(series, label), ends)


def _lists(rows: Sequence[_ClassRow], splits: Sequence[str]) -> list[Markup]:
    """Lists the largest and the smallest classes, and behind a click all of them."""
    ordered = sorted(rows, key=lambda row: (-row.total, row.name))
    head = ["class", *splits, "all"]
    numbers = frozenset(range(1, len(head)))

    def listed(chosen: Sequence[_ClassRow]) -> Markup:
        return table(head, [[_class_name(row.name), *_numbers(row)] for row in chosen], numbers=numbers)

    pair = element(
        "div",
        element("div", element("h3", f"The {_NUM_EXTREMES} largest"), listed(ordered[:_NUM_EXTREMES])),
        element("div", element("h3", f"The {_NUM_EXTREMES} smallest"), listed(ordered[-_NUM_EXTREMES:])),
        class_="pair",
    )
    title = f"All {len(rows):,} classes, in the order of label_int"
    if len(rows) > MOST_ROWS:
        title = f"The first {MOST_ROWS:,} of {len(rows):,} classes, in the order of label_int; manifest.json has all"
    return [pair, element("details", element("summary", title), listed(rows[:MOST_ROWS]))]


def _numbers(row: _ClassRow) -> list[str]:
    return [f"{number:,}" for number in (*row.by_split, row.total)]


def _class_name(name: str) -> Markup:
    return element("span", figures.shorten(name) or "(no label)", class_="name", title=name or None)


def _shards(variant: Variant, target: float) -> Markup:
    """Draws one variant's shards, split by split."""
    sizes = {
        name: (number, [shard.num_bytes for shard in split.shards])
        for number, (name, split) in enumerate(variant.splits.items())
        if split.shards
    }
    if not sizes:
        return Markup()
    num_shards = sum(len(values) for _, values in sizes.values())
    largest = max(max(values) for _, values in sizes.values())
    groups, shared = [], 1
    for name, (number, values) in sizes.items():
        runs = charts.group_runs(values, max(1, charts.MOST_COLUMNS * len(values) // num_shards))
        shared = max(shared, len(runs[0]))
        groups.append([Column(min(run), max(run), number, _title(name, run)) for run in runs])
    label = f"{variant.name}: sizes of {quantity(num_shards, 'shard')}, the largest {figures.size(largest)}"
    keys = [element("span", element("span", class_="dash"), f"target {figures.size(target)}")] if target else []
    if shared > 1:
        keys.append(
            element("span", f"a column stands for up to {shared:,} shards: solid to the smallest, pale to the largest")
        )
    return join(
        element("h3", variant.name),
        charts.columns(groups, max(target, largest) * 1.06, target, label),
        charts.legend(list(variant.splits), *keys),
    )


def _title(split: str, run: Sequence[int]) -> str:
    if len(run) == 1:
        return f"{split}: {figures.size(run[0])}"
    return f"{split}, {len(run)} shards: {figures.size(min(run))} to {figures.size(max(run))}"


def _evenness(split: Split) -> list[str]:
    sizes = [shard.num_bytes for shard in split.shards]
    if not sizes:
        return ["0", "0", *"-----"]
    mean = sum(sizes) / len(sizes)
    furthest = max(abs(size - mean) for size in sizes)
    return [
        f"{len(sizes):,}",
        f"{split.num_examples:,}",
        *map(figures.size, (split.num_bytes, min(sizes), mean, max(sizes))),
        figures.share(furthest, mean) if len(sizes) > 1 else "-",
    ]
