"""Beam's portable runners: who starts their workers, and what has to be there for it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import zipfile
from typing import Any

import apache_beam
from apache_beam.options.pipeline_options import (
    DebugOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SetupOptions,
    SparkRunnerOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import create_runner

from etl.errors import ConfigError
from etl.runners.prism import PrismRunner

# Beam calls the logger of a server by its class, see `etl.runners.prism`.
PRISM_LOGGER = "PrismServer"

# Masters in whose place Flink's and Spark's job servers start their own cluster, on this machine.
_LOCAL_FLINK = ("[local]", "[auto]")
_LOCAL_SPARK = re.compile(r"local(\[.+\])?")
_CONNECT_SECONDS = 10.0


def set_options(options: PipelineOptions, name: str, given: set[str]) -> None:
    """Sets what a runner needs to be right, unless it is given.

    Args:
        options: Changed in place.
        name: Of the runner.
        given: Names of the options on the command line.

    Raises:
        ConfigError: something is missing that can't be chosen.
    """
    _set_environment(options, name)
    if name == "PrismRunner":
        _set_prism(options, given)


def _set_environment(options: PipelineOptions, name: str) -> None:
    """Chooses who starts the workers of a portable runner, and checks that they can hold our package.

    Raises:
        ConfigError: it would be a stock image of Beam's, in which nothing of ours is.
    """
    portable = options.view_as(PortableOptions)
    if portable.environment_type:
        return
    flink, spark = options.view_as(FlinkRunnerOptions), options.view_as(SparkRunnerOptions)
    if (
        (name == "PrismRunner" and not portable.job_endpoint)
        or (name == "FlinkRunner" and flink.flink_master.strip() in _LOCAL_FLINK and not portable.job_endpoint)
        or (name == "SparkRunner" and _LOCAL_SPARK.fullmatch(spark.spark_master_url) and not portable.job_endpoint)
    ):
        portable.environment_type = "LOOPBACK"
        return
    workers, setup = options.view_as(WorkerOptions), options.view_as(SetupOptions)
    if not (workers.sdk_container_image or setup.setup_file or setup.extra_packages or portable.environment_options):
        raise ConfigError(
            "--environment_type",
            None,
            "EXTERNAL, with the address of a worker pool as --environment_config, or DOCKER with an image that holds "
            "this package as --sdk_container_image",
            "without it workers start in Beam's own image, which doesn't",
        )


def _set_prism(options: PipelineOptions, given: set[str]) -> None:
    """Finds Prism's program, which Beam would otherwise download.

    Raises:
        ConfigError: there is none.
    """
    if "--prism_log_level" not in given:
        options.view_as(PrismRunnerOptions).prism_log_level = "error"
    if options.view_as(PortableOptions).job_endpoint:
        return
    prism = options.view_as(PrismRunnerOptions)
    path = prism.prism_location or shutil.which("prism")
    if path is None or not (os.path.isfile(path) and os.access(path, os.X_OK)):
        package = f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{apache_beam.__version__}"
        hint = f"build it with `go install {package}`, which puts it into ~/go/bin (or $GOBIN)"
        raise ConfigError("--prism_location", path, "the path of Prism's program, or prism on the PATH", hint)
    prism.prism_location = path


def runs_in_threads(options: PipelineOptions) -> bool:
    """Tells whether workers are threads of this process."""
    in_threads = not options.view_as(DebugOptions).lookup_experiment("use_loopback_process_worker", False)
    return in_threads and options.view_as(PortableOptions).environment_type == "LOOPBACK"


def make_runner(name: str) -> Any:
    """Returns the runner of a name."""
    if name == "PrismRunner":
        return PrismRunner()
    return create_runner(name)


def check_servers(name: str, options: PipelineOptions) -> None:
    """Checks that the servers that a portable runner needs on this machine, or is to be reached at, are there.

    Raises:
        ConfigError: one isn't.
    """
    portable = options.view_as(PortableOptions)
    endpoint = portable.job_endpoint
    if endpoint and endpoint != "embed":
        _check_answers("--job_endpoint", endpoint, "the address of a job server that answers, as localhost:8099")
        return
    if name == "PortableRunner" and not endpoint:
        raise ConfigError("--job_endpoint", None, "the address of a job server, as localhost:8099")
    if name in ("FlinkRunner", "SparkRunner"):
        if shutil.which("java") is None:
            raise ConfigError(
                "--runner", name, "Java on the PATH, for the job server", "or an address as --job_endpoint"
            )
        option = f"{name.removesuffix('Runner').lower()}_job_server_jar"
        jar = options.get_all_options()[option]
        if jar and "://" not in jar and not zipfile.is_zipfile(jar):
            hint = "this file is none" if os.path.isfile(jar) else "there is no such file"
            raise ConfigError(f"--{option}", jar, "the path of a job server's jar", hint)
    if name == "PrismRunner" and portable.environment_type == "EXTERNAL":
        # Prism, on this machine, is what asks the pool for workers, and waits for it without a word.
        start = "start one with `python -m apache_beam.runners.worker.worker_pool_main --service_port 50000`"
        pool = portable.environment_config or portable.lookup_environment_option("external_service_address")
        _check_answers(
            "--environment_config", pool, "the address of a worker pool that answers, as localhost:50000", start
        )


def _check_answers(option: str, address: str | None, expected: str, hint: str = "") -> None:
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(option, address, expected, hint)
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise ConfigError(option, address, expected, "; ".join(filter(None, (error.strerror, hint)))) from error
