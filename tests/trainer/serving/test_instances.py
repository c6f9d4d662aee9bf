"""Bodies of requests: what can be read becomes what the model takes, all else is refused in one line."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.serving.instances import MAX_INSTANCES, BadRequestError, read_request
from trainer.serving.served_model import ServedModel


class Signature:
    """Has what `ServedModel` asks of a TensorFlow function before it is called."""

    def __init__(self, takes: str, shape: tuple[int | None, ...], dtype: str) -> None:
        import tensorflow as tf

        self.structured_input_signature = ((), {takes: tf.TensorSpec(shape, dtype, name=takes)})
        self.structured_outputs: Mapping[str, Any] = {}


@pytest.fixture(scope="module")
def signatures() -> dict[str, ServedModel]:
    """Those of an exported model of 2x3 pixels."""
    made = {
        "from_bytes": Signature("image_bytes", (None,), "string"),
        "from_filenames": Signature("filenames", (None,), "string"),
        "from_pixels": Signature("pixels", (None, 2, 3, 3), "uint8"),
    }
    made["serving_default"] = made["from_bytes"]
    return {
        name: ServedModel(None, signature, next(iter(signature.structured_input_signature[1])), "classes")
        for name, signature in made.items()
    }


def test_every_form_of_an_instance_is_read(signatures: dict[str, ServedModel]) -> None:
    both = b'{"instances": [{"b64": "eA=="}, {"image_bytes": {"b64": "eQ=="}, "key": 1}]}'
    assert read_request(both, signatures) == (signatures["serving_default"], [b"x", b"y"])
    assert read_request(b"\xef\xbb\xbf" + both, signatures)[1] == [b"x", b"y"]
    named = '{"instances": ["a b.jpg", {"filenames": "é\u2028.png"}], "signature_name": "from_filenames"}'
    assert read_request(named.encode(), signatures)[1] == [b"a b.jpg", "é\u2028.png".encode()]
    pixels = np.arange(18).reshape(2, 3, 3)
    body = json.dumps({"instances": [{"pixels": pixels.tolist()}]}).encode()
    model, (read,) = read_request(body, signatures)
    assert model.takes == "pixels"
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("nonsense", 'the body is not {"instances":'),
        ("[1]", 'the body is not {"instances":'),
        ('{"inputs": []}', "'instances' is missing"),
        ('{"instances": {}}', "a list was expected, not dict"),
        ('{"instances": []}', f"instances: got 0, expected 1 to {MAX_INSTANCES:,}"),
        (f'{{"instances": [{", ".join(["1"] * 5_000)}]}}', "instances: got 5,000, expected 1 to"),
        ('{"instances": ["x"]}', "instance 0: no .*base64 in it"),
        ('{"instances": [{"b64": "eA=="}, {"image_bytes": "eA=="}]}', "instance 1: no .*base64 in it"),
        ('{"instances": [{"image_bytes": {"b64": "no base64!"}}]}', "instance 0: no .*base64 in it"),
        ('{"instances": [{"image_bytes": {"b64": "é"}}]}', "instance 0: no .*base64 in it"),
        ('{"instances": [{"filenames": ""}]}', "instance 0: no .*the path of a file in it"),
        ('{"instances": [{"filenames": "a\\u0000b"}]}', "instance 0: no .*the path of a file in it"),
        ('{"instances": [{"filenames": "\\ud800"}]}', "instance 0: no .*the path of a file in it"),
        ('{"instances": [{"pixels": [[0, 1], [2]]}]}', "instance 0: no .*rows of pixels"),
        ('{"instances": [{"pixels": [1, 2, 3]}]}', "instance 0: no .*rows of pixels"),
        ('{"instances": [], "instances": [{"b64": "eA=="}]}', "the key 'instances' is there twice"),
        ('{"instances": [' * 2_000, "nested deeper than 100 levels"),
        ("9" * 5_000, "a whole number is too large"),
        ('{"instances": [1e999]}', "the number 1e999 is too large"),
        ('{"instances": [NaN]}', "NaN is no JSON"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_request_is_refused(signatures: dict[str, ServedModel], body: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        read_request(body.encode(), signatures)


@pytest.mark.parametrize("value", [256, -1, 0.5, True, "1", None, 10**30, {}])
def test_pixels_are_whole_numbers_of_a_byte(signatures: dict[str, ServedModel], value: Any) -> None:
    pixels = [[[value] * 3] * 3] * 2
    with pytest.raises(BadRequestError, match="instance 0: no .*whole numbers to 255"):
        read_request(json.dumps({"instances": [{"pixels": pixels}]}).encode(), signatures)


def test_utf_16_is_refused_by_name(signatures: dict[str, ServedModel]) -> None:
    with pytest.raises(BadRequestError, match="not UTF-8: .*it seems to be UTF-16"):
        read_request('{"instances": []}'.encode("utf-16"), signatures)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["eA==", "a.jpg"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["instances", "b64", "image_bytes", "filenames", "pixels", "signature_name"]) | st.text(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
instance_lists = st.fixed_dictionaries(
    {"instances": st.lists(anything, max_size=3)},
    optional={"signature_name": st.sampled_from(["from_filenames", "from_pixels"]) | anything},
)


@settings(max_examples=200, derandomize=True)
@given(body=st.binary() | st.text().map(str.encode) | (anything | instance_lists).map(json.dumps).map(str.encode))
def test_whatever_is_sent_is_read_or_refused_in_one_line(signatures: dict[str, ServedModel], body: bytes) -> None:
    try:
        model, items = read_request(body, signatures)
    except BadRequestError as error:
        said = str(error)
    else:
        kind = np.ndarray if model.takes == "pixels" else bytes
        assert items
        assert all(isinstance(item, kind) for item in items)
        return
    assert said
    assert "\n" not in said
    assert len(said) < 1_000


@settings(max_examples=100, derandomize=True)
@given(images=st.lists(st.binary(), min_size=1, max_size=5))
def test_files_come_through_as_they_are(signatures: dict[str, ServedModel], images: list[bytes]) -> None:
    made = [{"image_bytes": {"b64": base64.b64encode(image).decode()}} for image in images]
    assert read_request(json.dumps({"instances": made}).encode(), signatures)[1] == images
