"""The files that a run makes besides its model: where one fails, the model is published all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl import interrupts
from etl.cli import note
from etl.errors import PetalstreamError, one_line


class IncompleteRunError(PetalstreamError):
    """The model is published, but something beside it could not be made."""


class OptionalFiles:
    """Makes files, and notes those that fail.

    Args:
        folder: Where they are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.missing: list[str] = []

    @contextmanager
    def attempting(self, *names: str) -> Iterator[None]:
        """Warns, in one line, where the block fails, and removes what it has left of these files."""
        try:
            yield
        # Whatever it is, a full disk or a bug in a plotting library: the model was trained for hours.
        except Exception as error:
            # Of a signal libraries make errors of their own.
            interrupts.check()
            kind = "" if isinstance(error, PetalstreamError) else f"{type(error).__name__}: "
            note(f"warning: no {' and no '.join(names)}: {kind}{one_line(error)}")
            for name in names:
                (self._folder / name).unlink(missing_ok=True)
            self.missing += [name for name in names if name not in self.missing]

    def check(self, model_dir: str) -> None:
        """Ends a run whose model is published.

        Raises:
            IncompleteRunError: a file is missing.
        """
        if self.missing:
            raise IncompleteRunError(
                f"{model_dir}: the model is complete, but without {', '.join(self.missing)}, as said above; the same "
                "command with --resume makes what is missing"
            )
