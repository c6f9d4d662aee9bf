"""The Beam pipeline: one chain, so that every runner can run it; its counts travel as data."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from etl.config import EtlConfig
from etl.finalise.facts import PlanFacts
from etl.records import Unit
from etl.runners.transforms import Assemble, Finalise, WriteUnit


def build(pipeline: beam.Pipeline, config: EtlConfig, facts: PlanFacts, units: Sequence[Unit]) -> None:
    """Adds the whole job to a pipeline.

    Args:
        pipeline: Where to add it.
        config: The run's configuration.
        facts: Of its plan.
        units: The work to do. References only: no image ever crosses from one step to the next.
    """
    building_dir = facts.building_dir(config.output)
    _ = (
        pipeline
        | "Units" >> beam.Create(units)  # Unit
        | "Spread" >> beam.Reshuffle()  # Unit, each on whatever worker is free
        | "Work" >> beam.ParDo(WriteUnit(config, building_dir))  # (shard, UnitResult)
        | "Parts" >> beam.GroupByKey()  # (shard, all its UnitResults)
        | "Assemble" >> beam.ParDo(Assemble(config, building_dir))  # UnitResult of a whole shard
        | "ToOne" >> beam.WithKeys(0)  # (0, UnitResult)
        | "Gather" >> beam.GroupByKey()  # (0, all UnitResults)
        | "Finalise" >> beam.ParDo(Finalise(config, facts))
    )
