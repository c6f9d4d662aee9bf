"""The devices of a run, from flags and TF_CONFIG."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.errors import ConfigError
from trainer.environment import read_cluster
from trainer.training.strategy import make_distribution

WORKERS = ["one:1", "two:1"]


def config(kind: str, index: int, **cluster: list[str]) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 1)),
        ("{}", (0, 1)),
        (config("worker", 1, worker=WORKERS), (1, 2)),
        (config("chief", 0, chief=["zero:1"], worker=WORKERS), (0, 3)),
        (config("worker", 0, chief=["zero:1"], worker=WORKERS), (1, 3)),
        (config("worker", 0, worker=["one:1"]), (0, 1)),
        (config("chief", 0, chief=["zero:1"]), (0, 1)),
    ],
)
def test_a_cluster_says_who_this_is(text: str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    assert read_cluster() == expected


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[1]",
        config("worker", 2, worker=WORKERS),
        config("ps", 0, worker=WORKERS),
        json.dumps({"cluster": {"worker": WORKERS}, "task": {"type": "worker", "index": "x"}}),
    ],
)
def test_a_cluster_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match="TF_CONFIG: got .*expected a cluster and a task"):
        read_cluster()


@pytest.mark.parametrize("choice", ["auto", "cpu"])
def test_without_accelerators_it_is_the_processor(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)
    made = make_distribution(choice)
    assert (made.name, made.num_replicas, made.is_chief) == ("cpu", 1, True)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("gpus_one_machine", "--distribute: got 'gpus_one_machine', expected a machine with a GPU"),
        ("gpus_multiple_machines", "--distribute: got 'gpus_multiple_machines', expected several workers in TF_CONFIG"),
        ("tpu", "--distribute: got 'tpu', expected a TPU that this machine can reach"),
    ],
)
def test_what_is_not_there_is_named(choice: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    environment: dict[str, Any] = {"TPU_NAME": "local"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        make_distribution(choice)
