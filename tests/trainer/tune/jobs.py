"""Tuning jobs for the tests, as their YAML files hold them."""

from __future__ import annotations

from typing import Any

L2 = {"parameterId": "l2", "scaleType": "UNIT_LOG_SCALE", "doubleValueSpec": {"minValue": 1e-6, "maxValue": 1e-1}}
HIDDEN = {"parameterId": "num_hidden", "integerValueSpec": {"minValue": 1, "maxValue": 64}}
BATCH = {"parameterId": "batch_size", "discreteValueSpec": {"values": [16, 32, 64]}}
DISTORT = {"parameterId": "with_color_distort", "categoricalValueSpec": {"values": ["0", "1"]}}


def make_job(*parameters: dict[str, Any], study: dict[str, Any] | None = None, **job: Any) -> dict[str, Any]:
    """Makes the content of a file; fields of `study` go into the `studySpec`."""
    spec = {
        "metrics": [{"metricId": "accuracy", "goal": "MAXIMIZE"}],
        "parameters": list(parameters) or [L2, HIDDEN],
        **(study or {}),
    }
    pools = [{"replicaCount": 1, "pythonPackageSpec": {"pythonModule": "trainer.task", "args": ["--model=mobilenet"]}}]
    made = {"displayName": "a study", "maxTrialCount": 6, "parallelTrialCount": 2, "studySpec": spec}
    return {**made, "trialJobSpec": {"workerPoolSpecs": pools}, **job}
