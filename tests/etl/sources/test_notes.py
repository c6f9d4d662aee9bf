from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.sources import notes


def test_examples_are_few_and_the_rest_is_counted() -> None:
    examples = notes.Examples(map(str, range(20_000)))
    assert (examples.count, str(examples)) == (20_000, "0, 1, 2 and 19,997 more")
    assert str(notes.Examples(["a"])) == "a"
    assert str(notes.Examples(["a\nb", " c", "d"])) == r"'a\nb', ' c', d"


def test_class_names_that_look_alike() -> None:
    class_names = ("Cat", "cat", "cat ", "dog", "golden retriever", "golden_retriever", "\uff44og", "a\u200bb", "ab")
    (line,) = notes.lookalikes(class_names)
    assert line == (
        "class names that look alike are different classes: 'Cat' and 'cat' and 'cat ', 'dog' and '\uff44og', "
        "'golden retriever' and 'golden_retriever'"
    )
    assert notes.lookalikes(("cat", "dog", "cats", "c at")) == []


def test_classes_without_an_image() -> None:
    assert notes.empty_classes([("a", 1), ("b", 0)]) == ["1 class without an image: b"]
    assert notes.empty_classes([(str(name), 0) for name in range(9)]) == [
        "9 classes without an image: 0, 1, 2 and 6 more"
    ]
    assert notes.empty_classes([("a", 1)]) == []


def test_duplicates() -> None:
    assert notes.duplicates(0, 0) == []
    assert notes.duplicates(1, 2, "a = b") == [
        "1 image with two labels or more: a = b",
        "2 images in two splits or more",
    ]


@given(st.lists(st.text(), max_size=6))
def test_every_line_is_one_line(names: list[str]) -> None:
    for line in [*notes.empty_classes((name, 0) for name in names), *notes.lookalikes(names)]:
        assert line.isprintable()
