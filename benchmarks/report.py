"""From pytest-benchmark's JSON to docs/benchmarks.md and its pictures.

pytest benchmarks --benchmark-json=results.json
python -m benchmarks.report results.json
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.reporting import chapter_blocks, document, learning_blocks, own_blocks, peer_blocks, pictures, results
from benchmarks.reporting.chapter_figures import TABLES, TITLES
from benchmarks.reporting.results import Results
from etl import errors
from etl.cli import Parser
from etl.process import lifecycle

TITLE = "Benchmarks"
DEFAULT_OUTPUT = "docs/benchmarks.md"

# Block to its heading on a new page and to what renders it.
BLOCKS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "machine": ("The machine", own_blocks.render_machine),
    "ratios": ("The ratios that matter", own_blocks.render_claims),
    **{
        f"table-{name}": (f"Table {name}: {TITLES[name]}", functools.partial(chapter_blocks.render_table, name=name))
        for name in TABLES
    },
    "colour-distortion": ("Where colour distortion goes", chapter_blocks.render_colour_distortion),
    "distribution": ("Distribution", chapter_blocks.render_distribution),
    "rates": ("Reading by variant", own_blocks.render_rates),
    "deliverables": ("The chapter's reader on the same photographs", own_blocks.render_deliverables),
    "peers": ("Other readers on the same photographs", peer_blocks.render_peers),
    "start-up": ("Time to the first batch, and memory", own_blocks.render_startup),
    "scaling": ("Several workers", own_blocks.render_scaling),
    "input-wait": ("Waiting for input", own_blocks.render_input_wait),
    "learning": ("What the models learn", learning_blocks.render_learning),
    "serving": ("Serving", own_blocks.render_serving),
    "etl": ("The ETL", own_blocks.render_etl),
}


def render(measured: Results, page: str | None, names: Collection[str] = BLOCKS) -> str:
    """Renders the page.

    Args:
        measured: What was run.
        page: The page as it is, whose prose is kept; None for a new one without any.
        names: The blocks to render; others are kept, or left out of a new page.

    Raises:
        DatasetError: a block's marks are damaged.
    """
    blocks = {name: make(measured) for name, (_, make) in BLOCKS.items() if name in names}
    if page is None:
        return document.new_page(TITLE, {name: BLOCKS[name][0] for name in blocks}, blocks)
    return document.replace_blocks(page, blocks)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page and its pictures; returns the exit code."""
    parser = Parser(prog="benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULTS",
        help="pytest-benchmark's JSON; of two with the same row the last counts",
    )
    parser.add_argument("--output", default=DEFAULT_OUTPUT, metavar="FILE", help="the page; its prose is kept")
    parser.add_argument(
        "--only", action="append", choices=list(BLOCKS), metavar="BLOCK", help="this block alone; may be repeated"
    )
    arguments = parser.parse_args(argv)
    output = Path(arguments.output)
    measured = results.load(arguments.results)
    page = render(measured, output.read_text(encoding="utf-8") if output.exists() else None, arguments.only or BLOCKS)
    drawn = pictures.draw_all(measured, output.parent / "benchmarks")
    output.write_text(page, encoding="utf-8")
    print(f"{output}: {sum(map(len, measured.tables.values()))} rows, {len(drawn)} pictures")
    return errors.EXIT_OK


if __name__ == "__main__":
    lifecycle.end_with(main)
