"""Backups: what is written comes back, and what is damaged is refused."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from etl.errors import ConfigError, DatasetError
from trainer import backup
from trainer.backup import State


def make(seed: int) -> State:
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), ())]
    return State(
        variables=[*arrays, np.array([seed, 7], np.int64)],
        optimizer=arrays[:2],
        totals=random.normal(size=4),
        best_weights=arrays if seed else [],
        facts={"step": seed, "history": {"loss": [0.1 + 0.2, 1e-300]}},
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
    assert backup.load(folder) is None
    for seed in range(3):
        backup.save(folder, make(seed))
        saved = backup.load(folder)
        assert saved is not None
        check(saved, make(seed))
    assert len(list((tmp_path / "backup").iterdir())) == 2
    backup.remove(folder)
    assert not (tmp_path / "backup").exists()
    backup.remove(folder)


def test_one_that_was_cut_off_while_it_was_written_leaves_the_one_before(tmp_path: Path) -> None:
    backup.save(str(tmp_path), make(1))
    (tmp_path / "state-0123456789abcdef.npz").write_bytes(b"half")
    (tmp_path / "latest.json.new").write_bytes(b'{"fi')
    saved = backup.load(str(tmp_path))
    assert saved is not None
    check(saved, make(1))
    backup.save(str(tmp_path), make(2))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    backup.save(str(tmp_path), make(1))
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(DatasetError, match=r"the backup state-.*\.npz is damaged; delete it to start anew"):
        backup.load(str(tmp_path))
    file.unlink()
    with pytest.raises(DatasetError, match="the backup can't be read"):
        backup.load(str(tmp_path))
    (tmp_path / "latest.json").write_text("{")
    with pytest.raises(DatasetError, match="the backup can't be read"):
        backup.load(str(tmp_path))


def test_another_run_is_refused() -> None:
    facts = {"fingerprint": "abc", "flags": {"lrate": 0.1, "image_size": [8, 8]}}
    backup.check_same(facts, {"lrate": 0.1, "image_size": (8, 8)}, "abc")
    with pytest.raises(ConfigError, match=r"--lrate: got 0\.2, expected 0\.1, as in the backup"):
        backup.check_same(facts, {"lrate": 0.2, "image_size": (8, 8)}, "abc")
    with pytest.raises(ConfigError, match="--seed: got 3, expected None, as in the backup"):
        backup.check_same(facts, {"lrate": 0.1, "image_size": (8, 8), "seed": 3}, "abc")
    with pytest.raises(ConfigError, match="--data_dir: got 'abd', expected the data set of the backup, abc"):
        backup.check_same(facts, {"lrate": 0.1, "image_size": (8, 8)}, "abd")


def test_another_models_weights_are_refused() -> None:
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    arrays = [np.ones((3, 2), np.float32), np.zeros(2, np.float32)]
    backup.assign(layer.variables, arrays, "weights")
    for one, other in zip(backup.arrays_of(layer.variables), arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DatasetError, match="the backup's weights are those of another model"):
        backup.assign(layer.variables, arrays[:1], "weights")
