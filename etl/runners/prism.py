"""Beam's runner for Prism, which ends with this process.

Left behind, Prism and its workers would go on with a run that `--resume` does anew, in the same folder.
"""

from __future__ import annotations

import sys
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import job_server, prism_runner

from etl.errors import WorkerError
from etl.runners import tied

# What Prism says of an SDK worker that is gone.
_LOST_WORKER = "SDK worker disconnected"


class PrismServer(prism_runner.PrismJobServer):
    """Beam's, started so that it ends with this process."""

    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        """Returns the command that starts Prism, and the address of its service."""
        command, endpoint = super().subprocess_cmd_and_endpoint()
        return [sys.executable, tied.__file__, *command], endpoint


class PrismRunner(prism_runner.PrismRunner):
    """Beam's runner for Prism."""

    def default_job_server(self, options: PipelineOptions) -> Any:
        """Returns the server that starts Prism, a new one for each run."""
        return job_server.StopOnExitJobServer(PrismServer(options))

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        """Starts a pipeline; returns its result, which raises `WorkerError` where a worker was lost."""
        result = super().run_pipeline(pipeline, options)
        wait = result.wait_until_finish

        def wait_until_finish(duration: int | None = None) -> Any:
            try:
                return wait(duration)
            except RuntimeError as error:
                if _LOST_WORKER not in str(error):
                    raise
                raise WorkerError(
                    "a worker process ended in mid-run, and Prism starts no other; the same command with --resume goes "
                    "on from what is done"
                ) from error

        result.wait_until_finish = wait_until_finish
        return result
