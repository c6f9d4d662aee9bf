"""AutoML's image classification: a training pipeline on a managed data set, in place of a model of ours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etl.cli import Parser, number
from etl.errors import ConfigError
from trainer.vertex.api import naming

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud

DEFINITION = "gs://google-cloud-aiplatform/schema/trainingjob/definition/automl_image_classification_1.0.0.yaml"

# Model type to the node hours that the service takes, from and to.
BUDGETS: Mapping[str, tuple[int, int]] = {
    "CLOUD": (8, 800),
    "MOBILE_TF_LOW_LATENCY_1": (1, 100),
    "MOBILE_TF_VERSATILE_1": (1, 100),
    "MOBILE_TF_HIGH_ACCURACY_1": (1, 100),
}
_MILLI = 1000


def add_arguments(parser: Parser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("AutoML")
    group.add_argument("--automl", action="store_true", help="train AutoML's model in place of ours; needs --dataset")
    group.add_argument("--dataset", metavar="ID", help="managed image data set; python -m trainer.vertex dataset")
    group.add_argument("--automl_model", choices=BUDGETS, default="CLOUD", help="kind of model")
    group.add_argument(
        "--budget_hours",
        type=number("--budget_hours", int, minimum=1, maximum=800, what="whole node hours"),
        default=8,
        metavar="N",
        help="node hours at most; each is paid for",
    )


def make_pipeline(arguments: argparse.Namespace, cloud: Cloud, display_name: str, model_name: str) -> dict[str, Any]:
    """Returns the API's `TrainingPipeline`.

    Args:
        arguments: Those of `add_arguments`.
        cloud: Where.
        display_name: Of the pipeline.
        model_name: Display name of the model that it registers.

    Raises:
        ConfigError: there is no data set, or the budget isn't one that the kind of model takes.
    """
    if not arguments.dataset:
        hint = "python -m trainer.vertex dataset makes one"
        raise ConfigError("--dataset", None, "a managed image data set, beside --automl", hint)
    least, most = BUDGETS[arguments.automl_model]
    if not least <= arguments.budget_hours <= most:
        expected = f"{least} to {most} node hours for {arguments.automl_model}"
        raise ConfigError("--budget_hours", arguments.budget_hours, expected)
    return {
        "displayName": display_name,
        "inputDataConfig": {
            "datasetId": naming.last(cloud.name("datasets", arguments.dataset)),
            "fractionSplit": {"trainingFraction": 0.8, "validationFraction": 0.1, "testFraction": 0.1},
        },
        "trainingTaskDefinition": DEFINITION,
        "trainingTaskInputs": {
            "modelType": arguments.automl_model,
            "budgetMilliNodeHours": str(arguments.budget_hours * _MILLI),
            "disableEarlyStopping": False,
            "multiLabel": False,
        },
        "modelToUpload": {"displayName": model_name, "labels": dict(naming.LABELS)},
        "labels": dict(naming.LABELS),
    }
