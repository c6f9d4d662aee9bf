"""Worker pools: the configurations that come with the package, and how their blanks are filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from etl.errors import ConfigError
from tests.damage import damaged_json, fuzzed
from trainer.options import parse
from trainer.vertex.api import requests
from trainer.vertex.training import specs

pytest.importorskip("google.cloud.aiplatform_v1")

FILES = ["--data_dir=gs://b/data", "--output_dir=gs://b/out"]


def fill(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "image": None,
        "default_image": "our/{}".format,
        "package_uri": "gs://b/p.tar.gz",
        "args": ["--a"],
    }
    return specs.fill(spec, **(given | changes))


def write(folder: Path, text: str) -> str:
    path = folder / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", specs.CONFIGS)
def test_our_configurations_parse_and_their_flags_too(name: str) -> None:
    spec = specs.load(name)
    assert specs.needs_package(spec, container=False)
    made = fill(spec, args=FILES)
    requests.parse("CustomJobSpec", made)
    for args in specs.args_of(made):
        assert parse(args).config.data_dir == "gs://b/data"
    assert len(specs.args_of(made)) == len(made["workerPoolSpecs"])


def test_our_configurations_are_what_their_names_say() -> None:
    machines = {name: [pool["machineSpec"] for pool in specs.load(name)["workerPoolSpecs"]] for name in specs.CONFIGS}
    strategies = {name: specs.args_of(specs.load(name))[0][0] for name in specs.CONFIGS}
    assert strategies == {
        "cpu": "--distribute=cpu",
        "gpus": "--distribute=gpus_one_machine",
        "machines": "--distribute=gpus_multiple_machines",
        "tpu": "--distribute=tpu",
    }
    assert "acceleratorType" not in machines["cpu"][0]
    assert machines["gpus"][0]["acceleratorCount"] > 1
    assert machines["tpu"][0]["tpuTopology"]
    chief, workers = specs.load("machines")["workerPoolSpecs"]
    assert chief["replicaCount"] == 1
    assert workers["replicaCount"] > 1
    assert chief["machineSpec"] == workers["machineSpec"]


def test_each_machine_gets_an_image_that_can_use_it() -> None:
    kinds = {name: [specs.image_kind(pool) for pool in specs.load(name)["workerPoolSpecs"]] for name in specs.CONFIGS}
    assert kinds == {
        "cpu": ["training"],
        "gpus": ["training-gpu"],
        "machines": ["training-gpu", "training-gpu"],
        "tpu": ["training-tpu"],
    }
    older = {"machineType": "cloud-tpu", "acceleratorType": "TPU_V3", "acceleratorCount": 8}
    assert specs.image_kind({"machineSpec": older}) == "training-tpu"


def test_a_package_spec_is_filled() -> None:
    spec = {"workerPoolSpecs": [{"pythonPackageSpec": {"executorImageUri": "IMAGE_URI", "args": ["--x"]}}, {}]}
    filled, empty = fill(spec)["workerPoolSpecs"]
    assert empty == {}
    assert filled == {
        "pythonPackageSpec": {
            "executorImageUri": "our/training",
            "packageUris": ["gs://b/p.tar.gz"],
            "pythonModule": "trainer.task",
            "args": ["--x", "--a"],
        }
    }
    assert spec["workerPoolSpecs"][0] == {"pythonPackageSpec": {"executorImageUri": "IMAGE_URI", "args": ["--x"]}}


def test_what_the_file_says_is_kept_unless_the_command_line_says_otherwise() -> None:
    package = {"executorImageUri": "mine", "packageUris": ["gs://b/own.tar.gz"], "pythonModule": "my.task"}
    spec = {"workerPoolSpecs": [{"pythonPackageSpec": package}]}
    assert not specs.needs_package(spec, container=False)
    kept = fill(spec, package_uri=None)["workerPoolSpecs"][0]["pythonPackageSpec"]
    assert kept == {**package, "args": ["--a"]}
    other = fill(spec, image="other")["workerPoolSpecs"][0]["pythonPackageSpec"]
    assert (other["executorImageUri"], other["packageUris"]) == ("other", ["gs://b/p.tar.gz"])
    # Flags of another module are not ours to check.
    assert specs.args_of(fill(spec)) == []


def test_a_container_spec_is_filled() -> None:
    spec = {"workerPoolSpecs": [{"containerSpec": {"command": ["run"], "env": [{"name": "A", "value": "b"}]}}]}
    assert not specs.needs_package(spec, container=False)
    assert fill(spec, image="mine")["workerPoolSpecs"][0] == {
        "containerSpec": {
            "imageUri": "mine",
            "command": ["run"],
            "args": ["--a"],
            "env": [{"name": "A", "value": "b"}],
        }
    }


def test_a_package_spec_becomes_a_container_spec() -> None:
    spec = specs.load("machines")
    assert not specs.needs_package(spec, container=True)
    made = fill(spec, package_uri=None, container=True)
    for pool in made["workerPoolSpecs"]:
        args = ["--distribute=gpus_multiple_machines", "--a"]
        assert pool["containerSpec"] == {"imageUri": "our/training-gpu", "args": args}
        assert "pythonPackageSpec" not in pool
    requests.parse("CustomJobSpec", made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workerPoolSpecs:\n- containerSpec: {imageUri: a}\n  pythonPackageSpec: {}", "oneof|either"),
        ("workerPoolSpecs:\n- replicaCount: 1", r"workerPoolSpecs\[0\]: got \['replicaCount'\], expected either"),
        ("workerPoolSpecs: []", "one worker pool at least"),
        ("scheduling: {}", "one worker pool at least"),
        ("workerPools: []", r"CustomJobSpec\.workerPools: .*did you mean workerPoolSpecs"),
        ("- 1", "a YAML file with fields"),
        ("a: [", "a YAML file"),
    ],
)
def test_a_wrong_file_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=expected):
        specs.load(write(tmp_path, text))


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="--config: got 'gpu', expected one of cpu, gpus, machines, tpu, or a YAML"):
        specs.load("gpu")


@fuzzed
@given(damaged_json(yaml.safe_load((specs.CONFIGS_DIR / "gpus.yaml").read_text())))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "job.yaml").write_bytes(damaged)
    said = "read"
    try:
        specs.load(str(tmp_path / "job.yaml"))
    except ConfigError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    assert len(said) < 2_500
