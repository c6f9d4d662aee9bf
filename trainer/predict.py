"""`python -m trainer.predict MODEL_DIR FILE…`: asks an exported model about images."""

from __future__ import annotations

from collections.abc import Sequence

from etl.cli import Parser, path
from etl.process import lifecycle
from trainer.listing import list_files
from trainer.serving.answers import add_image_arguments, print_answers
from trainer.serving.served_model import load


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 where every file got an answer, else 1."""
    parser = Parser(prog="trainer.predict", description="Asks an exported model what is on photographs.")
    parser.add_argument(
        "model_dir",
        type=path("MODEL_DIR"),
        metavar="MODEL_DIR",
        help="a SavedModel, or the --output_dir of trainer.task",
    )
    add_image_arguments(parser)
    arguments = parser.parse_args(argv)
    # Before the model, which takes seconds.
    files = list(list_files(arguments.files))
    return print_answers(load(arguments.model_dir), files, arguments)


if __name__ == "__main__":
    lifecycle.end_with(main)
