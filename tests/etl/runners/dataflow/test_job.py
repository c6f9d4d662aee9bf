"""The job as Dataflow would get it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.finalise.facts import PlanFacts
from etl.records import Unit
from etl.runners.beam_options import make_options
from etl.runners.dataflow import job
from etl.runners.pipeline import build
from tests.photos import make_folder

ROOT = Path(__file__).parents[4]
OUTPUT = "gs://my-bucket/data/flowers"
IMAGE = "europe-docker.pkg.dev/p/r/worker:1"
CLOUD = ["--project", "my-project", "--region", "europe-west4", "--temp_location", "gs://my-bucket/tmp"]
CLOUD += ["--runner", "DataflowRunner", "--job_name", "flowers"]


def make_job(num_units: int, *more: str, units: list[Unit] | None = None) -> job.Job:
    config = EtlConfig("folder", OUTPUT)
    names = tuple(f"class_{index:05d}" for index in range(1_000))
    facts = PlanFacts(
        run_id="0123456789ab",
        job="f" * 64,
        started=1.0,
        runner="DataflowRunner",
        class_names=names,
        splits=("train", "validation", "test"),
        num_read=100_000,
        rejected={},
        rejected_path=f"{OUTPUT}/.building-0123456789ab/rejected.jsonl",
        duplicates={},
        num_shards=num_units,
        replaces="",
    )
    options = make_options([*CLOUD, "--sdk_container_image", IMAGE, *more], "DataflowRunner")
    job.set_dry(options)
    pipeline = beam.Pipeline(runner="DataflowRunner", options=options)
    build(pipeline, config, facts, units or [make_unit(index) for index in range(num_units)])
    return job.make_job(pipeline)


def make_unit(index: int) -> Unit:
    path = f"{OUTPUT}/.building-0123456789ab/plan/jpeg/train-{index:05d}-00000.jsonl"
    return Unit("jpeg", "train", index, 0, path, 100 + index % 37)


@pytest.fixture(scope="module")
def made() -> job.Job:
    return make_job(5)


def test_the_steps_come_in_order_each_once(made: job.Job) -> None:
    names = [step.name for step in made.steps]
    assert len(set(names)) == len(names)
    ours = list(dict.fromkeys(name.split("/")[0] for name in names))
    assert ours == ["Units", "Spread", "Work", "Parts", "Assemble", "ToOne", "Gather", "Finalise"]
    kinds = {step.name: step.kind for step in made.steps}
    assert [kinds[name] for name in ("Work", "Parts", "Assemble", "Gather", "Finalise")] == [
        "pardo",
        "group_by_key",
        "pardo",
        "group_by_key",
        "pardo",
    ]


def test_what_is_grouped_is_keyed_and_every_function_can_be_unpickled(made: job.Job) -> None:
    graph = beam_runner_api_pb2.Pipeline.FromString(made.graph)
    assert {step.coder.partition("<")[0] for step in made.steps if step.kind == "group_by_key"} == {"kv"}
    functions = []
    for transform in graph.components.transforms.values():
        if transform.spec.urn == "beam:transform:pardo:v1":
            payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
            functions.append(type(pickler.loads(payload.do_fn.payload)[0]).__name__)
    assert {"WriteUnit", "Assemble", "Finalise"} <= set(functions)


def test_the_graph_stays_small_with_a_hundred_thousand_inputs(made: job.Job) -> None:
    # As many units as there are images, which no real data set has.
    large = make_job(100_000)
    assert len(large.graph) < job.MAX_GRAPH_BYTES / 5
    # The request holds none of them: the graph lies beside it.
    assert len(json.dumps(large.message)) < 20_000
    assert not large.message.get("steps")
    assert abs(len(json.dumps(large.message)) - len(json.dumps(made.message))) < 100


def test_no_image_is_in_any_step(tmp_path: Path) -> None:
    from etl.plan.plan import Plan
    from etl.sources.options import SourceOptions

    folder = make_folder(tmp_path / "photos", 12)
    with Plan(EtlConfig("folder", OUTPUT, options=SourceOptions(input=str(folder)))) as plan:
        plan.fill()
        units = [unit for unit, _ in plan.units(f"{OUTPUT}/plan")]
    found = make_job(len(units), units=units)
    graph = beam_runner_api_pb2.Pipeline.FromString(found.graph)
    payloads = [transform.spec.payload for transform in graph.components.transforms.values()]
    starts = [path.read_bytes()[:64] for path in folder.rglob("*.jpg")]
    assert len(starts) == 12
    for payload in payloads:
        # Unpickled too, since Beam compresses what it pickles.
        texts = [payload]
        if payload.startswith(b"\n"):
            do_fn = beam_runner_api_pb2.ParDoPayload.FromString(payload).do_fn
            texts.append(repr(vars(pickler.loads(do_fn.payload)[0])).encode() if do_fn.payload else b"")
        assert not any(start in text for start in starts for text in texts)
        assert len(payload) < 5_000


def test_the_message_says_where_the_job_would_run() -> None:
    more = ["--worker_machine_type", "n2-standard-8", "--num_workers", "2", "--max_num_workers", "20"]
    more += ["--disk_size_gb", "60", "--service_account_email", "w@p.iam.gserviceaccount.com", "--no_use_public_ips"]
    more += ["--subnetwork", "regions/europe-west4/subnetworks/s", "--worker_zone", "europe-west4-b"]
    more += ["--flexrs_goal", "COST_OPTIMIZED", "--dataflow_service_options", "enable_prime"]
    facts = job.describe(make_job(1, *more))
    assert facts["image"] == IMAGE
    assert facts["machine type"] == "n2-standard-8"
    assert facts["workers"] == "2 at first, 20 at most"
    assert facts["disk"] == "60 GB"
    assert facts["service account"] == "w@p.iam.gserviceaccount.com"
    assert (facts["network"], facts["addresses"]) == ("regions/europe-west4/subnetworks/s", "none but private")
    assert facts["zone"] == "europe-west4-b"
    assert facts["service options"] == "enable_prime"
    assert facts["flexible scheduling"] == "FLEXRS_COST_OPTIMIZED"
    assert facts["staging"].startswith("gs://my-bucket/tmp/flowers.")
    assert facts["staged files"].startswith("pipeline.pb (")


def test_an_image_that_would_have_to_be_built_is_refused_in_a_dry_run() -> None:
    options = PipelineOptions(["--prebuild_sdk_container_engine", "cloud_build"])
    with pytest.raises(ConfigError, match="--prebuild_sdk_container_engine: .*no image to build in a dry run"):
        job.set_dry(options)


# No network, no account; and TensorFlow, which takes 10 s, is not needed to send a job.
ALONE = """
import socket, sys
def refuse(*_): raise AssertionError("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from etl import run
from etl.errors import run_main
code = run_main(run.main, sys.argv[1:])
print("loaded:", {"tensorflow", "keras"} & set(sys.modules))
sys.exit(code)
"""


def run_alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ALONE, "--runner", "DataflowRunner", "--output", OUTPUT, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_dry_run_shows_plan_and_job_without_network_or_tensorflow(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    more = [*CLOUD[:6], "--source", "synthetic", "--num_images", "20", "--dry_run", "--dataflow_job_file", str(path)]
    done = run_alone(*more)
    assert done.returncode == 0, done.stderr
    assert "Would read 20 inputs" in done.stdout
    assert "Finalise" in done.stdout
    assert "workflow.tar.gz" in done.stdout
    assert "tensorflow==" in done.stdout
    assert done.stdout.endswith("loaded: set()\n")
    assert "Building" not in done.stderr
    message = json.loads(path.read_text())
    assert message["name"].startswith("petalstream-synthetic-")
    packages = message["environment"]["workerPools"][0]["packages"]
    assert [package["name"] for package in packages] == ["workflow.tar.gz"]


def test_a_dry_run_shows_photographs_of_this_machine_and_says_that_workers_could_not_read_them(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 6)
    image = ["--sdk_container_image", IMAGE]
    done = run_alone(*CLOUD[:6], *image, "--source", "folder", "--input", str(folder), "--dry_run")
    assert "Would read 6 inputs" in done.stdout
    assert "Finalise" in done.stdout
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: --input: got '{folder}', expected a path on Cloud Storage")


def test_what_is_missing_shows_before_anything_is_listed(tmp_path: Path) -> None:
    done = run_alone("--source", "folder", "--input", str(tmp_path / "no such folder"))
    assert done.returncode == 2
    loading, line = done.stderr.splitlines()
    assert loading == "loading Apache Beam"
    assert line.startswith("error: --project, --region, --temp_location: got None, expected values")
