"""Checkpoints: the state that is written comes back, and a damaged one is refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given

from etl.errors import ConfigError, DatasetError
from tests.damage import damaged_bytes, damaged_json, fuzzed
from trainer.training import checkpoint
from trainer.training.checkpoint import State


def make(seed: int) -> State:
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), ())]
    return State(
        variables=[*arrays, np.array([seed, 7], np.int64)],
        optimizer=arrays[:2],
        totals=random.normal(size=4),
        best_weights=arrays if seed else [],
        facts={
            "step": seed,
            "best": {"epoch": 0, "should_stop": False, "best": None},
            "history": {"loss": [0.1 + 0.2, 1e-300, float("inf")]},
            "threads": [2, 2],
            "flags": {"seed": 1},
            "fingerprint": "ab",
            "num_epochs": 3,
            "is_validation_due": False,
            "missing": [],
        },
    )


def check(saved: State, state: State) -> None:
    for name in ("variables", "optimizer", "best_weights"):
        for one, other in zip(getattr(saved, name), getattr(state, name), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(saved.totals, state.totals)
    assert saved.facts == state.facts


def test_the_latest_backup_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder = str(tmp_path / "backup")
    assert checkpoint.load(folder) is None
    for seed in range(3):
        checkpoint.save(folder, make(seed))
        saved = checkpoint.load(folder)
        assert saved is not None
        check(saved, make(seed))
    assert len(list((tmp_path / "backup").iterdir())) == 2
    checkpoint.remove(folder)
    assert not (tmp_path / "backup").exists()
    checkpoint.remove(folder)


def test_one_that_was_cut_off_while_it_was_written_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoint.save(str(tmp_path), make(1))
    (tmp_path / "state-0123456789abcdef.npz").write_bytes(b"half")
    (tmp_path / "latest.json.new").write_bytes(b'{"fi')
    saved = checkpoint.load(str(tmp_path))
    assert saved is not None
    check(saved, make(1))
    checkpoint.save(str(tmp_path), make(2))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    checkpoint.save(str(tmp_path), make(1))
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(DatasetError, match=r"the backup state-.*\.npz is damaged; delete it to start anew"):
        checkpoint.load(str(tmp_path))
    file.unlink()
    with pytest.raises(DatasetError, match="the backup can't be read"):
        checkpoint.load(str(tmp_path))
    (tmp_path / "latest.json").write_text("{")
    with pytest.raises(DatasetError, match="the backup can't be read"):
        checkpoint.load(str(tmp_path))


def test_another_run_is_refused() -> None:
    facts = {"fingerprint": "abc", "flags": {"lrate": 0.1, "image_size": [8, 8]}}
    checkpoint.check_same(facts, {"lrate": 0.1, "image_size": (8, 8)}, "abc")
    with pytest.raises(ConfigError, match=r"--lrate: got 0\.2, expected 0\.1, as in the backup"):
        checkpoint.check_same(facts, {"lrate": 0.2, "image_size": (8, 8)}, "abc")
    with pytest.raises(ConfigError, match="--seed: got 3, expected None, as in the backup"):
        checkpoint.check_same(facts, {"lrate": 0.1, "image_size": (8, 8), "seed": 3}, "abc")
    with pytest.raises(ConfigError, match="--data_dir: got 'abd', expected the data set of the backup, abc"):
        checkpoint.check_same(facts, {"lrate": 0.1, "image_size": (8, 8)}, "abd")


def test_another_models_weights_are_refused() -> None:
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    arrays = [np.ones((3, 2), np.float32), np.zeros(2, np.float32)]
    checkpoint.assign(layer.variables, arrays, "weights")
    for one, other in zip(checkpoint.arrays_of(layer.variables), arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DatasetError, match="the backup's weights are those of another model"):
        checkpoint.assign(layer.variables, arrays[:1], "weights")


def write(folder: Path, latest: bytes, arrays: bytes) -> None:
    (folder / "latest.json").write_bytes(latest)
    (folder / "arrays.npz").write_bytes(arrays)


FACTS = dict(make(1).facts)


def arrays(facts: bytes = json.dumps(FACTS).encode(), **more: Any) -> bytes:
    stream = io.BytesIO()
    own = {"totals": np.zeros(2), "variables-0": np.zeros(3), "facts": np.frombuffer(facts, np.uint8)}
    np.savez(stream, **{**own, **more})
    return stream.getvalue()


def latest(data: bytes) -> dict[str, Any]:
    return {"file": "arrays.npz", "sha256": hashlib.sha256(data).hexdigest(), "facts": FACTS}


@fuzzed
@given(damaged_json(latest(arrays())))
def test_whatever_names_a_backup_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    write(tmp_path, damaged, arrays())
    read(tmp_path)


@fuzzed
@given(damaged_json(FACTS))
def test_whatever_its_facts_are_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    whole = arrays(damaged)
    write(tmp_path, json.dumps(latest(whole)).encode(), whole)
    read(tmp_path)


@fuzzed
@given(damaged_bytes(arrays()))
def test_arrays_that_are_none_are_refused_even_with_their_digest(tmp_path: Path, damaged: bytes) -> None:
    write(tmp_path, json.dumps(latest(damaged)).encode(), damaged)
    read(tmp_path)
    (tmp_path / "state.npz").write_bytes(damaged)
    with contextlib.suppress(DatasetError):
        checkpoint.read_file(str(tmp_path / "state.npz"))


def test_objects_in_the_arrays_are_not_made(tmp_path: Path) -> None:
    damaged = arrays(totals=np.array([{}], object))
    write(tmp_path, json.dumps(latest(damaged)).encode(), damaged)
    with pytest.raises(DatasetError, match="the backup can't be read: .*allow_pickle.*; delete it to start anew"):
        checkpoint.load(str(tmp_path))


def read(folder: Path) -> None:
    try:
        saved = checkpoint.load(str(folder))
    except DatasetError as error:
        said = str(error)
    else:
        assert saved is not None
        assert isinstance(saved.facts["step"], int)
        assert isinstance(saved.facts["flags"], dict)
        return
    assert said.endswith("; delete it to start anew")
    assert len(said.splitlines()) == 1
