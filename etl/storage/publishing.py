"""Puts a finished output in the place of an earlier one: all of it, or the earlier one stays.

All that is new lies complete in a folder beside its place. One file, the mark, makes an output count: it goes first
when an output is taken away, and comes last when one is put in place. A journal in the folder names all moves, so that
a process that comes after a kill can undo them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from etl import storage
from etl.errors import PetalstreamError, StorageError, one_line
from etl.parallel import ordered_map
from etl.storage.locks import LostLockError
from etl.storage.reading import NUM_READERS

# Held while an output is exchanged; a run's own lock may be that of its launcher, elsewhere.
LOCK_NAME = ".publish.lock"
JOURNAL_NAME = "publishing.json"
_OLD_MARK = "replaced-mark"

Pairs = Sequence[tuple[str, str]]


class OvertakenError(PetalstreamError):
    """Another run has put its output where this one was to go."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What takes the place of what.

    Attributes:
        folder: The run's own folder, for the journal.
        mark: Path of the file that makes the output count.
        new_mark: Where its new content lies.
        replaced: Files that go, each with the place to which it is moved.
        placed: New files, each with its place.
    """

    folder: str
    mark: str
    new_mark: str
    replaced: Pairs
    placed: Pairs

    @property
    def old_mark(self) -> str:
        """Where the old mark is kept."""
        return f"{self.folder}/{_OLD_MARK}"


def exchange(plan: Exchange, check: Callable[[], None]) -> None:
    """Exchanges an output; the caller holds the output's lock.

    Args:
        plan: What to move.
        check: Raises `LostLockError` where the lock is another run's by now.

    Raises:
        OvertakenError: another run has published meanwhile.
        ConfigError, StorageError: a file can't be moved; what was there before is there again.
    """
    check()
    journal = {"mark": plan.mark, "replaced": plan.replaced, "placed": plan.placed}
    storage.write_atomically(f"{plan.folder}/{JOURNAL_NAME}", json.dumps(journal).encode())
    try:
        _put_aside(plan, check)
        check()
        _move(plan.placed)
        check()
        storage.write_new(plan.mark, storage.read_bytes(plan.new_mark))
    except LostLockError:
        # The run that has taken over undoes it.
        raise
    except FileExistsError as error:
        raise OvertakenError(f"{plan.mark}: another run has written it meanwhile, and it stays") from error
    except OSError as error:
        undo(plan.folder)
        raise StorageError(
            f"{error.filename or plan.mark}: can't be moved or written: {error.strerror or one_line(error)}; "
            "what was there before is as it was"
        ) from error
    except BaseException:
        undo(plan.folder)
        raise
    storage.delete(f"{plan.folder}/{JOURNAL_NAME}")


def _put_aside(plan: Exchange, check: Callable[[], None]) -> None:
    if storage.exists(plan.mark):
        old = storage.read_bytes(plan.mark)
        storage.write_atomically(plan.old_mark, old)
        if not storage.delete_same(plan.mark, old):
            storage.delete(plan.old_mark)
            raise FileExistsError(plan.mark)
    check()
    _move(plan.replaced)


def discard(folder: str) -> None:
    """Deletes a run's own folder, but not where it holds what an exchange has put aside and not brought back."""
    if not storage.exists(f"{folder}/{JOURNAL_NAME}"):
        storage.delete_tree(folder)


def undo(folder: str) -> None:
    """Takes back an exchange that was not completed; nothing where there is none. May be called again.

    Args:
        folder: The own folder of the run that began it.
    """
    path = f"{folder}/{JOURNAL_NAME}"
    if not storage.exists(path):
        return
    journal = json.loads(storage.read_bytes(path))
    mark, old_mark = journal["mark"], f"{folder}/{_OLD_MARK}"
    # Where there is a mark, nothing was moved yet, or all was; or another run has published since.
    if not storage.exists(mark):
        _take_back(journal["replaced"], journal["placed"])
        if storage.exists(old_mark):
            storage.write_new(mark, storage.read_bytes(old_mark))
    storage.delete(path)


def _take_back(replaced: Pairs, placed: Pairs) -> None:
    """Moves new files back first, since the old ones go to the same places."""
    keeps = {path for path, _ in replaced}
    # An object store moves by copying: a file may be in both places.
    staged = _there(staged for staged, _ in placed)
    back = [(target, path) for path, target in placed if path not in staged]
    there = _there(target for target, _ in back)
    _move(pair for pair in back if pair[0] in there)
    storage.delete_all(target for path, target in placed if path in staged and target not in keeps)
    aside = _there(path for _, path in replaced)
    _move((path, place) for place, path in replaced if path in aside)


def _there(paths: Iterable[str]) -> set[str]:
    """Returns those of many paths at which there is a file."""
    paths = list(paths)
    return {
        path for path, is_there in zip(paths, ordered_map(storage.exists, paths, NUM_READERS), strict=True) if is_there
    }


def _move(pairs: Iterable[tuple[str, str]]) -> None:
    """Moves files, which may lie in several stores."""
    pairs = list(pairs)
    for is_local in (True, False):
        storage.move_all([pair for pair in pairs if storage.is_local(pair[0]) == is_local])
