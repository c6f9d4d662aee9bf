"""The parts that all of matplotlib's figures share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context

from etl.errors.limits import name_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: Path, **options: Any) -> None:
    """Writes a figure as a PNG that is whole or not there."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with name_file(str(path)):
            figure.savefig(beside, format="png", **options)
            os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def plain_text() -> Iterator[None]:
    """Draws names as they are: no formulas between dollar signs, and a box for a letter that the font lacks.

    Also a decorator: `@plain_text()`.
    """
    with rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        yield
