"""Prose by hand stays; blocks by machine are replaced."""

from __future__ import annotations

import pytest

from benchmarks.reporting import document
from etl.errors import DatasetError

PAGE = f"""# Title

Prose above, with a <!-- comment --> of its own.

{document.wrap("one", "old one")}

Prose between.

{document.wrap("one-more", "old more")}

Prose below.
"""


def test_only_the_block_changes() -> None:
    new = document.replace_blocks(PAGE, {"one": "new \\1 one"})
    assert new == PAGE.replace("old one", "new \\1 one")


def test_names_that_begin_alike_are_two() -> None:
    new = document.replace_blocks(PAGE, {"one-more": "new more"})
    assert "old one" in new
    assert "new more" in new


def test_replacing_twice_is_replacing_once() -> None:
    blocks = {"one": "a", "one-more": "b"}
    once = document.replace_blocks(PAGE, blocks)
    assert document.replace_blocks(once, blocks) == once


def test_a_block_without_a_place_is_left_out() -> None:
    assert document.replace_blocks(PAGE, {"two": "content"}) == PAGE


@pytest.mark.parametrize(
    "page", [PAGE.replace(document.end_mark("one"), ""), PAGE + document.wrap("one", "again")], ids=["no end", "twice"]
)
def test_damaged_marks_are_named(page: str) -> None:
    with pytest.raises(DatasetError, match="one begin and one end of the block one"):
        document.replace_blocks(page, {"one": "new"})


def test_a_new_page_can_be_replaced_in() -> None:
    page = document.new_page("Title", {"a": "First", "b": "Second"}, {"a": "1", "b": "2"})
    assert page.index("# Title") < page.index("## First") < page.index("## Second")
    assert document.replace_blocks(page, {"b": "3"}) == document.new_page(
        "Title", {"a": "First", "b": "Second"}, {"a": "1", "b": "3"}
    )
