"""`python -m etl.card DIR`: makes the page of a data set again."""

from __future__ import annotations

import os
from collections.abc import Sequence

from etl import storage
from etl.cli import Parser, path, show_line
from etl.errors import EXIT_OK, ConfigError
from etl.format import layout
from etl.format import manifest as manifests
from etl.process import lifecycle


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = Parser(prog="etl.card", description=f"Writes {layout.CARD_NAME}, a page that shows what a data set holds.")
    parser.add_argument("data_dir", type=path("DIR"), metavar="DIR", help="folder of the data set")
    data_dir = storage.absolute(parser.parse_args(argv).data_dir)
    if storage.is_local(data_dir) and not os.path.isdir(data_dir):
        raise ConfigError("DIR", data_dir, "the folder of a data set")
    from etl.card.card import write_card

    show_line(write_card(data_dir, manifests.load(data_dir, storage.read_text)))
    return EXIT_OK


if __name__ == "__main__":
    lifecycle.end_with(main)
