"""A service's environment variables."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import TypeGuard

import pytest
from hypothesis import given

from etl.errors import ConfigError
from tests.damage import damaged_json, fuzzed
from trainer import environment, options

VERTEX = {
    "AIP_MODEL_DIR": "gs://bucket/run/model/",
    "AIP_CHECKPOINT_DIR": "gs://bucket/run/checkpoints/",
    "AIP_TENSORBOARD_LOG_DIR": "gs://bucket/run/logs/",
    "AIP_TRAINING_DATA_URI": "gs://bucket/data",
}
ADDRESSES = {"workerpool0": ["one:2222"], "workerpool1": ["two:2222", "three:2222"]}


def cluster_spec(pool: str, index: int) -> dict[str, str]:
    content = {"cluster": ADDRESSES, "environment": "cloud", "task": {"type": pool, "index": index, "trial": ""}}
    return {"CLUSTER_SPEC": json.dumps(content)}


def test_nothing_said_is_nothing_read() -> None:
    told = environment.read({})
    assert told.to_flags() == {}
    assert (told.metric_file, told.trial, dict(told.managed)) == (None, "0", {})
    # The service sets what it has no value for to nothing.
    assert environment.read(dict.fromkeys([*VERTEX, "CLOUD_ML_TRIAL_ID", "AIP_DATA_FORMAT"], "")) == told


def test_a_job_needs_no_flag_for_what_the_service_says() -> None:
    config = options.parse([], VERTEX).config
    assert (config.data_dir, config.output_dir) == ("gs://bucket/data", "gs://bucket/run")
    assert config.tensorboard
    folders = config.folders
    assert (folders.model_dir, folders.checkpoint_dir, folders.log_dir) == (
        "gs://bucket/run/model",
        "gs://bucket/run/checkpoints",
        "gs://bucket/run/logs",
    )


def test_flags_win() -> None:
    argv = ["--data_dir", "d", "--output_dir", "o", "--model_dir", "m", "--checkpoint_dir", "c", "--log_dir", "l"]
    config = options.parse(argv, VERTEX).config
    folders = config.folders
    assert (config.data_dir, folders.output_dir) == ("d", "o")
    assert (folders.model_dir, folders.checkpoint_dir, folders.log_dir) == ("m", "c", "l")


@pytest.mark.parametrize(("missing", "flag"), [("AIP_TRAINING_DATA_URI", "data_dir"), ("AIP_MODEL_DIR", "output_dir")])
def test_what_nobody_says_is_asked_for(missing: str, flag: str) -> None:
    environ = {name: value for name, value in VERTEX.items() if name != missing}
    with pytest.raises(ConfigError, match=rf"--{flag}: got None, expected a value; \${missing} may say it too"):
        options.parse([], environ)


def test_a_managed_data_set_has_splits() -> None:
    environ = {
        "AIP_DATA_FORMAT": "jsonl",
        "AIP_TRAINING_DATA_URI": "gs://b/training-*",
        "AIP_VALIDATION_DATA_URI": "gs://b/validation-*",
        "AIP_TEST_DATA_URI": "",
    }
    told = environment.read(environ)
    assert told.managed == {"train": "gs://b/training-*", "validation": "gs://b/validation-*"}
    assert told.to_flags() == {"data_dir": "train=gs://b/training-*,validation=gs://b/validation-*"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"AIP_DATA_FORMAT": "bigquery"}, "AIP_DATA_FORMAT: got 'bigquery', expected jsonl"),
        ({"AIP_DATA_FORMAT": "jsonl"}, "AIP_TRAINING_DATA_URI: got None, expected the training split"),
    ],
)
def test_half_a_data_set_is_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        environment.read(environ)


@pytest.mark.parametrize(
    ("pool", "index", "number"), [("workerpool0", 0, 0), ("workerpool1", 0, 1), ("workerpool1", 1, 2)]
)
def test_worker_pools_are_a_cluster(pool: str, index: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = cluster_spec(pool, index)
    assert environment.read_cluster(environ) == (number, 3)
    monkeypatch.setenv("CLUSTER_SPEC", environ["CLUSTER_SPEC"])
    monkeypatch.setenv("TF_CONFIG", "")
    environment.configure_tensorflow()
    # The variable that TensorFlow reads says the same.
    assert environment.read_cluster({"TF_CONFIG": os.environ["TF_CONFIG"]}) == (number, 3)


def test_tensorflows_own_variable_wins() -> None:
    own = {"TF_CONFIG": json.dumps({"cluster": {"chief": ["one:1"]}, "task": {"type": "chief", "index": 0}})}
    assert environment.read_cluster({**cluster_spec("workerpool1", 1), **own}) == (0, 1)


def test_one_machine_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"cluster": {"workerpool0": ["one:2222"]}, "task": {"type": "workerpool0", "index": 0}}
    monkeypatch.setenv("CLUSTER_SPEC", json.dumps(content))
    monkeypatch.setenv("TF_CONFIG", "")
    environment.configure_tensorflow()
    assert os.environ["TF_CONFIG"] == ""


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", '{"cluster": {"workerpool9": ["a:1"]}}', '{"task": 3}', "[" * 100_000, "9" * 5_000, "null", "[]"),
        *('{"cluster": {"workerpool0": "one:2222"}}', '{"cluster": {"workerpool0": [1, 2]}}', '{"cluster": []}'),
        *('{"task": {"index": 0.5}}', '{"task": {"index": 1e999}}', '{"task": {"index": [0]}}'),
        '{"cluster": {"workerpool0": ["a:1"]}, "cluster": {"workerpool0": ["a:1", "b:1"]}}',
    ],
    ids=lambda text: text[:60],
)
def test_a_cluster_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="CLUSTER_SPEC: got .*expected a cluster and a task"):
        environment.read_cluster({"CLUSTER_SPEC": text})


def test_a_serving_container_is_told_where_to_listen() -> None:
    assert environment.read_serving({}) == environment.ServingEnvironment(
        None, 8080, "/v1/models/petalstream:predict", "/v1/models/petalstream"
    )
    told = {"AIP_STORAGE_URI": "gs://b/m", "AIP_HTTP_PORT": "80", "AIP_PREDICT_ROUTE": "/p", "AIP_HEALTH_ROUTE": "/h"}
    assert environment.read_serving(told) == environment.ServingEnvironment("gs://b/m", 80, "/p", "/h")
    with pytest.raises(ConfigError, match="AIP_HTTP_PORT: got 'http', expected a port, from 1 to 65535"):
        environment.read_serving({"AIP_HTTP_PORT": "http"})


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5_000, "²", "٣", "-1", "8080\n"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match="AIP_HTTP_PORT: got .*, expected a port, from 1 to 65535"):
        environment.read_serving({"AIP_HTTP_PORT": port})


@pytest.mark.parametrize("route", ["predict", "/{x", "/{x:int}", "/a b", "/a?b", "http://host/predict"])
def test_what_is_no_route_is_refused(route: str) -> None:
    with pytest.raises(ConfigError, match="AIP_PREDICT_ROUTE: got .*, expected the path of a URL, as /v1/models/"):
        environment.read_serving({"AIP_PREDICT_ROUTE": route})


ROOT = Path(__file__).parents[2]
FAMILIES = re.compile("TF_CONFIG|CLUSTER_SPEC|AIP_[A-Z_]+|CLOUD_ML_[A-Z_]+")
OWNER = Path("trainer", "environment.py")


def find_readers(root: Path) -> list[str]:
    """Returns where else than in their own module the packages read these variables, or name them for themselves."""
    found = []
    for path in sorted(path for package in ("etl", "trainer") for path in (root / package).rglob("*.py")):
        if path.relative_to(root) == OWNER:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "trainer.environment"
            for alias in node.names
        }
        for node in ast.walk(tree):
            is_name = isinstance(node, ast.Constant) and FAMILIES.fullmatch(str(node.value))
            if is_name or (reads_a_variable(node) and any(stands_for_one(part, imported) for part in ast.walk(node))):
                found.append(f"{path.relative_to(root)}, line {node.lineno}")
    return found


def reads_a_variable(node: ast.AST) -> TypeGuard[ast.expr]:
    """Returns whether it is `environ[...]`, `... in environ`, or a call of `getenv` or of a method of `environ`."""
    if isinstance(node, ast.Subscript):
        asked = [node.value]
    elif isinstance(node, ast.Compare):
        asked = node.comparators
    elif isinstance(node, ast.Call):
        asked = [node.func, getattr(node.func, "value", node.func)]
    else:
        return False
    return any(getattr(part, "attr", getattr(part, "id", "")) in ("environ", "getenv") for part in asked)


def stands_for_one(node: ast.AST, imported: set[str]) -> bool:
    """Returns whether it is the name of a variable, as the module that owns it gives it."""
    if isinstance(node, ast.Name):
        return node.id in imported
    return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "environment"


def test_no_other_module_reads_these_variables() -> None:
    named = [value for name, value in vars(environment).items() if name.isupper() and FAMILIES.fullmatch(str(value))]
    assert len(named) == 16
    assert find_readers(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        'NAME = "AIP_MODEL_DIR"',
        'os.environ.get("CLOUD_ML_PROJECT_ID")',
        'is_cluster = "TF_CONFIG" in os.environ',
        "os.environ[environment.CLUSTER_SPEC]",
        "os.environ.get(environment.TRIAL)",
        "os.getenv(environment.TRIAL)",
        "is_trial = environment.TRIAL in environ",
        "from trainer.environment import TRIAL as number\nos.environ.pop(number)",
    ],
)
@pytest.mark.parametrize("package", ["etl", "trainer"])
def test_a_module_that_reads_one_is_found(tmp_path: Path, package: str, line: str) -> None:
    module = tmp_path / package / "planted.py"
    module.parent.mkdir()
    module.write_text(f"# TF_CONFIG and os.environ, in words alone\nprint('as AIP_MODEL_DIR says')\n{line}\n")
    lines = len(line.splitlines())
    assert set(find_readers(tmp_path)) == {f"{package}/planted.py, line {2 + lines}"}


CLUSTER = {"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 1}}


@fuzzed
@given(damaged_json(CLUSTER))
def test_whatever_a_variable_holds_it_is_read_or_refused_in_one_line(damaged: bytes) -> None:
    said = "TF_CONFIG: read"
    try:
        number, count = environment.read_cluster({"TF_CONFIG": damaged.decode("utf-8", "surrogateescape")})
        assert 0 <= number < count <= 4
    except ConfigError as error:
        said = str(error)
    assert said.startswith("TF_CONFIG: ")
    assert len(said.splitlines()) == 1
    assert len(said) < 2_000
