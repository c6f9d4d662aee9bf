"""The Beam pipeline: one chain, so that every runner can run it; the only module here that needs Beam."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from etl.cli import load_tensorflow
from etl.runners.beam_options import make_options
from etl.runners.dataflow import is_dataflow, package
from etl.runners.dataflow.submit import Submission
from etl.runners.factory import make_runner
from etl.runners.failures import record_failure
from trainer.serving import served_model
from trainer.serving.batch.gather import finalise
from trainer.serving.batch.job import Job, Unit, UnitResult
from trainer.serving.batch.work import predict_unit
from trainer.serving.served_model import ServedModel


class RangeHandler(ModelHandler[Unit, UnitResult, ServedModel]):
    """Gives `RunInference` whole ranges of lines as examples; their instances are batched in here.

    Were every instance an example, predictions would have to be put in order again and cross a shuffle, PNG files and
    all, and a batch would end wherever a bundle does. Beam's own handler for SavedModels is none for this one: it calls
    `keras.models.load_model`, which takes none.

    Args:
        job: The run.
    """

    def __init__(self, job: Job) -> None:
        # One range at a time: Beam's own batches grow to hundreds.
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._job = job

    def load_model(self) -> ServedModel:
        """Loads the model, once a process."""
        with record_failure(self._job.building_dir):
            return load(self._job.model_dir, self._job.run_id)

    def run_inference(
        self, batch: Sequence[Unit], model: ServedModel, inference_args: Mapping[str, Any] | None = None
    ) -> Iterator[UnitResult]:
        """Answers ranges; yields what describes their files."""
        for unit in batch:
            with record_failure(self._job.building_dir):
                yield predict_unit(self._job, unit, model)

    def get_metrics_namespace(self) -> str:
        """Returns under what name Beam shows its metrics."""
        return "petalstream"


class Finalise(beam.DoFn):
    """(key, all UnitResults) -> nothing; the output is in place."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, gathered: tuple[int, Iterable[UnitResult]]) -> None:
        """Joins the units' files."""
        with record_failure(self._job.building_dir):
            finalise(self._job, gathered[1])


@functools.lru_cache(maxsize=1)
def load(model_dir: str, run_id: str) -> ServedModel:
    """Returns this process's model, loaded at a run's first call.

    Raises:
        ConfigError: as `trainer.serving.served_model.load`.
    """
    # Quietly: on workers nobody reads what is being loaded.
    load_tensorflow()
    return served_model.load(model_dir)


def run(job: Job, units: Sequence[Unit], runner: str | None, beam_args: Sequence[str]) -> None:
    """Runs the whole job to its end; raises whatever the runner makes of an error in a step."""
    options = make_options(beam_args, runner)
    if is_dataflow(runner):
        options.view_as(StandardOptions).runner = "DataflowRunner"
        with package.packaged(options):
            submission = Submission(_build(job, units, "DataflowRunner", options))
            submission.submit()
        try:
            submission.wait()
        except KeyboardInterrupt:
            # Its folder goes with the command.
            submission.cancel()
            raise
        return
    _build(job, units, make_runner(runner, options), options).run().wait_until_finish()


def _build(job: Job, units: Sequence[Unit], runner: Any, options: PipelineOptions) -> beam.Pipeline:
    pipeline = beam.Pipeline(runner=runner, options=options)
    _ = (
        pipeline
        | "Units" >> beam.Create(units)  # Unit
        | "Spread" >> beam.Reshuffle()  # Unit, each on whatever worker is free
        | "Predict" >> RunInference(RangeHandler(job))  # UnitResult
        | "ToOne" >> beam.WithKeys(0)  # (0, UnitResult)
        | "Gather" >> beam.GroupByKey()  # (0, all UnitResults)
        | "Finalise" >> beam.ParDo(Finalise(job))
    )
    return pipeline
