"""Options that the commands share: where in the cloud, and whether to do it at all."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import etl
from etl.cli import Parser
from etl.errors import ConfigError
from trainer import environment

# The defaults.
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"
REGION_VARIABLE = "GOOGLE_CLOUD_REGION"

_PROJECT = re.compile(r"(?:[a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d+")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_GCS = re.compile(r"gs://[^/\s]+(?:/\S*)?")


@dataclass(frozen=True, slots=True)
class Cloud:
    """A project and a region of Google Cloud."""

    project: str
    region: str

    @property
    def parent(self) -> str:
        """What resource names begin with."""
        return f"projects/{self.project}/locations/{self.region}"

    def name(self, collection: str, given: str) -> str:
        """Returns a resource's full name, from that, or from its number or id alone.

        Args:
            collection: As in resource names: `customJobs`, `tensorboards`.
            given: What the operator typed: `123`, `customJobs/123`, or the full name.

        Raises:
            ConfigError: a name of something else, or of another region.
        """
        full = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)/(\w+)/([^/]+)", given)
        short = re.fullmatch(rf"(?:{collection}/)?([A-Za-z0-9_@.-]+)", given)
        if full and full[2] == self.region and full[3] == collection:
            return given
        if short and not full:
            return f"{self.parent}/{collection}/{short[1]}"
        expected = f"an id, or {self.parent}/{collection}/ID"
        if full and full[2] != self.region:
            raise ConfigError("--region", self.region, f"{full[2]}, where {given} is")
        raise ConfigError(collection, given, expected)

    def image(self, kind: str) -> str:
        """Returns the name of a container image of ours (`training`, `serving`), where it is pushed unless named."""
        # A project of a domain has a colon, which is a slash in the registry's names.
        project = self.project.replace(":", "/")
        return f"{self.region}-docker.pkg.dev/{project}/petalstream/{kind}:{etl.__version__}"


def add_cloud_arguments(parser: Parser | argparse._ArgumentGroup, *, service_account: bool = False) -> None:
    """Adds --project, --region and --dry_run, and where asked for --service_account.

    The defaults come from the environment, so that they are read when the command runs.
    """
    project = os.environ.get(PROJECT_VARIABLE) or None
    region = os.environ.get(REGION_VARIABLE) or environment.read_region()
    parser.add_argument(
        "--project", default=project, metavar="ID", help=f"project of Google Cloud (or {PROJECT_VARIABLE})"
    )
    parser.add_argument(
        "--region", default=region, metavar="NAME", help=f"region, such as europe-west4 (or {REGION_VARIABLE})"
    )
    if service_account:
        parser.add_argument(
            "--service_account",
            metavar="EMAIL",
            help="account that the work runs as; needed for --tensorboard and --experiment",
        )
    parser.add_argument("--dry_run", action="store_true", help="print the request as YAML, and send nothing")


def cloud(arguments: argparse.Namespace) -> Cloud:
    """Reads --project and --region.

    Raises:
        ConfigError: one is missing, or is no such name.
    """
    project, region = arguments.project, arguments.region
    if not project:
        hint = f"gcloud projects list shows yours; {PROJECT_VARIABLE} is the default"
        raise ConfigError("--project", None, "a project of Google Cloud", hint)
    if not _PROJECT.fullmatch(project):
        raise ConfigError("--project", project, "a project's id, as my-project-123", "gcloud projects list shows yours")
    if not region:
        hint = f"{REGION_VARIABLE} is the default"
        raise ConfigError("--region", None, "a region of Vertex AI, such as europe-west4", hint)
    if not _REGION.fullmatch(region):
        hint = "a zone has a letter more" if re.fullmatch(r".+\d-[a-z]", region) else ""
        raise ConfigError("--region", region, "a region of Vertex AI, such as europe-west4", hint)
    return Cloud(project, region)


def add_label_argument(parser: Parser | argparse._ArgumentGroup) -> None:
    """Adds --label, which may be given several times."""
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label, for bills and filters"
    )


def parse_labels(given: Sequence[str]) -> Mapping[str, str]:
    """Parses what --label was given.

    Raises:
        ConfigError: no label of Google Cloud.
    """
    labels = {}
    for text in given:
        key, separator, value = text.partition("=")
        if not separator or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise ConfigError("--label", text, "key=value, both of lower-case letters, digits, - and _, 63 at most")
        labels[key] = value
    return labels


def check_gcs(field: str, path: str) -> str:
    """Returns a `gs://` path without a slash at its end.

    Raises:
        ConfigError: anything else.
    """
    if not _GCS.fullmatch(path):
        raise ConfigError(field, path, "a path on Cloud Storage, as gs://bucket/folder")
    return path.rstrip("/")
