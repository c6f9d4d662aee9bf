"""Waiting for a job, and showing how it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from etl import interrupts
from etl.cli import console as open_console
from etl.errors import EXIT_OK
from trainer.vertex.api.failures import CloudError
from trainer.vertex.api.kinds import Kind
from trainer.vertex.api.options import Cloud

# Between two looks at a job. A machine takes minutes to come up.
POLL_SECONDS = 15.0

SUCCEEDED = "succeeded"
ENDED = (SUCCEEDED, "failed", "cancelled", "expired", "partially succeeded")
_CANCEL = {
    "customJobs": "gcloud ai custom-jobs cancel {id} --region={region} --project={project}",
    "hyperparameterTuningJobs": "gcloud ai hp-tuning-jobs cancel {id} --region={region} --project={project}",
}


def state_of(job: Any) -> str:
    """Returns a job's state in words: `running`, `partially succeeded`."""
    state = getattr(job, "state", None)
    name = getattr(state, "name", "")
    for prefix in ("JOB_STATE_", "PIPELINE_STATE_"):
        name = name.removeprefix(prefix)
    return name.lower().replace("_", " ")


def wait(kind: Kind, name: str, cloud: Cloud, progress: Callable[[Any], str] | None = None) -> Any:
    """Waits until a job has ended, and says on standard error what becomes of it.

    Args:
        kind: Of the job.
        name: Its full name.
        cloud: Where.
        progress: Says in words how far a job is, "" for nothing to say.

    Returns:
        The job as it is at the end, whatever its state.

    Raises:
        CloudError: the service doesn't answer.
    """
    shown = ""
    try:
        with interrupts.hinting(lambda: describe_running(kind, name, cloud)):
            while True:
                job = kind.get(name, cloud)
                state = state_of(job)
                line = ": ".join(filter(None, [state, progress(job) if progress else ""]))
                if line != shown:
                    print(f"{datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)
                    shown = line
                if state in ENDED:
                    return job
                time.sleep(POLL_SECONDS)
    except CloudError as error:
        raise CloudError(f"{error}; the job goes on: {status_command(name, cloud)}") from error


def describe_running(kind: Kind, name: str, cloud: Cloud) -> str:
    """Says that a job isn't ended by Ctrl-C, and what would end it."""
    return f"the job goes on; {status_command(name, cloud)} shows it, {describe_cancelling(kind, name, cloud)}"


def status_command(name: str, cloud: Cloud) -> str:
    """Returns the command that shows a job."""
    collection, number = name.split("/")[-2:]
    return f"python -m trainer.vertex status {collection}/{number} --project {cloud.project} --region {cloud.region}"


def describe_cancelling(kind: Kind, name: str, cloud: Cloud) -> str:
    """Returns how a job is cancelled, in words."""
    command = _CANCEL.get(kind.collection)
    if command is None:
        return f"{kind.url(name)} cancels it"
    number = name.rsplit("/", 1)[-1]
    return f"{command.format(id=number, region=cloud.region, project=cloud.project)} ends it"


def print_facts(facts: Mapping[str, str], page: str) -> None:
    """Prints a table of two columns, and below it a link, which a table would break."""
    from rich.table import Table

    table = Table("", "", show_header=False)
    table.columns[1].overflow = "fold"
    for name, value in facts.items():
        table.add_row(name, value)
    console = open_console()
    console.print(table)
    console.print(page, soft_wrap=True)


def describe(kind: Kind, job: Any) -> dict[str, str]:
    """Returns what there is to know of a job: name, state, error, times, output."""
    facts = {kind.what: job.name, "called": job.display_name}
    if kind.is_job:
        facts["state"] = state_of(job)
    if error_of(job):
        facts["error"] = error_of(job)
    facts |= _times(job)
    output = _output(job)
    if output:
        facts["output"] = output
    task = getattr(job, "training_task_metadata", None)
    if task and "backingCustomJob" in task:
        facts["training job"] = str(task["backingCustomJob"])
    model = getattr(job, "model_to_upload", None)
    if model is not None and model.name:
        facts["model"] = model.name
    return facts


def error_of(job: Any) -> str:
    """Returns why a job failed, in one line; "" where it didn't."""
    error = getattr(job, "error", None)
    if error is None or not (error.code or error.message):
        return ""
    return " ".join(error.message.split()) or f"code {error.code}"


def _times(job: Any) -> dict[str, str]:
    facts = {}
    for name, label in (("create_time", "created"), ("start_time", "started"), ("end_time", "ended")):
        time_of = getattr(job, name, None)
        if time_of:
            facts[label] = f"{time_of:%Y-%m-%d %H:%M:%S} UTC"
    if getattr(job, "start_time", None) and getattr(job, "end_time", None):
        facts["took"] = str(timedelta(seconds=round((job.end_time - job.start_time).total_seconds())))
    return facts


def _output(job: Any) -> str:
    """Returns where a job writes, "" where it says nothing of that."""
    for field in ("job_spec", "trial_job_spec"):
        spec = getattr(job, field, None)
        if spec is not None:
            return str(spec.base_output_directory.output_uri_prefix)
    inputs = getattr(job, "training_task_inputs", None)
    if inputs and "baseOutputDirectory" in inputs:
        return str(inputs["baseOutputDirectory"]["outputUriPrefix"])
    return ""


def finish(kind: Kind, job: Any, cloud: Cloud) -> int:
    """Shows how a job ended.

    Returns:
        0, where it succeeded.

    Raises:
        CloudError: it didn't; with its error.
    """
    state = state_of(job)
    print_facts(describe(kind, job), kind.url(job.name))
    if state == SUCCEEDED:
        return EXIT_OK
    reason = error_of(job) or "no reason given"
    raise CloudError(
        f"the {kind.what} {job.name.rsplit('/', 1)[-1]} {_ended(state)}: {reason}; logs: {kind.url(job.name)}"
    )


def _ended(state: str) -> str:
    return "was cancelled" if state == "cancelled" else state
