"""A console on which names are text: brackets, colons and escape sequences in them do nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.progress import MofNCompleteColumn, TextColumn
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

from etl.words import on_one_line, printable


class PlainConsole(Console):
    """Prints every `str`, alone or in a table's cell, as it is and on one line; colours need a `Text`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **kwargs)

    def render_str(self, text: str, **kwargs: Any) -> Text:
        """Returns a text without markup."""
        return super().render_str(on_one_line(text), **{**kwargs, "markup": False, "emoji": False})

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders anything; whatever came by another way than `render_str` holds no escape sequence either."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


class BarConsole(PlainConsole):
    """A console for a bar: what others print meanwhile stays whole, and only the terminal breaks its long lines."""

    def print(self, *objects: Any, **kwargs: Any) -> None:
        """Prints above the bar."""
        whole = [_Whole(each) if isinstance(each, Text) else each for each in objects]
        super().print(*whole, **{**kwargs, "crop": False})


class _Whole:
    """A text that is not wrapped to the console's width."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        yield from self._text.render(console, end="\n")


def text_column(field: str) -> TextColumn:
    """Returns a column of a progress display, a field of its task as it is.

    Args:
        field: As in `task.description`.
    """
    return TextColumn(f"{{{field}}}", markup=False, table_column=Column(no_wrap=True))


def count_column() -> MofNCompleteColumn:
    """Returns the column of how many items are done, of how many: on a narrow terminal the bar gives way to it."""
    return MofNCompleteColumn(table_column=Column(no_wrap=True))
