"""Options of the cloud: names, regions, labels, paths."""

from __future__ import annotations

import argparse

import pytest

from etl.cli import Parser
from etl.errors import ConfigError
from trainer.vertex.api.options import Cloud, add_cloud_arguments, check_gcs, cloud, parse_labels

NAMES = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION")


def read(*argv: str) -> Cloud:
    parser = Parser(prog="x")
    add_cloud_arguments(parser)
    return cloud(parser.parse_args(argv))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-variable")
    monkeypatch.setenv("CLOUD_ML_REGION", "us-central1")
    assert read() == Cloud("from-variable", "us-central1")
    monkeypatch.setenv("GOOGLE_CLOUD_REGION", "asia-east1")
    assert read("--project", "my-project") == Cloud("my-project", "asia-east1")
    assert read("--region", "europe-west4").region == "europe-west4"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), "--project: got None, expected a project"),
        (("--project", "My Project"), "--project: got 'My Project', expected a project's id"),
        (("--project", "my-project"), "--region: got None"),
        (("--project", "my-project", "--region", "europe-west4-a"), "a zone has a letter more"),
        (("--project", "my-project", "--region", "Belgium"), "--region: got 'Belgium'"),
    ],
)
def test_what_is_wrong_is_named(argv: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read(*argv)


@pytest.mark.parametrize("project", ["my-project", "example.com:my-project", "123456789"])
def test_projects_have_several_forms(project: str) -> None:
    assert read("--project", project, "--region", "us-central1").parent == f"projects/{project}/locations/us-central1"


def test_names_are_completed() -> None:
    where = Cloud("p", "us-central1")
    full = "projects/7/locations/us-central1/models/12"
    assert where.name("models", "12") == "projects/p/locations/us-central1/models/12"
    assert where.name("models", "models/12@3") == "projects/p/locations/us-central1/models/12@3"
    assert where.name("models", full) == full


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("projects/7/locations/us-east1/models/12", "--region: got 'us-central1', expected us-east1"),
        ("projects/7/locations/us-central1/endpoints/12", "models: got"),
        ("endpoints/12", "models: got 'endpoints/12', expected an id, or projects/p/.*/models/ID"),
        ("", "models: got ''"),
        ("a b", "models: got 'a b'"),
    ],
)
def test_a_name_of_something_else_is_refused(given: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Cloud("p", "us-central1").name("models", given)


def test_images_are_named_after_the_registry() -> None:
    assert (
        Cloud("example.com:p", "us-central1")
        .image("training")
        .startswith("us-central1-docker.pkg.dev/example.com/p/petalstream/training:")
    )


def test_labels() -> None:
    assert parse_labels(["team=pets", "cost="]) == {"team": "pets", "cost": ""}
    for wrong in ("team", "Team=pets", "team=Pets", "1=2", f"a={'x' * 64}"):
        with pytest.raises(ConfigError, match="--label: got"):
            parse_labels([wrong])


def test_gcs_paths() -> None:
    assert check_gcs("--x", "gs://bucket/a/") == "gs://bucket/a"
    assert check_gcs("--x", "gs://bucket") == "gs://bucket"
    for wrong in ("/local", "gs://", "s3://bucket", "bucket", "gs://bucket/a b"):
        with pytest.raises(ConfigError, match="--x: got"):
            check_gcs("--x", wrong)


def test_an_account_is_an_option_where_work_runs_as_one() -> None:
    parser = Parser(prog="x")
    add_cloud_arguments(parser)
    assert vars(parser.parse_args([])) == vars(argparse.Namespace(project=None, region=None, dry_run=False))
