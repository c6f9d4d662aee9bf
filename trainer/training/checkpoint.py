"""The state of a run on disk, from which it goes on exactly where it was.

A checkpoint holds all that the rest of the run depends on: weights, the optimizer's variables, seed generators (which
Keras writes to none of its formats), the epoch's sums so far, the best weights, the place in the epoch, the history.
Bits also depend on the number of threads, so that is in it too. It is one file of arrays under a name of its own, and a
small file that names it, replaced in one move: whoever is killed while writing leaves the checkpoint before.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.errors import ConfigError, DatasetError, LimitError, limits, one_line
from etl.format.parsing import is_count, parse_json
from trainer import files
from trainer.files import is_remote, read_bytes, write_bytes, writing

if TYPE_CHECKING:
    import keras

_LATEST_NAME = "latest.json"
_STATE_PREFIX = "state-"
# Of the facts that a run goes on from.
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("best", "history", "flags"), dict),
    **dict.fromkeys(("threads", "missing"), list),
    **dict.fromkeys(("step", "num_epochs"), int),
    "fingerprint": str,
    "is_validation_due": bool,
}
# What a damaged file raises where it is read.
_SYMPTOMS = (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class State:
    """What is in a checkpoint.

    Attributes:
        variables: The model's, the seed generators' included, in their order.
        optimizer: The optimizer's variables, in their order.
        totals: The sums of the epoch so far.
        best_weights: Those of the best epoch so far; empty before the first epoch's end.
        facts: JSON's types: the place, the history, what the best epoch was.
    """

    variables: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    totals: np.ndarray
    best_weights: Sequence[np.ndarray]
    facts: Mapping[str, Any]


def is_done(facts: Mapping[str, Any], num_epochs: int) -> bool:
    """Tells whether a finished run's state leaves nothing to do: it is complete, and no more epochs are wanted."""
    is_long_enough = num_epochs <= len(facts["history"].get("epoch", ())) or facts["best"]["should_stop"]
    return bool(is_long_enough and not facts["missing"])


def write_file(path: Path, state: State) -> None:
    """Writes a finished run's state into a local file of its own."""
    path.write_bytes(_encode(state))


def read_file(path: str) -> State | None:
    """Reads what `write_file` wrote, local or on an object store; a local one without TensorFlow.

    Returns:
        None where there is none.

    Raises:
        DatasetError: it isn't what was written.
    """
    if not files.exists(path):
        return None
    try:
        return _decode(read_bytes(path) if is_remote(path) else Path(path).read_bytes())
    except _SYMPTOMS as error:
        raise DatasetError(
            f"{path}: can't be read: {one_line(error)[:200]}; delete it, and the run counts as finished"
        ) from error


def exists(folder: str) -> bool:
    """Returns whether an unfinished run has left a checkpoint in a folder."""
    return files.exists(posixpath.join(folder, _LATEST_NAME))


def save(folder: str, state: State) -> None:
    """Writes a checkpoint and removes the one before.

    Args:
        folder: Local, or on an object store; made where there is none.
        state: What to write.

    Raises:
        StorageError: it can't be written.
    """
    with writing(folder):
        _save(folder, state)


def _save(folder: str, state: State) -> None:
    import tensorflow as tf

    data = _encode(state)
    digest = hashlib.sha256(data).hexdigest()
    tf.io.gfile.makedirs(folder)
    name = f"{_STATE_PREFIX}{digest[:16]}.npz"
    write_bytes(posixpath.join(folder, name), data)
    content = {"file": name, "sha256": digest, "facts": dict(state.facts)}
    write_bytes(posixpath.join(folder, _LATEST_NAME), json.dumps(content).encode())
    for other in tf.io.gfile.listdir(folder):
        if other.startswith(_STATE_PREFIX) and other != name:
            tf.io.gfile.remove(posixpath.join(folder, other))


def load(folder: str) -> State | None:
    """Reads the latest checkpoint.

    Returns:
        None where there is none.

    Raises:
        DatasetError: what lies there isn't what was written.
    """
    import tensorflow as tf

    latest = posixpath.join(folder, _LATEST_NAME)
    if not tf.io.gfile.exists(latest):
        return None
    hint = "delete it to start anew"
    try:
        content = parse_json(read_bytes(latest), allow_nan=True)
        data = read_bytes(posixpath.join(folder, content["file"]))
        if hashlib.sha256(data).hexdigest() != content["sha256"]:
            raise DatasetError(f"{folder}: the backup {content['file']} is damaged; {hint}")
        return _decode(data)
    except (*_SYMPTOMS, tf.errors.OpError) as error:
        refused = limits.describe(error)
        if refused is not None:
            raise LimitError(refused) from error
        raise DatasetError(f"{folder}: the backup can't be read: {one_line(error)[:200]}; {hint}") from error


def _encode(state: State) -> bytes:
    arrays = {f"{name}-{index}": array for name in _LISTS for index, array in enumerate(getattr(state, name))}
    facts = np.frombuffer(json.dumps(dict(state.facts)).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, totals=state.totals, facts=facts, **arrays)
    return buffer.getvalue()


def _decode(data: bytes) -> State:
    """Reads a state, and checks that all is there that a run goes on from.

    Raises:
        Any of `_SYMPTOMS`: it isn't.
    """
    with np.load(io.BytesIO(data)) as arrays:
        lists = {
            name: [arrays[f"{name}-{index}"] for index in range(sum(key.startswith(f"{name}-") for key in arrays))]
            for name in _LISTS
        }
        facts = parse_json(arrays["facts"].tobytes(), allow_nan=True)
        _check_facts(facts)
        return State(**lists, totals=arrays["totals"], facts=facts)


def _check_facts(facts: Any) -> None:
    for name, kind in _KINDS.items():
        if not isinstance(facts[name], kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    if not all(map(is_count, (facts["step"], facts["num_epochs"], *facts["threads"]))):
        raise ValueError("its step, epochs or threads are no numbers")
    if not facts["best"].keys() >= {"epoch", "should_stop", "best"}:
        raise KeyError("best")
    if not all(isinstance(values, list) for values in facts["history"].values()):
        raise TypeError("its history is no lists of numbers")


def remove(folder: str) -> None:
    """Removes all checkpoints, if there are any, and the folder if nothing else is in it."""
    import tensorflow as tf

    if not tf.io.gfile.exists(folder):
        return
    # The file that names the other first: what is left by a kill is no checkpoint.
    for name in sorted(tf.io.gfile.listdir(folder)):
        if name.startswith((_LATEST_NAME, _STATE_PREFIX)):
            tf.io.gfile.remove(posixpath.join(folder, name))
    if not is_remote(folder) and not os.listdir(folder):
        os.rmdir(folder)


def check_same(facts: Mapping[str, Any], flags: Mapping[str, Any], fingerprint: str) -> None:
    """Checks that a checkpoint is one of the same run.

    Args:
        facts: The checkpoint's, with `flags` and `fingerprint`.
        flags: All flags of this run that its result depends on.
        fingerprint: Of the data set.

    Raises:
        ConfigError: another flag, or other data.
    """
    hint = "give the same; or choose another --output_dir, or delete the backup, to start anew"
    if facts["fingerprint"] != fingerprint:
        raise ConfigError(
            "--data_dir", fingerprint[:16], f"the data set of the backup, {facts['fingerprint'][:16]}", hint
        )
    for name, (own, saved) in differences(facts, flags).items():
        raise ConfigError(f"--{name}", own, f"{saved}, as in the backup", hint)


def differences(facts: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Returns the flags that differ from a checkpoint's, each with this run's value and the checkpoint's."""
    # Through JSON, as the checkpoint's went.
    flags, saved = json.loads(json.dumps(dict(flags))), facts["flags"]
    # The model first: others of its flags differ because it does.
    names = sorted({*flags, *saved}, key=lambda name: (name != "model", name))
    return {name: (flags.get(name), saved.get(name)) for name in names if flags.get(name) != saved.get(name)}


def read_facts(folder: str) -> Mapping[str, Any]:
    """Returns the facts of the latest checkpoint, local or on an object store; nothing where they can't be read."""
    path = posixpath.join(folder, _LATEST_NAME)
    try:
        content = parse_json(read_bytes(path) if is_remote(path) else Path(path).read_bytes(), allow_nan=True)
        facts: Mapping[str, Any] = content["facts"]
        _check_facts(facts)
        return facts
    except _SYMPTOMS:
        return {}


def arrays_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Returns the values of Keras' variables."""
    return [np.asarray(variable.value) for variable in variables]


def assign(variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray], what: str) -> None:
    """Gives variables the values of a checkpoint.

    Raises:
        DatasetError: they are others.
    """
    if [tuple(variable.shape) for variable in variables] != [array.shape for array in arrays]:
        raise DatasetError(f"the backup's {what} are those of another model; delete it to start anew")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


_LISTS = ("variables", "optimizer", "best_weights")
