"""What is refused before anything is listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.runners.beam_options import make_options
from etl.runners.dataflow import checks, is_dataflow
from etl.sources.options import SourceOptions

NEEDED = {"--project": "my-project", "--region": "europe-west4", "--temp_location": "gs://my-bucket/tmp"}


def check(*more: str, without: tuple[str, ...] = ()) -> None:
    given = [part for name, value in NEEDED.items() if name not in without for part in (name, value)]
    checks.check_options(make_options([*given, *more], "DataflowRunner"))


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)


def test_what_is_needed_is_enough() -> None:
    check()
    check("--staging_location", "gs://my-bucket/staging", without=("--temp_location",))


@pytest.mark.parametrize("name", NEEDED)
def test_each_option_that_is_missing_is_named_with_an_example(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: got None, expected a value.*for example {name} \S+$"):
        check(without=(name,))


def test_all_that_are_missing_are_named_in_one_line() -> None:
    with pytest.raises(ConfigError, match="^--project, --region, --temp_location: got None") as caught:
        check(without=tuple(NEEDED))
    assert "\n" not in str(caught.value)


def test_the_region_may_come_from_the_environment_as_beam_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "us-east1")
    arguments = ["--project", "my-project", "--temp_location", "gs://my-bucket/tmp"]
    options = make_options(arguments, "DataflowRunner")
    checks.check_options(options)
    assert options.view_as(GoogleCloudOptions).region == "us-east1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--project", "12345"], "--project: got '12345', expected a project's id"),
        (["--project", "My Project"], "--project: .*neither its number nor its title"),
        (["--region", "europe-west4-a"], "--region: .*this is a zone: --region europe-west4 --worker_zone europe-w"),
        (["--region", "europe"], "--region: got 'europe', expected a region"),
        (["--temp_location", "/tmp/x"], "--temp_location: got '/tmp/x', expected a folder on Cloud Storage"),
        (["--temp_location", "gs://my-bucket"], "--temp_location: .*as gs://my-bucket/tmp"),
        (["--temp_location", "gs://My_Bucket/tmp"], "--temp_location: got 'gs://My_Bucket/tmp'"),
        (["--staging_location", "s3://b/x"], "--staging_location: got 's3://b/x'"),
        (["--job_name", "Flowers_1"], "--job_name: got 'Flowers_1', expected up to 63 of a-z"),
        (["--job_name", "a" * 64], "--job_name: got 'aaa"),
        (["--service_account_email", "me@example.com"], "--service_account_email: .*gserviceaccount.com"),
        (
            ["--impersonate_service_account", "a@b.iam.gserviceaccount.com,me"],
            "--impersonate_service_account: got 'me'",
        ),
        (["--worker_zone", "europe-west4"], "--worker_zone: got 'europe-west4', expected a zone"),
        (["--worker_zone", "us-east1-b", "--worker_region", "us-east1"], "--worker_zone: .*beside --worker_region"),
        (["--zone", "us-east1-b"], "--zone: .*use --worker_zone"),
        (["--num_workers", "9", "--max_num_workers", "3"], "--num_workers: got 9, expected at most the 3 of"),
        (["--num_workers", "0"], "--num_workers: got 0, expected a number of 1 or more"),
        (["--disk_size_gb", "-1"], "--disk_size_gb: got -1"),
        (["--sdk_container_image", "https://gcr.io/p/i"], "--sdk_container_image: .*expected an image"),
        (["--sdk_container_image", "worker"], "--sdk_container_image: got 'worker'"),
        (["--worker_harness_container_image", "gcr.io/p/i:1"], "--worker_harness.*use --sdk_container_image"),
        (["--subnetwork", "default"], "--subnetwork: got 'default', expected regions/REGION/subnetworks/NAME"),
        (["--streaming"], "--streaming: got True, expected no such option here; the job reads a list that ends"),
        (["--update"], "--update: .*streaming jobs alone"),
        (["--template_location", "gs://b/t"], "--template_location: .*made for one job"),
        (["--experiments", "disable_runner_v2"], "--experiments: .*Runner v2 alone"),
        (["--environment_type", "LOOPBACK"], "--environment_type: .*workers are containers"),
        (["--setup_file", "no/such/setup.py"], "--setup_file: got 'no/such/setup.py', expected a file that is there"),
        (["--requirements_file", "none.txt"], "--requirements_file: got 'none.txt'"),
        (["--extra_package", "none.tar.gz"], "--extra_package: got 'none.tar.gz'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--service_account_email", "123-compute@developer.gserviceaccount.com"],
        ["--sdk_container_image", "europe-west4-docker.pkg.dev/my-project/petalstream/worker:0.1.0"],
        ["--sdk_container_image", "gcr.io/my-project/worker@sha256:" + "0" * 64],
        ["--subnetwork", "https://www.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s"],
        ["--subnetwork", "regions/europe-west4/subnetworks/s", "--no_use_public_ips"],
        ["--region", "northamerica-northeast1", "--worker_zone", "northamerica-northeast1-a"],
        ["--dataflow_service_options", "enable_prime", "--flexrs_goal", "COST_OPTIMIZED"],
        ["--extra_package", "gs://my-bucket/more.tar.gz", "--environment_type", "DOCKER"],
    ],
)
def test_what_dataflow_takes_is_let_through(arguments: list[str]) -> None:
    check(*arguments)


CONFIG = EtlConfig("folder", "gs://my-bucket/out", options=SourceOptions(input="gs://my-bucket/photos/*/*.jpg"))


def test_places_on_cloud_storage_are_let_through() -> None:
    checks.check_places(CONFIG)
    checks.check_places(EtlConfig("synthetic", "gs://my-bucket"))
    checks.check_places(replace(CONFIG, variants=("embedding",), embedding_weights="imagenet"))
    checks.check_places(replace(CONFIG, variants=("embedding",), embedding_weights="gs://my-bucket/w.h5"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(CONFIG, output="/data/out"), "--output: got '/data/out', expected a folder on Cloud Storage"),
        (replace(CONFIG, output="s3://b/out"), "--output: got 's3://b/out'"),
        (replace(CONFIG, options=SourceOptions(input="/photos")), "--input: got '/photos'.*gcloud storage cp"),
        # What is downloaded here lies in a folder of this machine.
        (replace(CONFIG, source="flowers", options=SourceOptions()), "--input: got None, expected a path on Cloud"),
        (
            replace(CONFIG, variants=("embedding",), embedding_weights="/w.h5"),
            "--embedding_weights: got '/w.h5', expected imagenet, or a file on Cloud Storage",
        ),
    ],
)
def test_what_workers_could_not_reach_is_refused(config: EtlConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checks.check_places(config)


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        ("DataflowRunner", True),
        ("dataflow", True),
        ("apache_beam.runners.dataflow.dataflow_runner.DataflowRunner", True),
        ("TestDataflowRunner", True),
        ("DirectRunner", False),
        (None, False),
    ],
)
def test_dataflow_is_known_by_its_names(runner: str | None, expected: bool) -> None:
    assert is_dataflow(runner) is expected
