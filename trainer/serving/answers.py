"""Answers about the images of a command line: its options, and the tables and lines that it prints."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from etl import interrupts, progress
from etl.cli import console, note, number, path
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError, limits
from trainer.files import is_remote
from trainer.serving.predictions import BATCH_SIZE, Prediction, Predictor, predict, write_images

if TYPE_CHECKING:
    from rich.table import Table

# Of a table: it is laid out as a whole, so nothing shows before its last row is there.
_MAX_TABLE_ROWS = 500

# More than that and how far it is shows.
_MANY_FILES = 2 * BATCH_SIZE


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the images, and for how answers are shown."""
    parser.add_argument(
        "files",
        type=path("FILE"),
        metavar="FILE",
        nargs="+",
        help="image files, folders of them, or patterns as 'photos/**/*.jpg'",
    )
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="json: one line an image, with all probabilities"
    )
    parser.add_argument(
        "--top_k",
        type=number("--top_k", int, minimum=1, what="a whole number of classes, 1 or more"),
        metavar="K",
        help="show the K likeliest classes of each image; in JSON as top_k",
    )
    parser.add_argument(
        "--output_dir",
        type=path("--output_dir"),
        metavar="DIR",
        help="where a model that gives colours puts its images",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace images that are in DIR already")


def print_answers(model: Predictor, files: Sequence[str], arguments: argparse.Namespace) -> int:
    """Asks a model about the images of a command line, and prints the answers.

    Args:
        model: The model.
        files: Their paths.
        arguments: Those of `add_image_arguments`.

    Returns:
        0 where every file got an answer, else 1.

    Raises:
        ConfigError: the options don't go with what the model gives.
    """
    output_dir = _check_output_dir(arguments.output_dir, model.gives)
    if arguments.top_k is not None and model.gives != "classes":
        raise ConfigError("--top_k", arguments.top_k, "no such option: this model gives images, and no classes")
    predictions = predict(model, files, arguments.top_k or 0)
    if output_dir is not None:
        predictions = write_images(predictions, output_dir, overwrite=arguments.overwrite)
    show = _print_json if arguments.format == "json" else _print_table
    # A few are done before a bar is read.
    shown = progress.step("predict", len(files)) if len(files) > _MANY_FILES else nullcontext()
    with shown, interrupts.hinting(lambda: f"add --overwrite to begin anew in {output_dir}" if output_dir else ""):
        num_failed = show(predictions, model.gives)
    return EXIT_FAILED if num_failed else EXIT_OK


def _check_output_dir(output_dir: str | None, gives: str) -> Path | None:
    """Checks that there is a folder for images where the model gives some, and only then.

    Raises:
        ConfigError: it is missing, would stay empty, or can't be made.
    """
    if gives != "colours":
        if output_dir is not None:
            raise ConfigError("--output_dir", output_dir, "no such option: this model gives classes, and no images")
        return None
    if output_dir is None or is_remote(output_dir):
        raise ConfigError("--output_dir", output_dir, "a local folder for the images that this model gives")
    try:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("--output_dir", output_dir, "a folder that can be written", limits.reason(error)) from error
    return Path(output_dir)


def _print_json(predictions: Iterable[Prediction], gives: str) -> int:
    """Prints one line an answer, as it comes; returns how many files got none."""
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
            _print_error(prediction)
        else:
            print(json.dumps(prediction.to_dict()), flush=True)
    return failed


def _print_table(predictions: Iterable[Prediction], gives: str) -> int:
    """Prints all answers, a table for each 500, which come as they are there; returns how many files got none."""
    failed = 0
    rest = iter(predictions)
    while batch := list(islice(rest, _MAX_TABLE_ROWS)):
        table = _new_table(gives)
        for prediction in batch:
            if prediction.error:
                failed += 1
                _print_error(prediction)
            else:
                for row in prediction.rows:
                    table.add_row(*row)
        if table.rows:
            console().print(table)
    return failed


def _new_table(gives: str) -> Table:
    from rich.table import Table

    table = Table("file", "class", "probability") if gives == "classes" else Table("file", "output")
    table.columns[0].overflow = "fold"
    table.columns[-1].overflow = "fold"
    if gives == "classes":
        table.columns[-1].justify = "right"
    return table


def _print_error(prediction: Prediction) -> None:
    note(f"error: {prediction.file}: {prediction.error}")
