"""TensorFlow's messages about a file that can't be decoded, in one line."""

from __future__ import annotations

import re

from etl.words import one_line

# What is of use to a person in TensorFlow's messages: the words of an `Assert`, else the line before the node's name.
_ASSERTION = re.compile(r"assertion failed: \[(.+?)\]$", re.MULTILINE)


_DETAIL = re.compile(r"^(?:\{\{function_node \S+\}\} )?(.+)\n\s*\[\[\{\{", re.MULTILINE)


def explain(message: str) -> str:
    """Takes from TensorFlow's message what is wrong with a file, without node names and stacks of functions."""
    found = _ASSERTION.search(message)
    if found:
        return one_line(found[1])
    found = _DETAIL.search(message)
    return f"can't be decoded: {one_line(found[1] if found else message)}"
