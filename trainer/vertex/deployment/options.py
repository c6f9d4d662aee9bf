"""The options of a deployment, for the commands that make one: a command line becomes a `DesiredDeployment`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from etl.cli import Parser, number
from etl.errors import ConfigError
from trainer.environment import DEFAULT_HEALTH_ROUTE, DEFAULT_PREDICT_ROUTE
from trainer.vertex.api import naming
from trainer.vertex.api.options import check_gcs
from trainer.vertex.api.registry import Container, is_prebuilt
from trainer.vertex.deployment import traffic
from trainer.vertex.deployment.endpoints import Machine, RequestLog
from trainer.vertex.deployment.monitoring import Monitoring
from trainer.vertex.deployment.rollout import DesiredDeployment

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud

NAME = "petalstream"

_TABLE = re.compile(r"bq://[a-z0-9:.-]+\.\w+\.[\w-]+")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_MINUTE_SECONDS = 60


def add_arguments(parser: Parser, *, prefix: str = "") -> None:
    """Adds all options of a deployment.

    Args:
        parser: The command's.
        prefix: `serving_` for the names of those that a command also has for training: --serving_image.
    """
    _add_target(parser.add_argument_group("endpoint and model"))
    _add_container(parser.add_argument_group("serving container"), prefix)
    _add_machine(parser.add_argument_group("serving machines"), prefix)
    _add_monitoring(parser.add_argument_group("monitoring"))


def add_endpoint_argument(parser: Parser | argparse._ArgumentGroup) -> None:
    """Adds --endpoint."""
    parser.add_argument(
        "--endpoint", default=NAME, metavar="NAME", help="endpoint: its display name (of one made here), or its number"
    )


def _add_target(target: argparse._ArgumentGroup) -> None:
    add_endpoint_argument(target)
    target.add_argument("--model_name", default=NAME, metavar="NAME", help="model of which this becomes a version")
    target.add_argument(
        "--alias", action="append", default=[], metavar="NAME", help="name for the version; may be given several times"
    )
    target.add_argument(
        "--traffic",
        type=number("--traffic", int, minimum=1, maximum=traffic.ALL, what="whole per cents from 1 to 100"),
        default=traffic.ALL,
        metavar="PERCENT",
        help="share of the requests that the version gets; the others keep theirs in proportion, and with 100 are "
        "undeployed",
    )
    target.add_argument(
        "--keep_replaced", action="store_true", help="leave what has no traffic any more deployed, for a quick way back"
    )
    target.add_argument(
        "--timeout_minutes",
        type=number("--timeout_minutes", float, minimum=0.01, what="minutes above 0"),
        default=90.0,
        metavar="N",
        help="how long to wait for one step",
    )


def _add_container(container: argparse._ArgumentGroup, prefix: str) -> None:
    container.add_argument(
        f"--{prefix}image",
        dest="serving_image",
        metavar="URI",
        help="image of the serving container (REGION-docker.pkg.dev/PROJECT/petalstream/serving:VERSION)",
    )
    container.add_argument(
        "--port",
        type=number("--port", int, minimum=1, maximum=65535, what="a port"),
        default=8080,
        metavar="N",
        help="which it listens on",
    )
    container.add_argument("--predict_route", default=DEFAULT_PREDICT_ROUTE, metavar="PATH", help="path of predictions")
    container.add_argument(
        "--health_route", default=DEFAULT_HEALTH_ROUTE, metavar="PATH", help="path of the health check"
    )


def _add_machine(machine: argparse._ArgumentGroup, prefix: str) -> None:
    machine.add_argument(
        f"--{prefix}machine_type",
        dest="serving_machine",
        default="n1-standard-4",
        metavar="TYPE",
        help="machine type of a copy",
    )
    machine.add_argument("--min_replicas", type=_count("--min_replicas"), default=1, metavar="N", help="copies always")
    machine.add_argument(
        "--max_replicas", type=_count("--max_replicas"), metavar="N", help="copies at most (--min_replicas)"
    )
    machine.add_argument(
        f"--{prefix}accelerator_type",
        dest="serving_accelerator",
        metavar="TYPE",
        help="GPU of a copy, such as NVIDIA_TESLA_T4",
    )
    machine.add_argument(
        f"--{prefix}accelerator_count",
        dest="num_serving_accelerators",
        type=_count(f"--{prefix}accelerator_count"),
        default=1,
        metavar="N",
        help="GPUs of a copy, where there are any",
    )
    machine.add_argument(
        f"--{prefix}service_account",
        dest="serving_account",
        metavar="EMAIL",
        help="account that the serving container runs as",
    )


def _add_monitoring(watching: argparse._ArgumentGroup) -> None:
    defaults = Monitoring()
    watching.add_argument(
        "--monitoring", action="store_true", help="have a monitoring job look at what the endpoint is asked"
    )
    watching.add_argument(
        "--request_log", metavar="TABLE", help="write requests and answers to bq://project.dataset.table"
    )
    watching.add_argument(
        "--sample_rate",
        type=_share("--sample_rate"),
        default=defaults.sample_rate,
        metavar="SHARE",
        help="share of the requests that both take, above 0 and up to 1",
    )
    watching.add_argument(
        "--drift_threshold",
        type=_share("--drift_threshold"),
        default=defaults.threshold,
        metavar="SHARE",
        help="alert where one photograph makes up so much more of the requests than in the window before",
    )
    watching.add_argument(
        "--monitoring_hours",
        type=_count("--monitoring_hours"),
        default=defaults.interval_hours,
        metavar="N",
        help="how often, and over how long a window",
    )
    watching.add_argument(
        "--alert_email", action="append", default=[], metavar="EMAIL", help="who is told; may be given several times"
    )
    watching.add_argument(
        "--log_days", type=_count("--log_days"), default=defaults.log_days, metavar="N", help="how long requests stay"
    )
    watching.add_argument(
        "--baseline", metavar="FILE", help="gs:// JSON lines of instances to compare with, beside the window before"
    )


def read_desired_deployment(arguments: argparse.Namespace, cloud: Cloud) -> DesiredDeployment:
    """Reads the options.

    Raises:
        ConfigError: one is wrong, or they don't go together.
    """
    if not (naming.is_resource(arguments.endpoint) or arguments.endpoint.isdecimal()):
        naming.check("--endpoint", arguments.endpoint)
    for alias in arguments.alias:
        if not _ALIAS.fullmatch(alias):
            raise ConfigError("--alias", alias, "a letter, then letters, digits and dashes, 128 at most")
    return DesiredDeployment(
        endpoint=arguments.endpoint,
        model=naming.check("--model_name", arguments.model_name),
        container=_make_container(arguments, cloud),
        machine=_make_machine(arguments),
        share=arguments.traffic,
        keep_replaced=arguments.keep_replaced,
        aliases=tuple(arguments.alias),
        log=_make_log(arguments),
        monitoring=_make_monitoring(arguments),
    )


def timeout_seconds(arguments: argparse.Namespace) -> float:
    """Returns how long a step may take."""
    return float(arguments.timeout_minutes * _MINUTE_SECONDS)


def _make_container(arguments: argparse.Namespace, cloud: Cloud) -> Container:
    image = arguments.serving_image or cloud.image("serving")
    if is_prebuilt(image):
        return Container.of(image)
    for name in ("predict_route", "health_route"):
        if not getattr(arguments, name).startswith("/"):
            raise ConfigError(f"--{name}", getattr(arguments, name), "a path, as /predict")
    return Container(image, arguments.port, arguments.predict_route, arguments.health_route)


def _make_machine(arguments: argparse.Namespace) -> Machine:
    maximum = arguments.max_replicas or arguments.min_replicas
    if maximum < arguments.min_replicas:
        raise ConfigError("--max_replicas", maximum, f"--min_replicas, {arguments.min_replicas}, or more")
    accelerator = arguments.serving_accelerator or ""
    return Machine(
        machine_type=arguments.serving_machine,
        min_replicas=arguments.min_replicas,
        max_replicas=maximum,
        accelerator=accelerator,
        num_accelerators=arguments.num_serving_accelerators if accelerator else 0,
        service_account=arguments.serving_account or "",
    )


def _make_log(arguments: argparse.Namespace) -> RequestLog | None:
    if arguments.request_log is None:
        return None
    if not _TABLE.fullmatch(arguments.request_log):
        raise ConfigError("--request_log", arguments.request_log, "a table of BigQuery, as bq://project.dataset.table")
    return RequestLog(arguments.request_log, arguments.sample_rate)


def _make_monitoring(arguments: argparse.Namespace) -> Monitoring | None:
    if not arguments.monitoring:
        for name in ("alert_email", "baseline"):
            if getattr(arguments, name):
                raise ConfigError(f"--{name}", getattr(arguments, name), "nothing, without --monitoring")
        return None
    return Monitoring(
        sample_rate=arguments.sample_rate,
        threshold=arguments.drift_threshold,
        interval_hours=arguments.monitoring_hours,
        emails=tuple(arguments.alert_email),
        log_days=arguments.log_days,
        baseline=check_gcs("--baseline", arguments.baseline) if arguments.baseline else "",
    )


def _count(field: str) -> Callable[[str], int | float]:
    return number(field, int, minimum=1, what="a whole number from 1")


def _share(field: str) -> Callable[[str], int | float]:
    return number(field, float, minimum=1e-6, maximum=1.0, what="a number above 0 and up to 1")
