"""Reads the file in which a trial reports its metric: `trainer.training.hypertune` writes it, Vertex AI reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from etl.errors import DatasetError, one_line
from etl.format.parsing import parse_json, split_lines


def read(path: Path, metric: str) -> dict[int, float]:
    """Reads what a trial has reported so far.

    The trainer replaces the file as a whole, so it is never seen half written. A trial that went on from a checkpoint
    may have reported an epoch twice, with the same value.

    Args:
        path: The file; one that isn't there is as good as an empty one.
        metric: The metric's name.

    Returns:
        Epoch, from 1, to value, in the order of epochs.

    Raises:
        DatasetError: it was damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    found: dict[int, float] = {}
    for number, line in split_lines(data):
        try:
            content = parse_json(line)
            if metric in content:
                value = float(content[metric])
                if math.isfinite(value):
                    found[int(content["global_step"])] = value
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise DatasetError(f"{path}: line {number} is no metric of a trial: {one_line(error)[:200]}") from error
    return dict(sorted(found.items()))


def select(values: Mapping[int, float], *, is_best: bool, is_maximised: bool) -> float:
    """Returns the value by which a trial is judged: its last one, or its best one.

    Args:
        values: Epoch to value, in the order of epochs, one or more.
        is_best: Whether the best one is asked for.
        is_maximised: Whether more is better.
    """
    if not is_best:
        return list(values.values())[-1]
    return max(values.values()) if is_maximised else min(values.values())
