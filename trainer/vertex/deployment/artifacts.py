"""A trained model as a service takes it: a SavedModel in a bucket, with the evaluation that lies beside it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import ConfigError
from etl.format.parsing import parse_json
from trainer.layout import EVALUATION_NAME, MODEL_NAME, SAVED_MODEL_FILE, find_model
from trainer.vertex.api import buckets, naming
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.options import check_gcs

# What `trainer.serving.export` says about the model inside it.
_DESCRIPTION = "assets.extra/petalstream.json"
# What stands for a digest that a dry run doesn't know.
UNKNOWN_DIGEST = "DIGEST"
# Enough to tell any two models apart, and short enough to read.
_DIGEST_LENGTH = 16
_PREFIX = "artifact "


@dataclass(frozen=True, slots=True)
class Artifact:
    """A SavedModel in a bucket.

    Attributes:
        uri: Its folder.
        digest: Of all files in it.
        evaluation: What `trainer.task` measured on the test split; empty where nothing is known.
        description: What the model says about itself; empty where it is none of ours.
    """

    uri: str
    digest: str
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        """Returns the registry's line about it, which `matches` recognises."""
        parts = [f"{_PREFIX}{self.digest}"]
        if "accuracy" in self.evaluation:
            parts.append(f"test accuracy {self.evaluation['accuracy']:.4f}")
        for name, words in (("model", "model"), ("dataset", "data set")):
            if name in self.description:
                parts.append(f"{words} {self.description[name]}")
        return ", ".join(parts)

    def labels(self) -> dict[str, str]:
        """Returns labels that show what it is."""
        found = {
            name: naming.to_label(str(self.description[name]))
            for name in ("model", "dataset")
            if name in self.description
        }
        if "accuracy" in self.evaluation:
            found["test_accuracy"] = naming.to_label(f"{self.evaluation['accuracy']:.4f}".replace(".", "_"))
        return found

    def matches(self, model: Any) -> bool:
        """Tells whether a registered model was made of these very files."""
        known = str(model.version_description).partition(",")[0]
        return str(model.artifact_uri).rstrip("/") == self.uri and known == f"{_PREFIX}{self.digest}"


def inspect(store: Buckets, uri: str) -> Artifact:
    """Looks at a SavedModel in a bucket.

    Args:
        store: The connection.
        uri: Its folder, or that of a run of `trainer.task`, in which it is `model`.

    Raises:
        ConfigError: there is none.
        CloudError: the bucket can't be read.
    """
    root = check_gcs("MODEL_DIR", uri)
    for folder in (root, f"{root}/{MODEL_NAME}"):
        entries = store.entries(folder)
        if any(entry.name == SAVED_MODEL_FILE for entry in entries):
            return Artifact(
                folder,
                buckets.digest(entries)[:_DIGEST_LENGTH],
                read_evaluation(store, folder) or {},
                _parse(store.read_text(f"{folder}/{_DESCRIPTION}"), f"{folder}/{_DESCRIPTION}") or {},
            )
    raise ConfigError("MODEL_DIR", uri, "a SavedModel, or the folder of a finished run of trainer.task")


def read_evaluation(store: Buckets, folder: str) -> Mapping[str, Any] | None:
    """Reads the evaluation that lies beside a SavedModel, as `trainer.task` leaves it; None where there is none.

    Raises:
        ConfigError: it is no JSON object.
        CloudError: it can't be read.
    """
    uri = posixpath.join(posixpath.dirname(folder.rstrip("/")), EVALUATION_NAME)
    return _parse(store.read_text(uri), uri)


def plan_upload(model_dir: str, bucket: str) -> tuple[Artifact, Path]:
    """Says where a local SavedModel would go in a bucket: a folder named after its content.

    Args:
        model_dir: A SavedModel, or a run's folder.
        bucket: `gs://` folder for what is uploaded.

    Returns:
        The artifact to be, and the SavedModel's local folder.

    Raises:
        ConfigError: there is none, or the target is no bucket.
    """
    folder = Path(find_model(model_dir))
    root = check_gcs("--staging_bucket", bucket)
    digest = buckets.digest(buckets.list_local(folder))[:_DIGEST_LENGTH]
    beside = folder.parent / EVALUATION_NAME
    evaluation = _parse(_read(beside), str(beside)) or {}
    description = _parse(_read(folder / _DESCRIPTION), str(folder / _DESCRIPTION)) or {}
    return Artifact(f"{root}/models/{digest}/{MODEL_NAME}", digest, evaluation, description), folder


def upload(store: Buckets, artifact: Artifact, folder: Path) -> int:
    """Uploads a local SavedModel, with the evaluation beside it; what is there already is left.

    Returns:
        How many files were sent.

    Raises:
        CloudError: the bucket can't be written.
    """
    names = [entry.name for entry in buckets.list_local(folder)]
    # The file that makes a folder a SavedModel comes last, so that half of one is never taken for one.
    names.sort(key=lambda name: name == SAVED_MODEL_FILE)
    files = [(folder / name, f"{artifact.uri}/{name}") for name in names]
    beside = folder.parent / EVALUATION_NAME
    if beside.is_file():
        files.insert(0, (beside, posixpath.join(posixpath.dirname(artifact.uri), EVALUATION_NAME)))
    return sum(store.upload(path, uri) for path, uri in files)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _parse(text: str | None, path: str) -> Mapping[str, Any] | None:
    if text is None:
        return None
    try:
        content = parse_json(text, allow_nan=True)
    except ValueError as error:
        raise ConfigError(path, text[:50], "JSON", str(error)) from error
    if not isinstance(content, dict):
        raise ConfigError(path, text[:50], "a JSON object")
    return content
