"""Plain dicts into the SDK's types: what passes, and what is said of what doesn't."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from etl.errors import ConfigError
from trainer.vertex.api import requests

pytest.importorskip("google.cloud.aiplatform_v1")

POOL = {
    "machineSpec": {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2},
    "replicaCount": "1",
    "containerSpec": {"imageUri": "image", "args": ["--a=1"], "env": [{"name": "A", "value": "b"}]},
}
JOB = {
    "displayName": "petals",
    "jobSpec": {"workerPoolSpecs": [POOL], "scheduling": {"timeout": "3600s", "strategy": "SPOT"}},
    "labels": {"managed_by": "petalstream"},
}


def test_a_message_holds_what_was_given() -> None:
    message = requests.parse("CustomJob", JOB)
    assert type(message).__name__ == "CustomJob"
    assert message.job_spec.scheduling.timeout.total_seconds() == 3600
    assert message.job_spec.scheduling.strategy.name == "SPOT"
    assert requests.to_dict(message)["labels"] == JOB["labels"]
    assert requests.parse("CustomJob", requests.to_dict(message)) == message


def test_yaml_is_the_same_message() -> None:
    text = requests.to_yaml(JOB)
    message = requests.parse("CustomJob", yaml.safe_load(text))
    assert message == requests.parse("CustomJob", JOB)
    assert requests.parse("CustomJob", yaml.safe_load(requests.to_yaml(message))) == message


def test_types_of_v1beta1() -> None:
    message = requests.parse("v1beta1.StudySpec", {"transferLearningConfig": {"disableTransferLearning": True}})
    assert message.transfer_learning_config.disable_transfer_learning
    with pytest.raises(ConfigError, match="StudySpec.transferLearningConfig"):
        requests.parse("StudySpec", {"transferLearningConfig": {}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"displayname": "x"}, r"CustomJob\.displayname: .* did you mean displayName\?"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicas": 1}]}}, r"CustomJob\.jobSpec\.workerPoolSpecs\[0\]\.replicas"),
        (
            {"jobSpec": {"workerPoolSpecs": [{"replica_count": 1}]}},
            r"workerPoolSpecs\[0\].*API's spelling, replicaCount",
        ),
        ({"jobSpec": {"scheduling": {"timeout": "12h"}}}, r"jobSpec\.scheduling\.timeout: got .*Duration"),
        ({"jobSpec": {"scheduling": {"strategy": "CHEAP"}}}, r"scheduling\.strategy: got .*CHEAP"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicaCount": "many"}]}}, "replicaCount: got .*many"),
        ({"displayName": 7}, "CustomJob.displayName: got"),
        ({"displayName": None}, r"CustomJob\.displayName: got None"),
        ({"jobSpec": [1]}, r"CustomJob\.jobSpec: got \[1\], expected fields, as persistentResourceId"),
        ({"jobSpec": []}, r"CustomJob\.jobSpec: got \[\], expected fields"),
        ({"jobSpec": "cpu"}, r"CustomJob\.jobSpec: got 'cpu', expected fields"),
        ({"jobSpec": {"workerPoolSpecs": {}}}, r"workerPoolSpecs: got \{\}, expected a list"),
        ({"jobSpec": {"workerPoolSpecs": [None]}}, r"workerPoolSpecs\[0\]: got None"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        requests.parse("CustomJob", body)
    assert "\n" not in str(caught.value)
    assert "protobuf" not in str(caught.value).lower()


def test_keys_of_the_operator_s_own_may_have_underscores() -> None:
    requests.parse("CustomJob", {"displayName": "x", "labels": {"cost_centre": "7"}})
    instances = [{"image_bytes": {"b64": "eA=="}}]
    assert requests.to_dict(requests.parse("PredictRequest", {"instances": instances})) == {"instances": instances}
