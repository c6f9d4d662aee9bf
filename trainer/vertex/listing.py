"""`list`: lists the resources of a project and region."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from typing import Any

from etl.cli import Parser, number
from etl.cli import console as open_console
from etl.errors import EXIT_OK
from trainer.vertex.api import naming, requests, waiting
from trainer.vertex.api.calls import print_calls
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.options import add_cloud_arguments, cloud

_EPILOG = """\
Filters are the API's: 'display_name="flowers"', 'state="JOB_STATE_FAILED"', 'labels.team="pets"', joined by AND.
"""


def add_arguments(parser: Parser) -> None:
    """Adds the options of `list`."""
    parser.epilog = _EPILOG
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    add_cloud_arguments(parser)
    parser.add_argument("--filter", default="", help="which ones")
    parser.add_argument("--ours", action="store_true", help="only what was made by trainer.vertex")
    parser.add_argument(
        "--limit",
        type=number("--limit", int, minimum=1, what="a whole number, 1 or more"),
        default=50,
        metavar="N",
        help="the newest so many",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="json: one line each, with all")


def run(arguments: argparse.Namespace) -> int:
    """Prints a list."""
    where, kind = cloud(arguments), KINDS[arguments.kind]
    ours = [f'labels.{key}="{value}"' for key, value in naming.LABELS.items()] if arguments.ours else []
    filter_text = " AND ".join(filter(None, [arguments.filter, *ours]))
    # One more than shown, to say whether there are more.
    page_size = min(arguments.limit + 1, 100)
    if arguments.dry_run:
        print_calls([kind.list_call(where, filter_text, page_size=page_size)])
        return EXIT_OK
    found = kind.find(where, filter_text, page_size=page_size)
    shown = list(itertools.islice(found, arguments.limit + 1))
    more, shown = len(shown) > arguments.limit, shown[: arguments.limit]
    if arguments.format == "json":
        for item in shown:
            print(json.dumps(requests.to_dict(item)))
    else:
        _print_table(kind.what, shown)
    if more:
        print(f"there are more: --limit {2 * arguments.limit}, or --filter", file=sys.stderr)
    return EXIT_OK


def _print_table(what: str, items: list[Any]) -> None:
    from rich.table import Table

    console = open_console()
    if not items:
        console.print(f"no {what}")
        return
    has_state = any(waiting.state_of(item) for item in items)
    table = Table("name", "called", *(["state"] if has_state else []), "created")
    for column in table.columns:
        column.overflow = "fold"
    for item in items:
        name = "/".join(item.name.split("/")[-2:])
        state = [waiting.state_of(item)] if has_state else []
        created = f"{item.create_time:%Y-%m-%d %H:%M}" if item.create_time else ""
        table.add_row(name, item.display_name, *state, created)
    console.print(table)
