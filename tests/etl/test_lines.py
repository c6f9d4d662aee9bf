from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from etl.lines import (
    decode_extras,
    decode_images,
    decode_result,
    encode_extras,
    encode_image,
    encode_rejections,
    encode_result,
)
from etl.records import PlannedImage, Rejection, Unit, UnitResult

VALUES = (
    st.binary(max_size=20)
    | st.text(max_size=10)
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.lists(st.integers(-9, 9), max_size=4).map(tuple)
)
EXTRAS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
IMAGES = st.builds(
    PlannedImage,
    key=st.text(max_size=10),
    uri=st.text(max_size=10),
    label=st.text(max_size=5),
    label_int=st.integers(-1, 99),
    digest=st.just("0" * 32),
    num_bytes=st.integers(0, 10**9),
    extras=EXTRAS,
)


@given(EXTRAS)
def test_extras_come_back(extras: dict[str, object]) -> None:
    assert decode_extras(encode_extras(extras)) == extras  # type: ignore[arg-type]


@given(st.lists(IMAGES, max_size=5))
def test_images_come_back_whatever_their_names(images: list[PlannedImage]) -> None:
    assert list(decode_images(b"".join(map(encode_image, images)))) == images


@given(st.lists(st.builds(Rejection, *[st.text(max_size=9)] * 5), max_size=4))
def test_a_rejection_is_one_line(rejections: list[Rejection]) -> None:
    lines = encode_rejections(rejections).splitlines()
    assert len(lines) == len(rejections)
    for line, rejection in zip(lines, rejections, strict=True):
        assert json.loads(line)["key"] == rejection.key


def test_results_come_back() -> None:
    unit = Unit("jpeg", "train", 3, 0, "p", 9)
    result = UnitResult(unit, "s", ("r",), 8, 100, "ab", "l", "cd", {"daisy": 8}, {"empty": 1}, (1, 2, 3, 4, 5, 6, 7))
    assert decode_result(encode_result(result)) == result
