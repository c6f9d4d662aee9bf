"""The thin DoFns: each calls one function of ours and counts for the runner's console."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import apache_beam as beam
from apache_beam.metrics import Metrics

from etl import storage
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.finalise.facts import PlanFacts
from etl.finalise.finalise import finalise
from etl.plan.lines import decode_result
from etl.records import Unit, UnitResult
from etl.runners.failures import record_failure
from etl.work import workers
from etl.work.shard import assemble
from etl.work.unit import write_unit


class WriteUnit(beam.DoFn):
    """Unit -> (shard, UnitResult)."""

    def __init__(self, config: EtlConfig, building_dir: str) -> None:
        self._config = config
        self._building_dir = building_dir

    def setup(self) -> None:
        """Gets the worker ready."""
        workers.start()

    def process(self, unit: Unit) -> Iterator[tuple[str, UnitResult]]:
        """Writes one unit's file, or fetches the result of an earlier run."""
        with record_failure(self._building_dir), shared_files():
            if unit.done_path:
                result = decode_result(storage.read_bytes(unit.done_path))
            else:
                result = write_unit(self._config, unit, self._building_dir)
        if not unit.done_path:
            Metrics.counter("petalstream", "images_written").inc(result.num_examples)
            for reason, count in result.rejected.items():
                Metrics.counter("petalstream", f"rejected_{reason}").inc(count)
        yield unit.shard, result


class Assemble(beam.DoFn):
    """(shard, its UnitResults) -> UnitResult of the whole shard."""

    def __init__(self, config: EtlConfig, building_dir: str) -> None:
        self._config = config
        self._building_dir = building_dir

    def process(self, gathered: tuple[str, Iterable[UnitResult]]) -> Iterator[UnitResult]:
        """Makes one shard of its parts."""
        with record_failure(self._building_dir):
            yield assemble(self._config, gathered[1], self._building_dir)


class Finalise(beam.DoFn):
    """(key, all UnitResults) -> nothing; the data set is in place."""

    def __init__(self, config: EtlConfig, facts: PlanFacts) -> None:
        self._config = config
        self._facts = facts

    def process(self, gathered: tuple[int, Iterable[UnitResult]]) -> None:
        """Publishes the data set."""
        with record_failure(self._facts.building_dir(self._config.output)):
            finalise(self._config, self._facts, gathered[1])


@contextmanager
def shared_files() -> Iterator[None]:
    """Says what is wrong where a worker misses a file that the command that started the run saw.

    Raises:
        DatasetError: a file is missing.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DatasetError(
            f"{error.filename or error}: a worker finds no such file; it was deleted while the run went on, or --input "
            "and --output are not on a file system that all workers share"
        ) from error
