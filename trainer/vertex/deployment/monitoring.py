"""Watching an endpoint: a monitoring job that compares what is asked today with what was asked before.

The service compares distributions of features. Of images there is one, `image_bytes`, and almost every value of it
is different; what the distance between two windows does show is one image that is asked about again and again, as
a camera that is stuck sends it: the distance is that image's share of all requests. What the model answers is in
the tables that the job writes, for queries of your own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.serving.signatures import INPUTS
from trainer.vertex.api import naming, requests
from trainer.vertex.api.calls import Call, Session

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud

FEATURE = INPUTS["from_bytes"]

# What an instance looks like is told by one; its pixels don't matter, so these are the first bytes of a JPEG.
_SAMPLE = base64.b64encode(b"\xff\xd8\xff\xe0").decode()
_HOUR_SECONDS = 3600
_DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Monitoring:
    """How an endpoint is watched.

    Attributes:
        sample_rate: Share of requests that are written down and looked at, above 0 and up to 1.
        threshold: Distance between two windows above which there is an alert, 0 to 1.
        interval_hours: How often, and over how long a window.
        emails: Who gets alerts; Cloud Logging always does.
        log_days: How long the tables keep requests.
        baseline: `gs://` JSON lines of instances to compare with as well (skew); "" for none.
    """

    sample_rate: float = 0.1
    threshold: float = 0.3
    interval_hours: int = 24
    emails: tuple[str, ...] = ()
    log_days: int = 30
    baseline: str = ""

    def to_objective(self) -> dict[str, Any]:
        """Returns the API's `ModelMonitoringObjectiveConfig`."""
        thresholds = {FEATURE: {"value": self.threshold}}
        objective: dict[str, Any] = {"predictionDriftDetectionConfig": {"driftThresholds": thresholds}}
        if self.baseline:
            objective["trainingDataset"] = {
                "gcsSource": {"uris": [self.baseline]},
                "dataFormat": "jsonl",
                "loggingSamplingStrategy": _sampling(self.sample_rate),
            }
            objective["trainingPredictionSkewDetectionConfig"] = {"skewThresholds": thresholds}
        return objective


def create_call(cloud: Cloud, name: str, endpoint: str, deployed_ids: Sequence[str], monitoring: Monitoring) -> Call:
    """Creates the monitoring job of an endpoint.

    Args:
        cloud: Project and region.
        name: The endpoint's display name.
        endpoint: Its resource name.
        deployed_ids: The deployed models to watch.
        monitoring: How.
    """
    body = {
        "parent": cloud.parent,
        "modelDeploymentMonitoringJob": make_job(name, endpoint, deployed_ids, monitoring),
    }
    return Call("createModelDeploymentMonitoringJob", body, f"switching on the monitoring of {name}")


def make_job(name: str, endpoint: str, deployed_ids: Sequence[str], monitoring: Monitoring) -> dict[str, Any]:
    """Returns the API's `ModelDeploymentMonitoringJob`."""
    alert: dict[str, Any] = {"enableLogging": True}
    if monitoring.emails:
        alert["emailAlertConfig"] = {"userEmails": list(monitoring.emails)}
    seconds = f"{monitoring.interval_hours * _HOUR_SECONDS}s"
    return {
        "displayName": name,
        "endpoint": endpoint,
        "modelDeploymentMonitoringObjectiveConfigs": [
            {"deployedModelId": deployed_id, "objectiveConfig": monitoring.to_objective()}
            for deployed_id in sorted(deployed_ids)
        ],
        "modelDeploymentMonitoringScheduleConfig": {"monitorInterval": seconds, "monitorWindow": seconds},
        "loggingSamplingStrategy": _sampling(monitoring.sample_rate),
        "modelMonitoringAlertConfig": alert,
        "samplePredictInstance": {FEATURE: {"b64": _SAMPLE}},
        "logTtl": f"{monitoring.log_days * _DAY_SECONDS}s",
        "labels": dict(naming.LABELS),
    }


def update_call(job: str, wanted: Mapping[str, Any], fields: Sequence[str]) -> Call:
    """Changes some fields of a monitoring job to what is wanted."""
    body = {
        "modelDeploymentMonitoringJob": {"name": job, **{field: wanted[field] for field in fields}},
        "updateMask": ",".join(fields),
    }
    return Call("updateModelDeploymentMonitoringJob", body, f"changing the monitoring job {naming.last(job)}")


def ensure(session: Session, endpoint: Any, monitoring: Monitoring) -> str:
    """Has an endpoint watched as wanted: makes its job, or changes what is different.

    Args:
        session: The connection.
        endpoint: As the API gives it, with all that is deployed.
        monitoring: How.

    Returns:
        What was done, in words.

    Raises:
        ConfigError, CloudError: it couldn't be.
    """
    ids = [deployed.id for deployed in endpoint.deployed_models]
    name = endpoint.display_name
    body = {"parent": session.cloud.parent, "filter": f'display_name="{name}"'}
    looking = Call("listModelDeploymentMonitoringJobs", body, f"looking for the monitoring job of {name}")
    job = next((item for item in session.fetch(looking) if item.endpoint == endpoint.name), None)
    if job is None:
        made = session.send(create_call(session.cloud, name, endpoint.name, ids, monitoring))
        return f"switched on ({naming.last(made.name)})"
    wanted = make_job(name, endpoint.name, ids, monitoring)
    fields = differences(job, wanted)
    if not fields:
        return f"as it was ({naming.last(job.name)})"
    session.send(update_call(job.name, wanted, fields))
    return f"brought up to date ({naming.last(job.name)})"


def differences(job: Any, wanted: Mapping[str, Any]) -> list[str]:
    """Returns the fields in which a monitoring job is not what is wanted, of those that can be changed."""
    parsed = requests.to_dict(requests.parse("ModelDeploymentMonitoringJob", wanted))
    known = requests.to_dict(job)
    fixed = ("displayName", "endpoint", "samplePredictInstance", "labels")
    return [field for field in wanted if field not in fixed and parsed.get(field) != known.get(field)]


def _sampling(rate: float) -> dict[str, Any]:
    return {"randomSampleConfig": {"sampleRate": rate}}
