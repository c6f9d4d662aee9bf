from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from etl.errors import DatasetError
from etl.plan.lines import (
    decode_extras,
    decode_images,
    decode_rejections,
    decode_result,
    encode_extras,
    encode_image,
    encode_rejections,
    encode_result,
)
from etl.records import PlannedImage, Rejection, Unit, UnitResult
from tests.damage import damaged_json, fuzzed

UNIT = Unit("jpeg", "train", 3, 0, "p", 9)
RESULT = UnitResult(UNIT, "s", ("r",), 8, 100, "ab", "l", "cd", {"daisy": 8}, {"empty": 1}, (1, 2, 3, 4, 5, 6, 7))

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
    assert list(decode_rejections(encode_rejections(rejections))) == rejections


def test_results_come_back() -> None:
    assert decode_result(encode_result(RESULT)) == RESULT


@fuzzed
@given(damaged_json(json.loads(encode_result(RESULT))))
def test_a_damaged_result_is_refused_in_one_line(data: bytes) -> None:
    said = "read"
    try:
        decode_result(data)
    except ValueError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


@fuzzed
@given(damaged_json(json.loads(encode_image(PlannedImage("k", "u", "l", 1, "d", 2, {"a": b"x"})))))
def test_a_damaged_plan_is_refused_by_name(data: bytes) -> None:
    said = "plan: line 1"
    try:
        list(decode_images(data, "plan"))
    except DatasetError as error:
        said = str(error)
    assert re.match("plan: line [0-9]+", said)
    assert len(said.splitlines()) == 1


@fuzzed
@given(damaged_json(json.loads(encode_rejections([Rejection("k", "u", "list", "empty", "m")]))))
def test_damaged_rejections_are_refused_in_one_line(data: bytes) -> None:
    said = "read"
    try:
        list(decode_rejections(data))
    except ValueError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
