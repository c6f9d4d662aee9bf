"""The report of the ETL: the plan of a dry run and the closing table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from etl.cli import console as open_console
from etl.cli import show_line
from etl.errors import reasons
from etl.format import layout
from etl.format.manifest import Variant
from etl.paths import join
from etl.sources import notes
from etl.sources.files.names import IGNORED
from etl.words import one_line, quantity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from etl.config import EtlConfig
    from etl.format.manifest import Manifest
    from etl.plan.plan import Plan


# A longer table is not read, and the lines below it would be out of sight.
_MOST_SHARDS = 100


def new_table(*columns: str) -> Table:
    """Makes an empty table."""
    from rich.table import Table

    return Table(*columns)


def megabytes(num_bytes: float) -> str:
    """Formats a number of bytes in megabytes of 1,000,000."""
    return f"{num_bytes / 1e6:,.1f} MB"


def print_plan(plan: Plan) -> None:
    """Prints what a run would read and write, from sizes alone; nothing is decoded."""
    console = open_console()
    config = plan.config
    console.print(
        f"Would read {quantity(plan.num_read, 'input')} of {quantity(len(plan.class_names), 'class')} from "
        f"{config.options.input or config.source}, and write to {config.output}:",
        soft_wrap=True,
    )
    table = new_table("shard", "images", "about")
    for column in table.columns[1:]:
        column.justify = "right"
    num_shards = 0
    for variant in config.variants:
        for split, index, images, num_bytes in plan.shards(variant):
            num_shards += 1
            if num_shards <= _MOST_SHARDS:
                table.add_row(f"{variant}/{split}-{index:05d}", f"{len(images):,}", megabytes(num_bytes))
    if num_shards > _MOST_SHARDS:
        table.caption = f"the first {_MOST_SHARDS} of {num_shards:,} shards"
    console.print(table)
    _print_rejected(console, plan.rejected())
    _print_ignored(console, plan.ignored())
    for line in notes.empty_classes(plan.class_counts()):
        show_line(line)
    console.print("Nothing was written: this was a dry run.")


def print_notes(lines: Iterable[str]) -> None:
    """Prints what the operator should know of the inputs."""
    for line in lines:
        print(f"note: {one_line(line)}", file=sys.stderr, flush=True)


def print_summary(config: EtlConfig, manifest: Manifest) -> None:
    """Prints the closing table of a run."""
    console = open_console()
    console.print(variants_table(manifest))
    counts = manifest.counts
    seconds = manifest.run.get("seconds", 0)
    console.print(
        f"{counts.read:,} read = {counts.written:,} written + {sum(counts.rejected.values()):,} rejected; "
        f"{counts.duplicates:,} exact {'copy' if counts.duplicates == 1 else 'copies'} among them; {seconds:,.0f} s"
    )
    _print_rejected(console, counts.rejected)
    _print_ignored(console, manifest.ignored)
    totals: Counter[str] = Counter()
    for split in next(iter(manifest.variants.values())).splits.values():
        totals.update(split.class_counts)
    across = (manifest.duplicates.get(f"across_{name}", 0) for name in ("labels", "splits"))
    for line in (
        *notes.empty_classes((name, totals[name]) for name in manifest.class_names),
        *notes.duplicates(*across),
        join(config.output, layout.MANIFEST_NAME),
    ):
        show_line(line)


def variants_table(manifest: Manifest) -> Table:
    """Returns a table of a data set's variants and splits."""
    table = new_table("variant", "split", "examples", "shards", "size", "largest", "images")
    for column in table.columns[2:6]:
        column.justify = "right"
    for variant in manifest.variants.values():
        for split in variant.splits.values():
            largest = max((shard.num_bytes for shard in split.shards), default=0)
            table.add_row(
                variant.name,
                split.name,
                f"{split.num_examples:,}",
                f"{len(split.shards):,}",
                megabytes(split.num_bytes),
                megabytes(largest),
                _describe(variant),
            )
    return table


def _describe(variant: Variant) -> str:
    image = variant.image
    size = f"{image.size[0]}x{image.size[1]} {image.resize}" if image.size else "as given"
    return f"{variant.encoding.describe(image)} {size}"


def _print_rejected(console: Console, rejected: object) -> None:
    if not rejected:
        return
    table = new_table("rejected", "inputs", "why")
    table.columns[1].justify = "right"
    for reason, count in dict(rejected).items():  # type: ignore[call-overload]
        table.add_row(reason, f"{count:,}", reasons.explain(reason))
    console.print(table)


def _print_ignored(console: Console, ignored: Mapping[str, int]) -> None:
    if not ignored:
        return
    table = new_table("ignored", "entries", "what")
    table.columns[1].justify = "right"
    for kind, count in ignored.items():
        table.add_row(kind, f"{count:,}", IGNORED.get(kind, ""))
    console.print(table)
