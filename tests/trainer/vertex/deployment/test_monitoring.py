"""Monitoring: what a job watches, and that it is brought along with what is deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.fakes.vertex.server import VertexServer
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel
from tests.trainer.vertex.deployment.test_command import writes
from trainer.vertex.api import requests
from trainer.vertex.deployment import monitoring
from trainer.vertex.deployment.monitoring import Monitoring

Endpoint = Callable[[], Mapping[str, Any]]


def test_what_a_job_says() -> None:
    wanted = Monitoring(0.25, 0.4, 6, ("a@b.c", "d@e.f"), 7, "gs://petals/baseline.jsonl")
    job = requests.parse("ModelDeploymentMonitoringJob", monitoring.make_job("flowers", "E", ["2", "1"], wanted))
    assert [config.deployed_model_id for config in job.model_deployment_monitoring_objective_configs] == ["1", "2"]
    objective = job.model_deployment_monitoring_objective_configs[0].objective_config
    drift = objective.prediction_drift_detection_config.drift_thresholds
    assert {name: threshold.value for name, threshold in drift.items()} == {"image_bytes": 0.4}
    assert list(objective.training_dataset.gcs_source.uris) == ["gs://petals/baseline.jsonl"]
    assert "image_bytes" in objective.training_prediction_skew_detection_config.skew_thresholds
    schedule = job.model_deployment_monitoring_schedule_config
    assert schedule.monitor_interval.total_seconds() == schedule.monitor_window.total_seconds() == 6 * 3600
    assert job.logging_sampling_strategy.random_sample_config.sample_rate == 0.25
    assert list(job.model_monitoring_alert_config.email_alert_config.user_emails) == ["a@b.c", "d@e.f"]
    assert job.log_ttl.total_seconds() == 7 * 86400


def test_without_a_baseline_there_is_no_skew() -> None:
    assert set(Monitoring().to_objective()) == {"predictionDriftDetectionConfig"}


def test_the_job_follows_what_is_deployed(
    vertex: VertexServer,
    deploy: Run,
    put_model: PutModel,
    endpoint: Endpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [put_model(1), put_model(2)]
    assert deploy(runs[0]) == 0
    vertex.calls.clear()
    assert deploy(runs[0], "--monitoring") == 0
    assert writes(vertex) == ["POST modelDeploymentMonitoringJobs"]
    job = vertex.store.get(endpoint()["modelDeploymentMonitoringJob"])

    def watched() -> set[str]:
        return {config["deployedModelId"] for config in job["modelDeploymentMonitoringObjectiveConfigs"]}

    def deployed() -> set[str]:
        return {model["id"] for model in endpoint()["deployedModels"]}

    assert watched() == deployed()
    assert deploy(runs[1], "--monitoring", "--traffic", 10) == 0
    assert len(watched()) == 2
    assert watched() == deployed()
    assert deploy(runs[1], "--monitoring") == 0
    assert len(watched()) == 1
    assert watched() == deployed()
    vertex.calls.clear()
    assert deploy(runs[1], "--monitoring", "--sample_rate", 0.5, "--alert_email", "a@b.c") == 0
    assert writes(vertex) == ["PATCH modelDeploymentMonitoringJobs/*"]
    (call,) = [call for call in vertex.calls if call.method == "PATCH"]
    assert set(call.query["updateMask"].split(",")) == {"loggingSamplingStrategy", "modelMonitoringAlertConfig"}
    vertex.calls.clear()
    assert deploy(runs[1], "--monitoring", "--sample_rate", 0.5, "--alert_email", "a@b.c") == 0
    assert writes(vertex) == []


def test_the_request_log_is_the_endpoints_own(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint
) -> None:
    run = put_model(1)
    assert deploy(run) == 0
    vertex.calls.clear()
    flags = ("--request_log", "bq://petals-123.logs.requests", "--sample_rate", "0.5")
    assert deploy(run, *flags) == 0
    assert writes(vertex) == ["PATCH endpoints/*"]
    assert endpoint()["predictRequestResponseLoggingConfig"] == {
        "enabled": True,
        "samplingRate": 0.5,
        "bigqueryDestination": {"outputUri": "bq://petals-123.logs.requests"},
    }
    vertex.calls.clear()
    assert deploy(run, *flags) == 0
    assert writes(vertex) == []
