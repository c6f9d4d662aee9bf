from __future__ import annotations

import pytest

from etl.words import quantity


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (3, "batch", "3 batches"),
        (2, "epoch", "2 epochs"),
        (4, "box", "4 boxes"),
        (0, "image", "0 images"),
        (1_400, "image", "1,400 images"),
        (1_400, "", "1,400"),
    ],
)
def test_a_number_of_things_is_in_their_plural(number: int, unit: str, text: str) -> None:
    assert quantity(number, unit) == text
