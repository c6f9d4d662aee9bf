"""Submits a job to Dataflow and waits for it, saying plainly what it does."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.runner import PipelineState

from etl.cli import note
from etl.errors.causes import cause, essence
from etl.runners.dataflow.hints import find_hint
from etl.runners.failures import RunError

_CONSOLE = "https://console.cloud.google.com/dataflow/jobs"
_LOGGER = "apache_beam.runners.dataflow.dataflow_runner"
# What precedes the text of a message in Beam's log: its time and importance.
_PREFIX = re.compile(r"^\S.*?: JOB_MESSAGE_\w+: ")


@dataclass(frozen=True, slots=True)
class JobName:
    """How a submitted job is called, for the commands that one needs next."""

    id: str
    project: str
    region: str

    @property
    def page(self) -> str:
        """Its page in the console."""
        return f"{_CONSOLE}/{self.region}/{self.id}?project={self.project}"

    @property
    def goes_on(self) -> str:
        """What to know when the command ends before the job does."""
        where = f"--region {self.region} --project {self.project}"
        return (
            f"job {self.id} goes on by itself and completes the data set; "
            f"to stop it: gcloud dataflow jobs cancel {self.id} {where}, and --resume then keeps what it has written"
        )


class Submission:
    """A job on its way.

    Args:
        pipeline: To be run on Dataflow.
    """

    def __init__(self, pipeline: beam.Pipeline) -> None:
        self._pipeline = pipeline
        self._result: Any = None
        self.job: JobName | None = None

    @property
    def hint(self) -> str:
        """What to do when the command ends now."""
        return self.job.goes_on if self.job else "no job is known to have been submitted"

    def submit(self) -> None:
        """Packages, stages and submits the job, and says how it is called.

        Raises:
            RunError: it could not be submitted.
        """
        cloud = self._pipeline.options.view_as(GoogleCloudOptions)
        note("packaging, staging and submitting the job")
        try:
            with _without_stderr():
                self._result = self._pipeline.run()
        # Whatever the clients of Cloud Storage and Dataflow raise: what stands in it is told, with what to do about it.
        except Exception as error:
            reason = cause(error)
            raise _failed(f"the job could not be submitted: {reason}", reason) from error
        self.job = JobName(self._result.job_id(), cloud.project, cloud.region)
        note(f"Dataflow job {self.job.id}: {self.job.page}")

    def cancel(self) -> None:
        """Asks Dataflow to end the job."""
        self._result.cancel()

    def wait(self) -> None:
        """Waits for the job's end, and says its states and messages.

        Raises:
            RunError: the job failed or was cancelled, or could not be asked any more.
        """
        runner = self._result._runner
        try:
            with _plain_messages():
                # What `wait_until_finish` runs in a thread; it says the states to nobody.
                DataflowRunner.poll_for_job_completion(runner, self._result, None, state_update_callback=_note_state)
            state = self._result.state
        # As above. What is lost is the sight of the job: it goes on.
        except Exception as error:
            reason = cause(error)
            raise _failed(f"the job can't be asked any more: {reason}; {self.hint}", reason) from error
        if state != PipelineState.DONE:
            reason = essence(runner.last_error_msg or "")
            page = self.job.page if self.job else ""
            raise _failed(f"the Dataflow job ended as {state}: {reason or 'it says nothing more'}; see {page}", reason)


def _failed(line: str, reason: str) -> RunError:
    return RunError("; ".join(filter(None, (line, find_hint(reason)))))


def _note_state(state: str) -> None:
    note(f"job: {state.removeprefix('JOB_STATE_').replace('_', ' ').lower()}")


@contextmanager
def _plain_messages() -> Iterator[None]:
    """Shows what the service says of a job, from its basic messages up, a line each; the states are shown already."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if _PREFIX.match(text):
                note(f"job: {essence(_PREFIX.sub('', text))}")

    logger, handler = logging.getLogger(_LOGGER), Handler()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drops what packaging and the clients print meanwhile: an error says the same and more."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as dropped:
        os.dup2(dropped.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
