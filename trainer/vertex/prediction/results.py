"""Reads and shows the results of a batch prediction job."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from etl.cli import console, note
from etl.errors import EXIT_FAILED, EXIT_OK
from etl.format.parsing import is_text, parse_json
from trainer.serving.predictions import Prediction

if TYPE_CHECKING:
    from trainer.vertex.api.buckets import Buckets

# What an instance is known by, and its result.
KEY = "key"
_RESULTS, _ERRORS = "prediction.results", "prediction.errors"


def show_results(store: Buckets, job: Any, *, as_json: bool) -> int:
    """Shows what a finished job left: a table of classes, or a line an image; and where it is.

    Args:
        store: The connection.
        job: As the API gives it.
        as_json: Whether each image is shown.

    Returns:
        0 where every instance got an answer, else 1.
    """
    folder = str(job.output_info.gcs_output_directory).rstrip("/")
    names = [entry.name for entry in store.entries(folder)]
    predictions = (
        prediction
        for name in names
        if name.startswith(_RESULTS)
        for prediction in read_results(store.read_lines(f"{folder}/{name}"))
    )
    failed = _print_json(predictions) if as_json else _print_classes(predictions)
    for name in names:
        if name.startswith(_ERRORS) and any(line.strip() for line in store.read_lines(f"{folder}/{name}")):
            failed += 1
            note(f"error: some instances got no answer: {folder}/{name}")
    note(f"results: {folder}")
    return EXIT_FAILED if failed else EXIT_OK


def read_results(lines: Iterable[str]) -> Iterator[Prediction]:
    """Reads the lines of a result: `{"key": …, "prediction": …}`, or with `instance` in the key's place."""
    for line in lines:
        if not line.strip():
            continue
        try:
            content = dict(parse_json(line, allow_nan=True))
            given = content.get("instance")
            file = str(content.get(KEY) or (given.get(KEY, "") if isinstance(given, dict) else ""))
        except (ValueError, TypeError) as error:
            yield Prediction(line.strip()[:80], error=f"a result that is no JSON object: {error}")
            continue
        answer: Any = content.get("prediction")
        try:
            name, index, probability = answer["class_str"], int(answer["class_int"]), float(answer["probability"])
            if not (is_text(name) and math.isfinite(probability)):
                raise ValueError("no class, or no probability")
            yield Prediction(file, class_str=name, class_int=index, probability=probability)
        except (KeyError, TypeError, ValueError, OverflowError):
            reason = str(content.get("error") or answer or "no answer")
            yield Prediction(file, error=reason[:200])


def _print_json(predictions: Iterable[Prediction]) -> int:
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
            note(f"error: {prediction.file}: {prediction.error}")
        else:
            print(json.dumps(prediction.to_dict()))
    return failed


# Of a longer table the end alone would be on the screen.
_MOST_ROWS = 60


def _print_classes(predictions: Iterable[Prediction]) -> int:
    """Prints how often each class was the answer, and how surely; returns how many instances got none."""
    from rich.table import Table

    sums: dict[str, list[float]] = {}
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
        else:
            found = sums.setdefault(prediction.class_str, [0, 0.0])
            found[0] += 1
            found[1] += prediction.probability
    table = Table("class", "photographs", "mean probability")
    if len(sums) > _MOST_ROWS:
        table.caption = f"the {_MOST_ROWS} commonest of {len(sums):,} classes; --format json shows each answer"
    for name, (count, total) in sorted(sums.items(), key=lambda item: -item[1][0])[:_MOST_ROWS]:
        table.add_row(name, f"{count:,.0f}", f"{total / count:.4f}")
    if failed:
        table.add_row("no answer", f"{failed:,}", "")
    console().print(table)
    return failed
