"""Runners by name: what each is given, and the line for what is missing."""

from __future__ import annotations

import importlib.util
import socket
import stat
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import (
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SetupOptions,
)

from etl.errors import ConfigError
from etl.options import parse
from etl.runners import beam_options, factory

HAS_DASK = importlib.util.find_spec("distributed") is not None


def environment(options: PipelineOptions) -> str | None:
    kind: str | None = options.view_as(PortableOptions).environment_type
    return kind


@pytest.fixture
def prism(tmp_path: Path) -> str:
    path = tmp_path / "prism"
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def nowhere() -> str:
    """An address where nothing answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"localhost:{probe.getsockname()[1]}"


def parse_runner(name: str) -> str | None:
    return parse(["--source", "synthetic", "--output", "out", "--runner", name]).runner


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("PrismRunner", "PrismRunner"),
        ("prismrunner", "PrismRunner"),
        ("flink", "FlinkRunner"),
        ("direct", "DirectRunner"),
        ("InteractiveRunner", "InteractiveRunner"),
        ("mine.of.MyRunner", "mine.of.MyRunner"),
    ],
)
def test_a_runner_has_one_name_however_it_is_written(given: str, name: str) -> None:
    assert parse_runner(given) == name


def test_an_unknown_runner_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigError, match="--runner: got 'FlunkRunner', expected one of .*; did you mean FlinkRunner"):
        parse_runner("FlunkRunner")


@pytest.mark.skipif(HAS_DASK, reason="Dask is installed")
def test_dask_without_its_packages_names_the_extra() -> None:
    with pytest.raises(ConfigError, match=r"--runner: got 'DaskRunner', .*petalstream\[etl,dask\]"):
        parse_runner("DaskRunner")


@pytest.mark.skipif(not HAS_DASK, reason="dask and distributed aren't installed")
def test_dask_works_on_single_units_unless_told_otherwise() -> None:
    sizes = [
        beam_options.make_options(arguments, "DaskRunner").get_all_options()["partition_size"]
        for arguments in ([], ["--dask_partition_size", "3"], ["--dask_partition_size=4"], ["--dask_npartitions", "5"])
    ]
    assert sizes == [1, 3, 4, None]


def test_the_main_module_is_never_pickled() -> None:
    options = beam_options.make_options(["--save_main_session"], None)
    assert options.view_as(SetupOptions).save_main_session is False


def test_prism_gets_workers_in_this_process_unless_told_otherwise(prism: str) -> None:
    location = ["--prism_location", prism]
    here = beam_options.make_options(location, "PrismRunner")
    assert environment(here) == "LOOPBACK"
    assert factory.runs_in_threads("PrismRunner", here)
    assert here.view_as(PrismRunnerOptions).prism_log_level == "error"
    external = [
        "--environment_type",
        "EXTERNAL",
        "--environment_config",
        "localhost:50000",
        "--prism_log_level",
        "info",
    ]
    elsewhere = beam_options.make_options([*location, *external], "PrismRunner")
    assert environment(elsewhere) == "EXTERNAL"
    assert not factory.runs_in_threads("PrismRunner", elsewhere)
    assert elsewhere.view_as(PrismRunnerOptions).prism_log_level == "info"


def test_prism_is_found_on_the_path(prism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(prism).parent))
    options = beam_options.make_options([], "PrismRunner")
    assert options.view_as(PrismRunnerOptions).prism_location == prism


@pytest.mark.parametrize("arguments", [[], ["--prism_location", "https://example.org/prism.zip"]])
def test_prism_is_never_downloaded(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"--prism_location: .*`go install github.com/apache/beam/.*/cmd/prism@v2\."):
        beam_options.make_options(arguments, "PrismRunner")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("FlinkRunner", []),
        ("FlinkRunner", ["--flink_master", "[local]"]),
        ("SparkRunner", ["--spark_master_url=local[4]"]),
    ],
)
def test_a_cluster_that_the_job_server_starts_uses_this_process(name: str, arguments: list[str]) -> None:
    assert environment(beam_options.make_options(arguments, name)) == "LOOPBACK"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("FlinkRunner", ["--flink_master", "cluster:8081"]),
        ("SparkRunner", ["--spark_master_url", "spark://cluster:7077"]),
        ("PortableRunner", ["--job_endpoint", "cluster:8099"]),
        ("FlinkRunner", ["--job_endpoint", "cluster:8099"]),
    ],
)
def test_workers_in_an_image_without_this_package_are_refused(name: str, arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="--environment_type: got None, expected EXTERNAL.*or DOCKER"):
        beam_options.make_options(arguments, name)
    image = ["--environment_type", "DOCKER", "--environment_config", "example.org/petalstream:1"]
    assert environment(beam_options.make_options([*arguments, *image], name)) == "DOCKER"


def test_a_portable_runner_needs_an_address() -> None:
    options = beam_options.make_options(["--environment_type", "LOOPBACK"], "PortableRunner")
    with pytest.raises(ConfigError, match="--job_endpoint: got None, expected the address of a job server"):
        factory.make_runner("PortableRunner", options)


@pytest.mark.parametrize("address", [None, "cluster", "cluster:"])
def test_a_job_server_that_does_not_answer_is_named(address: str | None, nowhere: str) -> None:
    arguments = ["--environment_type", "LOOPBACK", "--job_endpoint", address or nowhere]
    options = beam_options.make_options(arguments, "PortableRunner")
    with pytest.raises(ConfigError, match=f"--job_endpoint: got '{address or nowhere}', expected the address"):
        factory.make_runner("PortableRunner", options)


def test_a_worker_pool_that_does_not_answer_is_named(prism: str, nowhere: str) -> None:
    external = ["--environment_type", "EXTERNAL", "--environment_config", nowhere]
    options = beam_options.make_options(["--prism_location", prism, *external], "PrismRunner")
    with pytest.raises(ConfigError, match=f"--environment_config: got '{nowhere}', .*worker_pool_main"):
        factory.make_runner("PrismRunner", options)


@pytest.mark.parametrize(("name", "option"), [("FlinkRunner", "flink"), ("SparkRunner", "spark")])
def test_what_is_no_jar_of_a_job_server_is_named(
    name: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for jar, hint in (("no.jar", "there is no such file"), (str(java), "this file is none")):
        options = beam_options.make_options([f"--{option}_job_server_jar", jar], name)
        with pytest.raises(ConfigError, match=f"--{option}_job_server_jar: got '{jar}', .*; {hint}"):
            factory.make_runner(name, options)


def test_a_job_server_needs_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    options = beam_options.make_options([], "FlinkRunner")
    with pytest.raises(ConfigError, match="--runner: got 'FlinkRunner', expected Java on the PATH"):
        factory.make_runner("FlinkRunner", options)
