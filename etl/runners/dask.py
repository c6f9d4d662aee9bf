"""Beam's runner on a Dask cluster, with the two things that it lacks: narrow groups, and a word on what is missing."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import apache_beam as beam
import distributed
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dask import dask_runner
from apache_beam.runners.dask.overrides import _GroupByKeyOnly

from etl import interrupts
from etl.errors import ConfigError

# Partitions on either side of a GroupByKey. Dask's shuffle makes a task for each pair of them: with one partition a
# unit 200 units took a minute to group, 1,000 took four and a gigabyte in every process. What is grouped here is a
# kilobyte a unit.
_NUM_GROUPS = 16
_CONNECT_SECONDS = 10


class DaskRunner(dask_runner.DaskRunner):
    """Beam's runner for a Dask cluster."""

    @staticmethod
    def to_dask_bag_visitor(bag_kwargs: dict[str, Any] | None = None) -> Any:
        """Returns Beam's translator of a pipeline, which narrows what goes into a GroupByKey."""
        visitor = dask_runner.DaskRunner.to_dask_bag_visitor(bag_kwargs)
        translate = visitor.visit_transform

        def visit_transform(node: Any) -> None:
            if isinstance(node.transform, _GroupByKeyOnly):
                before = node.inputs[0].producer
                bag = visitor.bags[before]
                visitor.bags[before] = bag.repartition(npartitions=min(bag.npartitions, _NUM_GROUPS))
            translate(node)

        visitor.visit_transform = visit_transform
        return visitor

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        """Starts a pipeline; returns its result, which disconnects when it has been waited for."""
        with warnings.catch_warnings(), interrupts.hidden_from_children():
            # The configuration travels with every unit; Dask would have it sent once.
            warnings.filterwarnings("ignore", "Sending large graph")
            # The page of a cluster on this machine, which then has another port.
            warnings.filterwarnings("ignore", "Port .* is already in use")
            result = super().run_pipeline(pipeline, options)
        wait = result.wait_until_finish

        def wait_until_finish(duration: int | None = None) -> Any:
            try:
                return wait(duration)
            finally:
                # Else Python does it at its end, where all that a cluster on this machine says of it shows.
                result.client.close()

        result.wait_until_finish = wait_until_finish
        return result


def set_options(options: PipelineOptions, given: set[str]) -> None:
    """Has each unit be a task of its own, unless the size of tasks is given.

    Args:
        options: Changed in place.
        given: Names of the options on the command line.
    """
    if not {"--dask_partition_size", "--dask_npartitions"} & given:
        # Beam's own default puts 128 units into one task: nearly every job would run on one worker.
        options.view_as(dask_runner.DaskOptions).partition_size = 1


def check(options: PipelineOptions) -> None:
    """Checks that a scheduler answers, and says so where it has no workers yet.

    Raises:
        ConfigError: none does.
    """
    wanted = options.view_as(dask_runner.DaskOptions).get_all_options(drop_default=True, current_only=True)
    place = {name: wanted[name] for name in ("address", "scheduler_file") if name in wanted}
    if not place:
        # Dask starts a cluster on this machine.
        return
    option, value = next(
        (f"--dask_{'client_address' if name == 'address' else name}", value) for name, value in place.items()
    )
    expected = "the address of a scheduler that answers, as tcp://HOST:8786"
    try:
        with distributed.Client(**place, timeout=_CONNECT_SECONDS, set_as_default=False) as client:
            num_workers = len(client.nthreads())
    except (OSError, ValueError) as error:
        hint = f"{type(error).__name__}; start one with `dask scheduler`, and workers with `dask worker {value}`"
        raise ConfigError(option, value, expected, hint) from error
    if not num_workers:
        print(f"{value}: the scheduler has no worker; the run waits for the first", file=sys.stderr)
