"""What all of matplotlib's pictures have in common."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_text() -> Iterator[None]:
    """Draws names as they are: no formulas between dollar signs, and a box for a letter that the font lacks.

    Also a decorator: `@plain_text()`.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False, "text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        yield
