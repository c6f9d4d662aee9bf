"""An exchange of outputs happens as a whole or not at all, wherever it stops."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import storage
from etl.errors import StorageError
from etl.storage import publishing
from etl.storage.locks import LostLockError
from etl.storage.publishing import Exchange, OvertakenError

OLD = {"mark": "old", "a": "old a", "b": "old b"}
NEW = {"mark": "new", "a": "new a", "c": "new c"}


def make(folder: Path, *, has_old: bool = True) -> Exchange:
    own = folder / "own"
    (own / "new").mkdir(parents=True)
    for name, text in NEW.items():
        (own / "new" / name).write_text(text)
    if has_old:
        for name, text in OLD.items():
            (folder / name).write_text(text)
    replaced = [(str(folder / name), str(own / "replaced" / name)) for name in ("a", "b") if has_old]
    placed = [(str(own / "new" / name), str(folder / name)) for name in ("a", "c")]
    return Exchange(str(own), str(folder / "mark"), str(own / "new" / "mark"), replaced, placed)


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file() and path.suffix != ".partial"}


def nothing() -> None:
    """The lock is held."""


@pytest.mark.parametrize("has_old", [True, False])
def test_the_new_takes_the_place_of_the_old(tmp_path: Path, has_old: bool) -> None:
    publishing.exchange(make(tmp_path, has_old=has_old), nothing)
    assert content(tmp_path) == NEW
    publishing.undo(str(tmp_path / "own"))
    assert content(tmp_path) == NEW


class KilledError(BaseException):
    """Stands for the end of the process: nothing is undone by it."""


def stop_at(number: int, monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException]) -> list[int]:
    """Makes the call of that number to any step that moves, writes or deletes fail; returns the counted calls."""
    calls: list[int] = []

    def wrap(name: str) -> None:
        original = getattr(os, name)

        def step(*arguments: object, **options: object) -> object:
            calls.append(1)
            if len(calls) == number:
                raise error()
            return original(*arguments, **options)

        monkeypatch.setattr(os, name, step)

    wrap("replace")
    wrap("unlink")
    return calls


@pytest.mark.parametrize("has_old", [True, False])
@pytest.mark.parametrize("number", range(1, 14))
def test_a_failure_at_any_step_brings_the_old_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, has_old: bool
) -> None:
    plan = make(tmp_path, has_old=has_old)
    with monkeypatch.context() as patch:
        calls = stop_at(number, patch, lambda: OSError(28, "No space left on device", "somewhere"))
        failure = None
        try:
            publishing.exchange(plan, nothing)
        except (StorageError, OSError) as error:
            failure = str(error)
    assert failure is None or "No space left on device" in failure
    assert (failure is None) == (len(calls) < number)
    found = content(tmp_path)
    assert found in (NEW, OLD if has_old else {})


@pytest.mark.parametrize("has_old", [True, False])
@pytest.mark.parametrize("number", range(1, 14))
def test_a_kill_at_any_step_is_taken_back_by_whoever_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, has_old: bool
) -> None:
    plan = make(tmp_path, has_old=has_old)
    with monkeypatch.context() as patch:
        # The process that is killed undoes nothing.
        patch.setattr(publishing, "undo", lambda folder: None)
        stop_at(number, patch, KilledError)
        try:
            publishing.exchange(plan, nothing)
        except KilledError:
            before = content(tmp_path)
            # What a reader takes for complete is complete.
            assert "mark" not in before or before in (OLD, NEW)
    publishing.undo(plan.folder)
    found = content(tmp_path)
    assert found in (NEW, OLD if has_old else {})
    if found != NEW:
        # Nothing that was made is lost: the exchange can be done again.
        publishing.exchange(plan, nothing)
        assert content(tmp_path) == NEW


def test_taking_back_may_stop_and_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 12):
        folder = tmp_path / str(number)
        plan = make(folder)
        with monkeypatch.context() as patch:
            patch.setattr(storage, "write_new", stop_always)
            patch.setattr(publishing, "undo", lambda folder: None)
            with pytest.raises(KilledError):
                publishing.exchange(plan, nothing)
        with monkeypatch.context() as patch:
            stop_at(number, patch, KilledError)
            try:
                publishing.undo(plan.folder)
            except KilledError:
                assert "mark" not in content(folder) or content(folder) == OLD
        publishing.undo(plan.folder)
        assert content(folder) == OLD


def stop_always(path: str, data: bytes) -> None:
    raise KilledError


def test_what_another_run_has_published_meanwhile_stays(tmp_path: Path) -> None:
    plan = make(tmp_path)

    def publish_another() -> None:
        (tmp_path / "mark").write_text("another")

    # When the lock is looked at for the last time, all has its place but the mark.
    looks = iter([nothing, nothing, nothing, publish_another])
    with pytest.raises(OvertakenError, match="mark: another run has written it meanwhile, and it stays"):
        publishing.exchange(plan, lambda: next(looks)())
    assert (tmp_path / "mark").read_text() == "another"


def test_a_run_that_lost_its_lock_touches_nothing_more(tmp_path: Path) -> None:
    plan = make(tmp_path)

    def lose() -> None:
        raise LostLockError("gone")

    looks = iter([nothing, nothing, lose])
    with pytest.raises(LostLockError, match="gone"):
        publishing.exchange(plan, lambda: next(looks)())
    assert (Path(plan.folder) / publishing.JOURNAL_NAME).exists()
    publishing.undo(plan.folder)
    assert content(tmp_path) == OLD


def test_a_folder_is_kept_while_it_holds_what_was_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / publishing.JOURNAL_NAME).write_text(json.dumps({}))
    publishing.discard(str(folder))
    assert folder.exists()
    (folder / publishing.JOURNAL_NAME).unlink()
    publishing.discard(str(folder))
    assert not folder.exists()
