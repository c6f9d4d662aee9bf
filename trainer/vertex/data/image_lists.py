"""A list of images for a managed data set, out of the index of a data set of etl.run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from etl.errors import ConfigError, DatasetError, one_line
from etl.errors.limits import name_file
from etl.format import manifest as manifests
from etl.format.layout import INDEX_NAME
from etl.format.manifest import Manifest
from etl.paths import join
from trainer.vertex.api.buckets import Buckets, is_bucket

ML_USE = "aiplatform.googleapis.com/ml_use"
# Our splits to the service's.
USES = {"train": "training", "validation": "validation", "test": "test"}


def write(data_dir: str, images: str, path: Path, store: Buckets) -> int:
    """Writes one JSON line for each record: where its image lies, its label, its split.

    Args:
        data_dir: Folder of the data set, here or on Cloud Storage.
        images: `gs://` path of the folder of images; a record's key is the path below it.
        path: File to write.
        store: Cloud Storage.

    Returns:
        The number of lines.

    Raises:
        ConfigError: the data set's records aren't images of files, or a split has another name.
        DatasetError: there is no complete data set.
        CloudError: it can't be read.
    """
    manifest = _load(data_dir, store)
    index = _find_index(join(data_dir, next(iter(manifest.variants), ""), INDEX_NAME), path, store)
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ConfigError("--from_data_dir", data_dir, "pyarrow", "python -m pip install pyarrow") from error
    count = 0
    with name_file(str(path)), open(path, "w", encoding="utf-8") as lines:
        for batch in _batches(index):
            for row in batch.to_pylist():
                if row["split"] not in USES:
                    raise ConfigError("--from_data_dir", row["split"], f"splits called {', '.join(USES)}")
                if not PurePosixPath(row["key"]).suffix:
                    hint = "what is stored in one archive has no addresses of its own"
                    raise ConfigError("--from_data_dir", row["key"], "records whose keys are files", hint)
                line = {
                    "imageGcsUri": f"{images}/{row['key']}",
                    "classificationAnnotation": {"displayName": row["label"]},
                    "dataItemResourceLabels": {ML_USE: USES[row["split"]]},
                }
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    if not count:
        raise DatasetError(f"{data_dir}: no records")
    return count


def _batches(index: Path) -> Iterator[Any]:
    """Yields what an index says of its records, batch by batch.

    Raises:
        DatasetError: it is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(index).iter_batches(columns=["key", "split", "label"]):
            kinds = {field.name: field.type for field in batch.schema}
            if kinds != dict.fromkeys(("key", "split", "label"), pa.string()) or any(
                column.null_count for column in batch.columns
            ):
                raise ValueError("key, split or label are no texts, or not there")
            yield batch
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{INDEX_NAME}: can't be read: {one_line(error)[:300]}") from error


def _load(data_dir: str, store: Buckets) -> Manifest:
    def read_text(path: str) -> str:
        text = store.read_text(path)
        if text is None:
            raise FileNotFoundError(path)
        return text

    return manifests.load(data_dir, read_text if is_bucket(data_dir) else None)


def _find_index(uri: str, beside: Path, store: Buckets) -> Path:
    """Returns the index as a file of this machine."""
    index = Path(uri)
    if is_bucket(uri):
        index = beside.with_name(INDEX_NAME)
        is_there = store.download(uri, index)
    else:
        is_there = index.is_file()
    if not is_there:
        raise DatasetError(f"{uri}: it isn't there; python -m etl.run makes it")
    return index
