"""TensorFlow Datasets' files beside the shards, so that `tfds.builder_from_directory(OUT/<variant>)` reads them.

Written as JSON of our own, checked against the package in the tests: writing a data set doesn't need it installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from etl import storage
from etl.format import layout
from etl.format.encodings.base import TfdsFeature
from etl.format.features import FeatureSpec
from etl.format.manifest import Manifest, Variant
from etl.paths import join
from etl.words import quantity

# What TFDS takes in no name.
_NO_NAME = re.compile(r"\W+", re.ASCII)

_FEATURES = "tensorflow_datasets.core.features"
_DTYPES = {"bytes": "string", "int64": "int64", "float32": "float32"}


def write_info(data_dir: str, manifest: Manifest, variant: Variant) -> None:
    """Writes the files that TFDS reads beside a variant's shards; none of a compressed one, which it can't read.

    Args:
        data_dir: The data set's folder.
        manifest: Of the data set; it need not be written yet.
        variant: Of it.
    """
    if variant.compression != "none":
        return
    names = manifest.class_names
    files = {
        layout.TFDS_INFO_NAME: _to_json(dataset_info(manifest, variant)),
        layout.TFDS_FEATURES_NAME: _to_json(features(manifest, variant)),
    }
    if _fit_on_lines(names):
        files[layout.TFDS_LABELS_NAME] = "".join(f"{name}\n" for name in names)
    for name, text in files.items():
        storage.write_atomically(join(data_dir, variant.name, name), text.encode())


def dataset_info(manifest: Manifest, variant: Variant) -> dict[str, Any]:
    """Returns the content of `dataset_info.json`: names, splits and the number of examples in each shard."""
    image = variant.encoding.feature
    return {
        "name": _NO_NAME.sub("_", manifest.dataset),
        "configName": variant.name,
        "version": f"{manifest.schema_version}.0.0",
        "description": f"{quantity(manifest.counts.written, 'image')}, fingerprint {manifest.fingerprint}",
        "fileFormat": "tfrecord",
        "supervisedKeys": {"tuple": {"items": [{"featureKey": image}, {"featureKey": "label_int"}]}},
        "splits": [
            {
                "name": split.name,
                "filepathTemplate": layout.TFDS_SHARD_TEMPLATE,
                # Protobuf writes 64-bit numbers as text.
                "shardLengths": [str(shard.num_examples) for shard in split.shards],
                "numBytes": str(split.num_bytes),
            }
            for split in variant.splits.values()
            if split.shards
        ],
    }


def features(manifest: Manifest, variant: Variant) -> dict[str, Any]:
    """Returns the content of `features.json`: how each feature is stored, and what it decodes to.

    `image` decodes to uint8 (height, width, 3); of a float list to float32, flattened where sizes differ. An optional
    feature becomes a list, empty where it is absent.
    """
    described = {name: _feature(spec) for name, spec in variant.features.items()}
    if manifest.class_names:
        described["label_int"] = _described("class_label", "ClassLabel", numClasses=str(len(manifest.class_names)))
    described[variant.encoding.feature] = _image(variant.encoding.tfds(variant.image))
    return {
        "type": f"{_FEATURES}.features_dict.FeaturesDict",
        "content": {"features": described},
        "proto_cls": "tensorflow_datasets.FeaturesDict",
    }


def _image(feature: TfdsFeature) -> dict[str, Any]:
    if feature.kind == "image":
        shape = _shape(feature.shape)
        return _described("image", "Image", shape=shape, dtype=feature.dtype, encodingFormat=feature.encoding)
    return _tensor(feature.shape, feature.dtype, feature.encoding)


def _feature(spec: FeatureSpec) -> dict[str, Any]:
    if spec.dtype == "bytes" and not spec.shape and not spec.optional:
        return _described("text", "Text")
    return _tensor((None,) if spec.optional else spec.shape, _DTYPES[spec.dtype], "none")


def _tensor(shape: Sequence[int | None], dtype: str, encoding: str) -> dict[str, Any]:
    return _described("tensor", "Tensor", shape=_shape(shape), dtype=dtype, encoding=encoding)


def _described(kind: str, name: str, **content: object) -> dict[str, Any]:
    """Describes one feature: TFDS names its class, and the entry after the kind of its content."""
    first, *others = kind.split("_")
    entry = first + "".join(map(str.capitalize, others))
    return {"pythonClassName": f"{_FEATURES}.{kind}_feature.{name}", entry: content}


def _shape(shape: Sequence[int | None]) -> dict[str, Any]:
    return {"dimensions": [str(-1 if side is None else side) for side in shape]}


def _fit_on_lines(names: Sequence[str]) -> bool:
    """Tells whether TFDS finds these names in a file of lines, which it trims, and of which it drops the empty ones."""
    return bool(names) and all(name and name == name.strip() and len(name.splitlines()) == 1 for name in names)


def _to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"
