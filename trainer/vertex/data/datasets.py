"""`dataset`: finds or creates a managed image data set, and imports lists of images into it."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etl import interrupts
from etl.cli import Parser, path
from etl.errors import EXIT_OK, ConfigError
from etl.words import quantity
from trainer.vertex.api import buckets, clients, naming, requests
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.options import Cloud, add_cloud_arguments, add_label_argument, check_gcs, cloud, parse_labels
from trainer.vertex.data import image_lists

IMAGES = "gs://google-cloud-aiplatform/schema/dataset/metadata/image_1.0.0.yaml"
SINGLE_LABEL = (
    "gs://google-cloud-aiplatform/schema/dataset/ioformat/image_classification_single_label_io_format_1.0.0.yaml"
)

# On a data set, for each import that has ended, so that none is repeated.
_IMPORTED = "imported-"
_DIGITS = 16
_CREATE_SECONDS = 600.0
# Vertex AI reads each image when it imports it: ten thousand take about an hour.
_IMPORT_SECONDS = 12 * 3600.0

_EPILOG = """\
Each line of a list is one photograph:
{"imageGcsUri": "gs://b/1.jpg", "classificationAnnotation": {"displayName": "roses"},
 "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "training"}}
--from_data_dir makes such a list from a data set of etl.run, with its labels and splits, and imports that.
"""


def add_arguments(parser: Parser) -> None:
    """Adds the options of `dataset`."""
    parser.epilog = _EPILOG
    add_cloud_arguments(parser)
    parser.add_argument("--display_name", required=True, metavar="NAME", help="of the data set")
    parser.add_argument(
        "--import", dest="lists", nargs="+", default=[], metavar="URI", help="gs:// paths of JSON lines"
    )
    parser.add_argument("--import_schema", default=SINGLE_LABEL, metavar="URI", help="what such a line is")
    made = parser.add_argument_group("a list from a data set of etl.run")
    made.add_argument("--from_data_dir", type=path("--from_data_dir"), metavar="DIR", help="its folder")
    made.add_argument("--images", metavar="URI", help="gs:// path of the folder of photographs that it was made from")
    made.add_argument("--staging_bucket", metavar="URI", help="gs:// path below which the list is written")
    add_label_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the data set's name, which --dataset of train takes; makes it if it isn't there, and imports."""
    where = cloud(arguments)
    name = naming.check("--display_name", arguments.display_name)
    lists = [check_gcs("--import", uri) for uri in arguments.lists]
    body = dataset_body(name, {**naming.LABELS, **parse_labels(arguments.label)})
    message = requests.parse("Dataset", body)
    with tempfile.TemporaryDirectory(prefix="petalstream-") as directory:
        store = buckets.Buckets(where)
        path, uri = _make_list(arguments, Path(directory), store)
        if uri:
            lists.append(uri)
        imports = import_body(lists, arguments.import_schema) if lists else None
        if imports:
            requests.parse("ImportDataRequest", imports)
        if arguments.dry_run:
            _show(name, body, imports, uri)
            return EXIT_OK
        if path and uri:
            store.upload(path, uri, content_type="application/jsonl")
    dataset = _ensure(name, message, where)
    if imports:
        _import(dataset, imports, lists, where)
    print(dataset.name)
    return EXIT_OK


def dataset_body(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Returns the Dataset."""
    return {"displayName": name, "metadataSchemaUri": IMAGES, "metadata": {}, "labels": labels}


def import_body(lists: Sequence[str], schema: str = SINGLE_LABEL) -> dict[str, Any]:
    """Returns the ImportDataRequest, but for the data set's name."""
    return {"importConfigs": [{"gcsSource": {"uris": list(lists)}, "importSchemaUri": schema}]}


def _make_list(
    arguments: argparse.Namespace, directory: Path, store: buckets.Buckets
) -> tuple[Path | None, str | None]:
    """Writes the list that --from_data_dir asks for; returns it, and where it will be."""
    if arguments.from_data_dir is None:
        for field in ("images", "staging_bucket"):
            if getattr(arguments, field) is not None:
                raise ConfigError(f"--{field}", getattr(arguments, field), "--from_data_dir beside it")
        return None, None
    for field in ("images", "staging_bucket"):
        if getattr(arguments, field) is None:
            raise ConfigError(f"--{field}", None, "a gs:// path, beside --from_data_dir")
    images = check_gcs("--images", arguments.images)
    staging_dir = check_gcs("--staging_bucket", arguments.staging_bucket)
    path = directory / "photographs.jsonl"
    num_lines = image_lists.write(arguments.from_data_dir, images, path, store)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
    print(f"{quantity(num_lines, 'photograph')} of {arguments.from_data_dir}, below {images}", file=sys.stderr)
    return path, f"{staging_dir}/lists/{digest}.jsonl"


def _show(name: str, body: dict[str, Any], imports: dict[str, Any] | None, made: str | None) -> None:
    print(f"---\n# unless there is one called {name}:\n{requests.to_yaml(body)}", end="")
    if imports:
        before = f"# after a list is written to {made}\n" if made else ""
        print(f"---\n# then, unless it was imported before:\n{before}{requests.to_yaml(imports)}", end="")


def _ensure(name: str, message: Any, where: Cloud) -> Any:
    """Finds the data set, or makes it."""
    kind = KINDS["datasets"]
    found = naming.pick("--display_name", name, kind.find(where, naming.make_filter(name)))
    if found is not None:
        print(f"there already: {kind.url(found.name)}", file=sys.stderr)
        return found
    with translate_errors(f"creating the data set {name}", where):
        operation = clients.make(kind.service, where).create_dataset(parent=where.parent, dataset=message)
        made = clients.finish(operation, timeout_seconds=_CREATE_SECONDS)
    print(f"created: {kind.url(made.name)}", file=sys.stderr)
    return made


def _import(dataset: Any, imports: dict[str, Any], lists: Sequence[str], where: Cloud) -> None:
    """Imports the lists, unless the data set's labels say that it was done; then adds that label.

    Vertex AI doesn't say what became of a file that was imported before, hence the label.
    """
    label = _IMPORTED + hashlib.sha256("\n".join([*sorted(lists), *_schemas(imports)]).encode()).hexdigest()[:_DIGITS]
    if label in dataset.labels:
        print("imported before", file=sys.stderr)
        return
    client = clients.make("dataset", where)
    message = requests.parse("ImportDataRequest", {"name": dataset.name, **imports})
    what = f"importing into the data set {dataset.display_name}"
    print(f"{what}: this takes its time", file=sys.stderr, flush=True)
    with translate_errors(what, where):
        operation = client.import_data(request=message)
        with interrupts.hinting(lambda: f"the import goes on: {KINDS['datasets'].url(dataset.name)}"):
            clients.finish(operation, timeout_seconds=_IMPORT_SECONDS)
    with translate_errors(f"labelling the data set {dataset.display_name}", where):
        body = {"name": dataset.name, "labels": {**dict(dataset.labels), label: ""}}
        client.update_dataset(dataset=requests.parse("Dataset", body), update_mask={"paths": ["labels"]})


def _schemas(imports: dict[str, Any]) -> list[str]:
    return [config["importSchemaUri"] for config in imports["importConfigs"]]
