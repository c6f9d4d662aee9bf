"""The results of a study's trials, and the file that keeps them: `trials.json`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, DatasetError
from etl.errors.limits import name_file
from etl.format.parsing import make, parse_json
from trainer.tune.parameters import Value

FILE_NAME = "trials.json"
COMPLETED, STOPPED, FAILED = "completed", "stopped", "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One trial that has ended.

    Attributes:
        trial: Its number, from 1.
        parameters: Name to value.
        state: `COMPLETED`; `STOPPED`, because it was hopeless; or `FAILED`.
        value: The metric by which it is judged, None of one that failed.
        measurements: Epoch to value; of a stopped one, until it was found hopeless.
        seconds: From its start to its end, of the last attempt.
        message: Why it failed, in one line.
    """

    trial: int
    parameters: Mapping[str, Value]
    state: str
    value: float | None
    measurements: Mapping[int, float]
    seconds: float
    message: str = ""


def rank(results: Iterable[Result], *, is_maximised: bool) -> list[Result]:
    """Orders trials: completed before stopped before failed, then by metric, then by number."""
    order = (COMPLETED, STOPPED, FAILED)

    def key(result: Result) -> tuple[int, float, int]:
        value = result.value or 0.0
        return order.index(result.state), -value if is_maximised else value, result.trial

    return sorted(results, key=key)


def find_best(results: Iterable[Result], *, is_maximised: bool) -> Result | None:
    """Returns the best completed trial, the earliest among equals; None where none was completed."""
    ranked = rank(results, is_maximised=is_maximised)
    return ranked[0] if ranked and ranked[0].state == COMPLETED else None


def save(folder: Path, study: Mapping[str, Any], results: Sequence[Result], best: int | None) -> None:
    """Writes `trials.json`, whole or not at all.

    Args:
        folder: The study's.
        study: All that decides which trials there are and what comes of them.
        results: Of the trials that have ended, in any order.
        best: The best trial's number.
    """
    trials = [dataclasses.asdict(result) for result in sorted(results, key=lambda result: result.trial)]
    text = json.dumps({"study": dict(study), "best": best, "trials": trials}, indent=1)
    path = folder / FILE_NAME
    unfinished = path.with_name(f"{FILE_NAME}.new")
    with name_file(str(path)), open(unfinished, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(unfinished, path)


def load(folder: Path, study: Mapping[str, Any]) -> dict[int, Result]:
    """Reads `trials.json`, of the same study.

    Args:
        folder: The study's.
        study: What this one is.

    Returns:
        Number to trial; nothing where there is no such file.

    Raises:
        ConfigError: it is another study's.
        DatasetError: the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    try:
        content = parse_json(path.read_bytes(), allow_nan=True)
        saved, trials = dict(content["study"]), content["trials"]
        results = [
            make(
                Result,
                **{**trial, "measurements": {int(epoch): value for epoch, value in trial["measurements"].items()}},
            )
            for trial in trials
        ]
        if any(result.state not in (COMPLETED, STOPPED, FAILED) for result in results):
            raise ValueError("a trial ended in no way that there is")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: damaged ({error!r}); --overwrite begins the study anew") from error
    # By way of JSON, in which a tuple is a list.
    _check_same(json.loads(json.dumps(dict(study))), saved)
    return {result.trial: result for result in results}


def _check_same(study: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    for name in {**study, **saved}:
        now, before = study.get(name), saved.get(name)
        if isinstance(now, dict) and isinstance(before, dict):
            _check_same(now, before)
        elif now != before:
            raise ConfigError(name, now, f"{before!r}, as in the study that is there", "--overwrite begins it anew")
