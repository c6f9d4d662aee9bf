"""One command's run on Dataflow, from its options to the end of its job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, GoogleCloudOptions, PipelineOptions, StandardOptions

from etl import progress
from etl.cli import note
from etl.config import EtlConfig
from etl.finalise.facts import PlanFacts
from etl.records import Unit
from etl.runners.dataflow import checks, job, package
from etl.runners.dataflow.submit import Submission
from etl.runners.pipeline import build
from etl.work import workers


class DataflowRun:
    """Checks a run's options where it is made; nothing is asked of the cloud.

    Args:
        config: The run's configuration.
        options: Beam's view of the command line.
        dry_run: Whether the job is to be shown and not run. Paths are checked last then, so that images on this
            machine can be tried before they are copied.

    Raises:
        ConfigError: an option is missing or wrong, or a path is where workers can't reach it.
    """

    def __init__(self, config: EtlConfig, options: PipelineOptions, *, dry_run: bool) -> None:
        checks.check_options(options)
        if dry_run:
            job.set_dry(options)
        else:
            checks.check_places(config)
        options.view_as(StandardOptions).runner = "DataflowRunner"
        cloud = options.view_as(GoogleCloudOptions)
        if not cloud.job_name:
            now = datetime.now(timezone.utc)
            cloud.job_name = f"petalstream-{config.source}-{now:%Y%m%d-%H%M%S}"
        self._config = config
        self._options = options
        self._submission: Submission | None = None

    @property
    def hint(self) -> str:
        """What to do when the command ends now."""
        return self._submission.hint if self._submission else "no job was submitted, and nothing is lost"

    def show(self, facts: PlanFacts, units: Sequence[Unit]) -> None:
        """Prints the job that would be submitted, and writes it to `--dataflow_job_file` if that is given.

        Raises:
            ConfigError: a path is where workers can't reach it.
        """
        path = self._options.view_as(DebugOptions).dataflow_job_file
        with package.packaged(self._options) as requirements:
            pipeline = beam.Pipeline(runner="DataflowRunner", options=self._options)
            build(pipeline, self._config, facts, units)
            made = job.make_job(pipeline)
        job.print_job(made, requirements)
        if path:
            job.write_job(made, path)
        checks.check_places(self._config)

    def run(self, facts: PlanFacts, units: Sequence[Unit]) -> bool:
        """Submits the job and waits for its end.

        Returns:
            Whether it is done; not so with `--no_wait_until_finish`.

        Raises:
            RunError: it could not be submitted, failed, or was cancelled.
        """
        with package.packaged(self._options):
            pipeline = beam.Pipeline(runner="DataflowRunner", options=self._options)
            build(pipeline, self._config, facts, units)
            self._submission = Submission(pipeline)
            self._submission.submit()
        note(f"if this command ends, {self.hint}")
        if self._options.view_as(StandardOptions).no_wait_until_finish:
            return False
        total = sum(unit.num_images for unit in units if not unit.done_path)
        followed = workers.follow(facts.building_dir(self._config.output), units)
        with progress.step("write", total, then="publishing"):
            with followed:
                self._submission.wait()
            progress.complete()
        return True
