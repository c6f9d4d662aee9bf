"""What becomes of peers that are absent, fail or deliver something else; none of them is needed for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.processes import Measurement
from benchmarks.peers import child, registry, running, test_peers
from benchmarks.peers.peer import DELIVERABLES, JPEG, SMALL_JPEG, Batch, Corpus, Epochs, Peer
from benchmarks.peers.running import Outcome


class Halves(Peer):
    """A peer that needs nothing: four batches, the later ones smaller."""

    name = "Halves"
    packages = ("pytest",)
    modules = ("pytest",)
    workers = (1, 2)

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        (folder / "written").write_bytes(bytes(1_000))
        return folder

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        import numpy as np

        sizes = (64, 64, 32, 32)
        batches: list[Batch] = [(np.zeros((size, 224, 224, 3), np.uint8), np.zeros(size)) for size in sizes]
        return lambda: iter(batches)


class Absent(Halves):
    """A peer whose package nobody has."""

    modules = ("a_package_that_is_nowhere",)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def make(peer: type[Peer]) -> dict[str, child.Row]:
        monkeypatch.setattr(registry, "make", lambda key: peer())
        corpus = Corpus(str(tmp_path), dict.fromkeys(DELIVERABLES, 192), {})
        return child.make_rows("halves", corpus.to_json(), str(tmp_path / "work"), 0.01)

    return make


def test_a_peer_is_prepared_tried_checked_and_read(rows: Any) -> None:
    made = rows(Halves)
    loaded = made["load"]()
    assert loaded["versions"] == {"pytest": pytest.__version__}
    assert loaded["workers"] == [1, 2]
    prepared = made[f"prepare {JPEG}"]()
    assert prepared["num_bytes"] == 1_000
    assert prepared["is_converted"]
    tried = made[f"try {JPEG} 2"]()
    # The second worker's first batch starts the clock.
    assert tried["num_items"] == 192 - 128
    assert tried["seconds"] > 0
    assert made[f"keep {JPEG} 2"]()["seconds"] > 0
    assert made[f"check {JPEG}"]()["num_images"] == 192
    read = made[f"read {JPEG}"]()
    assert read["num_items"] % 192 == 0
    assert read["seconds"] >= 0.01


def test_what_is_not_installed_says_so(rows: Any) -> None:
    loaded = rows(Absent)["load"]()
    assert loaded["reason"] == "ModuleNotFoundError: No module named 'a_package_that_is_nowhere'"


def test_a_deliverable_that_a_peer_lacks_has_no_rows(rows: Any) -> None:
    class Lacking(Halves):
        missing = {SMALL_JPEG: "no form"}  # noqa: RUF012

    assert not [row for row in rows(Lacking) if SMALL_JPEG in row.split()]


def outcome(**changes: Any) -> Outcome:
    check = {
        "num_images": 192,
        "expected_images": 192,
        "shapes": [[224, 224, 3]],
        "dtypes": ["uint8"],
        "largest_batch": 64,
        "label_counts": {"0": 192},
        "mean": 100.0,
    }
    facts = {"num_workers": 2, "prepare_seconds": 1.0, "prepared_bytes": 10, "is_converted": True}
    made = Outcome(facts={"versions": {"x": "1"}, "missing": {}, "import_seconds": 1.0})
    made.deliverables[JPEG] = {**facts, "check": {**check, **changes}}
    rounds = [{"num_items": 192, "seconds": seconds, "cpu_seconds": 0.2} for seconds in (0.1, 0.2, 0.4)]
    made.rounds[JPEG] = [Measurement(one["seconds"], one["cpu_seconds"], one) for one in rounds]
    return made


def test_who_delivers_something_else_is_named() -> None:
    outcomes = {registry.OURS: outcome(), "ffcv": outcome(), "dali": outcome(num_images=191, mean=120.0)}
    running._compare(outcomes)
    assert outcomes["ffcv"].reason == ""
    assert outcomes["dali"].reason == (
        "does not deliver the same: jpeg: an epoch has 191 images, expected 192; "
        "jpeg: the mean pixel is 120.0, ours 100.0"
    )
    assert list(test_peers.measured_of(outcomes, JPEG)) == [registry.OURS, "ffcv"]
    facts = test_peers.facts_of(outcomes, registry.OURS, JPEG)
    assert facts["absent"] == {"NVIDIA DALI (CPU)": outcomes["dali"].reason}
    assert facts["of_ours_rounds"] == [1.0, 1.0, 1.0]
    assert "check" not in facts


def test_a_peer_that_dies_does_not_stop_the_others() -> None:
    failed = Outcome()
    with running._keep_reason("ffcv", failed):
        raise RuntimeError("the process that ran the rows failed:\nTraceback\n  ...\nOSError: it broke\n\n")
    assert failed.reason == "failed: OSError: it broke"
    assert failed.is_installed
    with pytest.raises(RuntimeError, match="ours"), running._keep_reason(registry.OURS, Outcome()):
        raise RuntimeError("ours")


def test_an_interpreter_without_a_peer_goes_on(tmp_path: Path) -> None:
    absent = Outcome()
    corpus = Corpus(str(tmp_path), dict.fromkeys(DELIVERABLES, 192), {})
    arguments = {"peer": "ffcv", "corpus": corpus.to_json(), "folder": str(tmp_path), "pass_seconds": 0.01}
    running._start_fresh(sys.executable, arguments, absent)
    if absent.is_installed:
        pytest.skip("FFCV is installed beside the project")
    assert absent.reason.startswith("not installed: ModuleNotFoundError: No module named ")
