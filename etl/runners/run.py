"""One command's run on any runner but Dataflow's, from its options to its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import apache_beam as beam

from etl import progress
from etl.config import EtlConfig
from etl.finalise.facts import PlanFacts
from etl.records import Unit
from etl.runners.beam_options import make_options
from etl.runners.factory import make_runner, runs_in_threads
from etl.runners.pipeline import build
from etl.work import workers


class BeamRun:
    """A run that this process waits for, on any runner that needs nothing more.

    Args:
        config: The run's configuration.
        beam_args: Beam's part of the command line.
        runner: Its name.
        hint: What to do when the command ends now.

    Raises:
        ConfigError: the runner's options are wrong, or what it has to reach doesn't answer.
    """

    def __init__(self, config: EtlConfig, beam_args: Sequence[str], runner: str | None, hint: str) -> None:
        self.hint = hint
        self._config = config
        self._options = make_options(beam_args, runner)
        self._runner = make_runner(runner, self._options)
        self._reports = runs_in_threads(runner, self._options)

    def run(self, facts: PlanFacts, units: list[Unit]) -> bool:
        """Runs the pipeline to its end; returns True. Raises whatever the runner makes of an error in a step."""
        pipeline = beam.Pipeline(runner=self._runner, options=self._options)
        build(pipeline, self._config, facts, units)
        total = sum(unit.num_images for unit in units if not unit.done_path)
        # Workers elsewhere report to nobody here: what they have written tells how far they are.
        followed = nullcontext() if self._reports else workers.follow(facts.building_dir(self._config.output), units)
        with progress.step("write", total, then="publishing"):
            with followed:
                pipeline.run().wait_until_finish()
            # What was done since the last look lies elsewhere by now.
            progress.complete()
        return True
