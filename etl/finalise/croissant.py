"""`croissant.json`: the data set in the vocabulary of MLCommons Croissant 1.1, for catalogues and loaders.

The shards are its files, the rows of each variant's `index.parquet` its records: readers of Croissant know no
TFRecords, and the index says where in which file each one is.

The vocabulary: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from etl import storage
from etl.format.index import IndexFile
from etl.format.layout import CROISSANT_NAME, INDEX_NAME
from etl.format.manifest import Manifest, Shard, Variant
from etl.paths import join
from etl.sources import declared
from etl.words import quantity

_CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
# As the specification has it; readers complain of any other.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            "arrayShape",
            "citeAs",
            "column",
            "containedIn",
            "equivalentProperty",
            "extract",
            "field",
            "fileObject",
            "fileProperty",
            "fileSet",
            "format",
            "includes",
            "isArray",
            "isLiveDataset",
            "jsonPath",
            "key",
            "md5",
            "parentField",
            "path",
            "recordSet",
            "references",
            "regex",
            "repeated",
            "replace",
            "samplingRate",
            "separator",
            "source",
            "subField",
            "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}

_PARQUET = "application/x-parquet"
# Formats without a registered name are given by the page that describes them.
_TFRECORD = "https://www.tensorflow.org/tutorials/load_data/tfrecord"
_GZIP = "application/gzip"

# Column of the index -> its type and what it holds.
_FIELDS = {
    "key": ("sc:Text", "unique in the data set and stable between runs"),
    "split": ("sc:Text", "the split's name"),
    "label": ("sc:Text", "the class name"),
    "label_int": ("sc:Integer", "the class's place among the class names; -1 where there are none"),
    "height": ("sc:Integer", "of the image, in pixels"),
    "width": ("sc:Integer", "of the image, in pixels"),
    "channels": ("sc:Integer", "of the image"),
    "shard": ("sc:Text", "name of the file that holds the record"),
    "offset": ("sc:Integer", "of the record's first byte in that file"),
    "length": ("sc:Integer", "of the record in bytes"),
    "digest": ("sc:Text", "MD5 of the source file, in hexadecimal"),
}


def write_croissant(data_dir: str, manifest: Manifest, indexes: Mapping[str, IndexFile]) -> None:
    """Writes the description of a data set into its folder.

    Args:
        data_dir: The data set's folder.
        manifest: Of the data set; it need not be written yet.
        indexes: The index of each of its variants.
    """
    text = json.dumps(describe(manifest, indexes), indent=1, ensure_ascii=False) + "\n"
    storage.write_atomically(join(data_dir, CROISSANT_NAME), text.encode())


def describe(manifest: Manifest, indexes: Mapping[str, IndexFile]) -> dict[str, Any]:
    """Returns the content of `croissant.json`.

    Args:
        manifest: Of the data set.
        indexes: The index of each of its variants.
    """
    split_names = {name: None for variant in manifest.variants.values() for name in variant.splits}
    record_sets = [_names("splits", "cr:Split", list(split_names))]
    if manifest.class_names:
        record_sets.append(_names("classes", "sc:Enumeration", manifest.class_names))
    record_sets += [_records(variant, bool(manifest.class_names)) for variant in manifest.variants.values()]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": manifest.dataset,
        "description": _description(manifest),
        # What follows the plus tells contents of one layout apart.
        "version": f"{manifest.schema_version}.0.0+{manifest.fingerprint[:12]}",
        **_published(manifest),
        "distribution": [
            file for variant in manifest.variants.values() for file in _files(variant, indexes[variant.name])
        ],
        "recordSet": record_sets,
    }


def _description(manifest: Manifest) -> str:
    classes = f" of {quantity(len(manifest.class_names), 'class')}" if manifest.class_names else ""
    return (
        f"{quantity(manifest.counts.written, 'image')}{classes} as TFRecords; variants: {', '.join(manifest.variants)}."
    )


def _published(manifest: Manifest) -> dict[str, str]:
    """Returns what is known of the day and of the origin; of a folder of one's own, that is the day alone."""
    facts = {}
    if "started" in manifest.run:
        facts["datePublished"] = str(manifest.run["started"])[:10]
    origin = declared.origin(manifest.config.get("source", manifest.dataset))
    if origin:
        facts |= {"url": origin.url, "citeAs": origin.citation}
        facts |= {"license": origin.license} if origin.license else {}
    return facts


def _files(variant: Variant, index: IndexFile) -> Iterator[dict[str, Any]]:
    yield _file(f"{variant.name}/{INDEX_NAME}", index.num_bytes, index.sha256, _PARQUET)
    encoding: str | list[str] = [_TFRECORD, _GZIP] if variant.compression == "gzip" else _TFRECORD
    shards: Iterator[Shard] = (shard for split in variant.splits.values() for shard in split.shards)
    for shard in shards:
        yield _file(f"{variant.name}/{shard.name}", shard.num_bytes, shard.sha256, encoding)


def _file(path: str, num_bytes: int, sha256: str, encoding: str | list[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{num_bytes} B",
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _names(name: str, kind: str, values: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Describes a list of names that records refer to."""
    field = f"{name}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": field},
        "field": [{"@type": "cr:Field", "@id": field, "name": field, "dataType": "sc:Text"}],
        "data": [{field: value} for value in values],
    }


def _records(variant: Variant, has_classes: bool) -> dict[str, Any]:
    where = "before compression" if variant.compression == "gzip" else "as the file is"
    references = {"split": "splits/name", **({"label": "classes/name"} if has_classes else {})}
    fields = []
    for column, (kind, what) in _FIELDS.items():
        field = {
            "@type": "cr:Field",
            "@id": f"{variant.name}/{column}",
            "name": f"{variant.name}/{column}",
            "description": what,
            "dataType": kind,
            "source": {"fileObject": {"@id": f"{variant.name}/{INDEX_NAME}"}, "extract": {"column": column}},
        }
        if column in references:
            field["references"] = {"field": {"@id": references[column]}}
        fields.append(field)
    return {
        "@type": "cr:RecordSet",
        "@id": variant.name,
        "name": variant.name,
        "description": f"Where each record is: a tf.train.Example of `length` bytes from `offset`, {where}.",
        "key": {"@id": f"{variant.name}/key"},
        "field": fields,
    }
