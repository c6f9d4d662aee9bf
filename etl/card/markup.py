"""HTML made of elements, so that no text gets into the page unescaped: class names and keys are strangers' words."""

from __future__ import annotations

import html

from etl.words import printable

_VOID = frozenset({"br", "col", "img", "meta"})


class Markup(str):
    """Text that is HTML already and goes into the page as it is."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Returns text as HTML, fit for content and for quoted attributes; unprintable characters are shown as signs."""
    return Markup(html.escape(printable(text)))


def element(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """Makes one element.

    Args:
        name: Of the element.
        children: `Markup` as it is, other text escaped.
        attributes: Escaped. `class_` means `class`, `aria_label` means `aria-label`; None leaves the attribute out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Puts pieces one behind the other: `Markup` as it is, other text escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def table(
    head: list[str], rows: list[list[str]], *, class_: str | None = None, numbers: frozenset[int] = frozenset()
) -> Markup:
    """Makes a table that scrolls sideways where it is too wide.

    Args:
        head: The columns' titles.
        rows: Their cells; the first of each row is its header.
        class_: Of the table.
        numbers: Which columns hold numbers and are set flush right.
    """

    def cell(name: str, column: int, content: str, **more: str) -> Markup:
        return element(name, content, class_="n" if column in numbers else None, **more)

    heads = (cell("th", column, title, scope="col") for column, title in enumerate(head))
    lines = (
        element(
            "tr",
            cell("th", 0, row[0], scope="row"),
            *(cell("td", column, content) for column, content in enumerate(row[1:], start=1)),
        )
        for row in rows
    )
    made = element("table", element("thead", element("tr", *heads)), element("tbody", *lines), class_=class_)
    return element("div", made, class_="scroll")


def section(identity: str, title: str, *children: str) -> Markup:
    """Makes one section of the page; empty children are left out."""
    return element("section", element("h2", title), *children, id=identity)


def paragraph(*children: str, class_: str | None = None) -> Markup:
    """Makes a paragraph."""
    return element("p", *children, class_=class_)


def code(text: str) -> Markup:
    """Makes a piece of text that is no prose: a key, a path, a digest."""
    return element("code", text)
