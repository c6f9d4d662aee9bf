"""`status`: shows the state of a job."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from etl.cli import Parser
from etl.errors import EXIT_OK, ConfigError
from trainer.vertex.api import requests, waiting
from trainer.vertex.api.calls import print_calls
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.kinds import BY_COLLECTION, KINDS, Kind, kind_of
from trainer.vertex.api.options import Cloud, add_cloud_arguments, cloud
from trainer.vertex.training import trials, tuning
from trainer.vertex.training.trials import Study

# Where a number alone is looked for.
_JOBS = ("jobs", "tuning", "pipelines", "batch")


def add_arguments(parser: Parser) -> None:
    """Adds the options of `status`."""
    parser.add_argument("name", metavar="NAME", help="customJobs/123, its full name, or 123 alone")
    add_cloud_arguments(parser)
    parser.add_argument("--wait", action="store_true", help="wait for its end, and fail if it does")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="json: all that the API says")


def run(arguments: argparse.Namespace) -> int:
    """Shows a job."""
    where = cloud(arguments)
    if arguments.dry_run:
        # Of a number alone one after the other, until one is found.
        print_calls([kind.get_call(name) for kind, name in _candidates(arguments.name, where)])
        return EXIT_OK
    kind, job = find(arguments.name, where)
    is_study = kind is KINDS["tuning"]
    earlier = tuning.fetch(job.name, where, "NAME")[1:] if is_study else []
    if arguments.wait:
        if not kind.is_job:
            raise ConfigError("--wait", arguments.name, "a job, which ends")
        job = waiting.wait(kind, job.name, where, progress=tuning.describe_progress if is_study else None)
    if arguments.format == "json":
        print(json.dumps(requests.to_dict(job), indent=1))
        return EXIT_OK
    if is_study:
        trials.print_trials(Study(requests.to_dict(job)), earlier)
    if arguments.wait:
        return waiting.finish(kind, job, where)
    waiting.print_facts(waiting.describe(kind, job), kind.url(job.name))
    return EXIT_OK


def find(given: str, where: Cloud) -> tuple[Kind, Any]:
    """Finds a resource.

    Args:
        given: Its full name, `customJobs/123`, or a job's number alone, which is looked for among jobs of all kinds.
        where: Project and region.

    Raises:
        ConfigError: there is none.
    """
    candidates = _candidates(given, where)
    with translate_errors(f"looking for the job {given}", where):
        from google.api_core import exceptions
    for kind, name in candidates:
        try:
            return kind, kind.get(name, where)
        except ConfigError as error:
            if len(candidates) == 1 or not isinstance(error.__cause__, exceptions.NotFound):
                raise
    hint = f"python -m trainer.vertex list jobs --project {where.project} --region {where.region}"
    raise ConfigError("NAME", given, f"the number of a job in {where.region}", hint)


def _candidates(given: str, where: Cloud) -> list[tuple[Kind, str]]:
    """Returns the kinds and full names of what a name may mean.

    Raises:
        ConfigError: it is no name.
    """
    kind = kind_of(given)
    if kind is not None:
        return [(kind, where.name(kind.collection, given))]
    if not re.fullmatch(r"[0-9]+", given):
        raise ConfigError("NAME", given, f"a job's number, or one of {', '.join(BY_COLLECTION)} and /ID after it")
    return [(KINDS[each], where.name(KINDS[each].collection, given)) for each in _JOBS]
