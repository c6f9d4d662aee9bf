from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from etl.format.features import FeatureSpec
from etl.format.schema import COMMON_FEATURES, encode_example, feature_spec, parse_batch, varint

INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = (
    st.binary(max_size=200)
    | st.text(max_size=20)
    | INT64
    | st.lists(INT64, max_size=6).map(tuple)
    | st.floats(width=32, allow_nan=False)
    | arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32, allow_nan=False))
)


def plain(feature: tf.train.Feature) -> list[object]:
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def expected(value: object) -> list[object]:
    if isinstance(value, str):
        return [value.encode()]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else [value]


@settings(max_examples=200)
@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=6))
def test_protobuf_reads_what_was_encoded(features: dict[str, object]) -> None:
    example = tf.train.Example.FromString(encode_example(features))
    assert set(example.features.feature) == set(features)
    for name, value in features.items():
        assert plain(example.features.feature[name]) == expected(value)


@given(st.permutations(["b", "a", "c", "image", "key"]))
def test_bytes_do_not_depend_on_the_order_of_features(order: list[str]) -> None:
    assert encode_example(dict.fromkeys(order, 1)) == encode_example(dict.fromkeys(sorted(order), 1))


def test_equals_protobufs_own_deterministic_form() -> None:
    features = {"image": b"\xff\xd8" * 300, "label_int": 3, "shape": (480, 640, 3), "weight": 0.5}
    message = tf.train.Example()
    message.features.feature["image"].bytes_list.value.append(features["image"])
    message.features.feature["label_int"].int64_list.value.append(3)
    message.features.feature["shape"].int64_list.value.extend([480, 640, 3])
    message.features.feature["weight"].float_list.value.append(0.5)
    assert encode_example(features) == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("value", [None, ["a"], np.zeros(2), {"a": 1}, ("a",)])
def test_other_types_are_refused_by_name(value: object) -> None:
    with pytest.raises(TypeError, match=r"feature 'odd': a value of type \w+ can't be stored"):
        encode_example({"odd": value})  # type: ignore[dict-item]


@given(INT64)
def test_varints_are_protobufs(value: int) -> None:
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    assert feature.SerializeToString().endswith(varint(value))


def test_a_whole_batch_parses_at_once() -> None:
    spec = {
        **COMMON_FEATURES,
        "image_embedding": FeatureSpec("float32", (4,)),
        "bbox": FeatureSpec("int64", (4,), True),
    }
    records = [
        encode_example(
            {
                "key": f"k{number}",
                "label": "daisy",
                "label_int": number,
                "shape": (2, 3, 3),
                "digest": "0" * 32,
                "image_embedding": np.full(4, number, np.float32),
                "bbox": (1, 2, 3, 4) if number else (),
            }
        )
        for number in range(3)
    ]
    parsed = parse_batch(tf.constant(records), spec)
    assert parsed["label_int"].numpy().tolist() == [0, 1, 2]
    assert parsed["image_embedding"].numpy().tolist() == [[number] * 4 for number in range(3)]
    assert parsed["bbox"].to_list() == [[], [1, 2, 3, 4], [1, 2, 3, 4]]
    assert isinstance(feature_spec(spec)["bbox"], tf.io.RaggedFeature)
