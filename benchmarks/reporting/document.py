"""A page of prose by hand and blocks by machine: only what stands between a block's two marks is replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping

from etl.errors import DatasetError

_NOTE = "made by `python -m benchmarks.report`; what is outside of these marks is kept"


def begin_mark(name: str) -> str:
    """Returns the line that begins a block."""
    return f"<!-- begin {name}: {_NOTE} -->"


def end_mark(name: str) -> str:
    """Returns the line that ends a block."""
    return f"<!-- end {name} -->"


def wrap(name: str, content: str) -> str:
    """Returns a block with its marks."""
    return f"{begin_mark(name)}\n\n{content.strip()}\n\n{end_mark(name)}"


def replace_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """Replaces the contents of blocks; what has no block in the text is left out, a block that nobody gives is kept.

    Args:
        text: The page.
        blocks: Name to content.

    Raises:
        DatasetError: a block has a begin and no end, or stands there twice.
    """
    for name, content in blocks.items():
        begins = re.findall(rf"<!-- begin {re.escape(name)}:", text)
        if not begins:
            continue
        pattern = re.compile(rf"<!-- begin {re.escape(name)}:.*?{re.escape(end_mark(name))}", re.DOTALL)
        found = pattern.findall(text)
        if len(begins) != 1 or len(found) != 1:
            raise DatasetError(f"the page needs one begin and one end of the block {name}, got {len(begins)} begins")
        text = text.replace(found[0], wrap(name, content))
    return text


def new_page(title: str, titles: Mapping[str, str], blocks: Mapping[str, str]) -> str:
    """Makes a page without prose: a heading and a block for each name.

    Args:
        title: Of the page.
        titles: Name to heading, in order.
        blocks: Name to content.
    """
    parts = [f"## {heading}\n\n{wrap(name, blocks[name])}" for name, heading in titles.items()]
    return "\n\n".join([f"# {title}", *parts]) + "\n"
