"""The record on disk: encode one example, describe its features, parse a batch.

Examples are `tf.train.Example` messages. They are encoded here rather than by protobuf for two reasons: protobuf does
not promise the order of a map's entries, on which byte-identical shards depend, and a float list from a NumPy array is
only a copy of its bytes (0.1 ms for 500x375 pixels, where `FloatList(value=array)` takes 68 ms).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.format.features import ExtraValue, FeatureSpec

if TYPE_CHECKING:
    import tensorflow as tf

# Rises when a reader of the old layout could misread the new one.
SCHEMA_VERSION = 1

# Length of `image_embedding`: MobileNetV2's features after global pooling, at any alpha up to 1.
EMBEDDING_SIZE = 1280
# (height, width) of the images that the embeddings are computed from: what the network was trained with.
EMBEDDING_IMAGE_SIZE = (224, 224)

# What every variant's examples hold.
COMMON_FEATURES: dict[str, FeatureSpec] = {
    "key": FeatureSpec("bytes"),
    "label": FeatureSpec("bytes"),
    "label_int": FeatureSpec("int64"),
    "shape": FeatureSpec("int64", (3,)),
    "digest": FeatureSpec("bytes"),
}

# Field tags of tensorflow/core/example/{example,feature}.proto: field number << 3 | wire type.
_LENGTH_DELIMITED_1 = 0x0A  # Example.features, Features.feature, map key, *List.value, Feature.bytes_list
_LENGTH_DELIMITED_2 = 0x12  # map value, Feature.float_list
_LENGTH_DELIMITED_3 = 0x1A  # Feature.int64_list


def encode_example(features: Mapping[str, ExtraValue | np.ndarray]) -> bytes:
    """Serialises one example; equal input gives equal bytes, whatever order it comes in.

    Args:
        features: Name to value. `bytes` and `str` (as UTF-8) become a bytes list of one, integers and integer tuples an
            int64 list, floats, float tuples and float32 arrays a float list, `()` an empty feature.

    Returns:
        A `tf.train.Example` message.

    Raises:
        TypeError: a value of another type.
    """
    parts: list[bytes] = []
    for name in sorted(features):
        value = _encode_feature(name, features[name])
        key = name.encode()
        head = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(sum(map(len, value)))
        parts += [b"\x0a" + varint(len(head) + sum(map(len, value))), head, *value]
    return b"".join([b"\x0a" + varint(sum(map(len, parts))), *parts])


def varint(value: int) -> bytes:
    """Encodes a whole number as a protobuf varint; negative ones as 64-bit two's complement."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode_feature(name: str, value: Any) -> list[bytes]:
    """Returns the pieces of one `Feature` message; pieces, so that an image's bytes are copied only once."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        payload = [b"\x0a" + varint(len(value)), value]
        return [bytes((_LENGTH_DELIMITED_1,)) + varint(sum(map(len, payload))), *payload]
    if isinstance(value, (bool, int, np.integer)):
        value = (int(value),)
    elif isinstance(value, float):
        value = (value,)
    if isinstance(value, tuple) and not value:
        return []
    if isinstance(value, tuple) and all(isinstance(item, (int, np.integer)) for item in value):
        packed = b"".join(varint(int(item)) for item in value)
        tag = _LENGTH_DELIMITED_3
    elif isinstance(value, np.ndarray) and value.dtype == np.float32:
        packed, tag = value.astype("<f4", copy=False).tobytes(), _LENGTH_DELIMITED_2
    elif isinstance(value, tuple) and all(isinstance(item, (int, float)) for item in value):
        packed, tag = np.asarray(value, "<f4").tobytes(), _LENGTH_DELIMITED_2
    else:
        raise TypeError(f"feature {name!r}: a value of type {type(value).__name__} can't be stored in an example")
    header = b"\x0a" + varint(len(packed))
    return [bytes((tag,)) + varint(len(header) + len(packed)) + header, packed]


def feature_spec(features: Mapping[str, FeatureSpec]) -> dict[str, Any]:
    """Turns stored feature descriptions into what `tf.io.parse_example` takes.

    Args:
        features: Name to description, as a manifest's variant holds them.

    Returns:
        Name to `tf.io.FixedLenFeature`; `tf.io.RaggedFeature` for any number of values or an optional one.
    """
    import tensorflow as tf

    dtypes = {"bytes": tf.string, "int64": tf.int64, "float32": tf.float32}
    spec: dict[str, Any] = {}
    for name, feature in features.items():
        dtype = dtypes[feature.dtype]
        if feature.optional or None in feature.shape:
            spec[name] = tf.io.RaggedFeature(dtype)
        else:
            spec[name] = tf.io.FixedLenFeature(feature.shape, dtype)
    return spec


def parse_batch(serialised: tf.Tensor, features: Mapping[str, FeatureSpec]) -> dict[str, tf.Tensor]:
    """Parses a whole batch of examples at once, which is several times faster than one by one.

    Args:
        serialised: string, (B,).
        features: The features wanted, a subset of what is stored.

    Returns:
        Name to tensor, (B, *shape).
    """
    import tensorflow as tf

    parsed: dict[str, tf.Tensor] = tf.io.parse_example(serialised, feature_spec(features))
    return parsed
