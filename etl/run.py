"""`python -m etl.run`: images in, a data set out. The only file of the ETL that reads argv."""

from __future__ import annotations

import math
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl import interrupts, storage, variants
from etl.cli import load_tensorflow, note, say_loading
from etl.config import EtlConfig
from etl.errors import EXIT_OK, ConfigError, DatasetError
from etl.finalise import rejected
from etl.finalise.facts import PlanFacts
from etl.finalise.report import print_notes, print_plan, print_summary
from etl.format import layout, manifest
from etl.options import Command, parse
from etl.paths import join
from etl.plan.lines import encode_rejections
from etl.plan.output import content_digest, read_manifest, recover, unfinished_runs
from etl.plan.plan import Plan
from etl.plan.resume import find, job_digest, keep_done
from etl.process import lifecycle
from etl.records import Unit
from etl.runners import failures
from etl.runners.dataflow import is_dataflow
from etl.runners.names import IN_PROCESS
from etl.sources.files import archive
from etl.storage import locks, publishing
from etl.words import quantity

if TYPE_CHECKING:
    from etl.runners.dataflow.launch import DataflowRun
    from etl.runners.run import BeamRun

_RESUME = "the same command with --resume goes on from what is done"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ETL's command line; returns its exit code."""
    command = parse(sys.argv[1:] if argv is None else argv)
    if command.dry_run:
        return _show(command)
    return _write(command)


def _make_dataflow_run(command: Command) -> DataflowRun | None:
    """Returns the run on Dataflow, its options checked, if it is one; only then is Beam imported by now."""
    if not is_dataflow(command.runner):
        return None
    say_loading("apache_beam")
    from etl.runners.beam_options import make_options
    from etl.runners.dataflow.launch import DataflowRun

    options = make_options(command.beam_args, command.runner)
    return DataflowRun(command.config, options, dry_run=command.dry_run)


def _make_beam_run(command: Command) -> BeamRun:
    """Returns the run on any other runner."""
    say_loading("apache_beam")
    from etl.runners.run import BeamRun

    return BeamRun(command.config, command.beam_args, command.runner, _RESUME)


def _show(command: Command) -> int:
    """Shows what a run would read and write, and the job that Dataflow would get."""
    config, started = command.config, time.time()
    dataflow = _make_dataflow_run(command)
    # A store is asked only where images lie there: a job can be shown without an account.
    if storage.is_local(config.output) or not storage.is_local(config.options.input or ""):
        _check_output(config)
    if dataflow is None:
        for variant in variants.chosen(config):
            variant.check_weights(config, load=False)
    with archive.offline(), Plan(config) as plan:
        _fill(plan, keeps=False)
        print_plan(plan)
        if dataflow is not None:
            run_id = _new_run_id()
            units = [unit for unit, _ in plan.units(_plan_dir(config, run_id))]
            dataflow.show(_facts(command, plan, units, run_id, started), units)
    return EXIT_OK


def _write(command: Command) -> int:
    """Writes the data set."""
    config, started = command.config, time.time()
    dataflow = _make_dataflow_run(command)
    # Where the next run would clean it up, should this one be killed here.
    storage.check_writable(config.output, f"{layout.building_name(_new_run_id())}/check")
    with _holding(config):
        replaces = _check_output(config)
        return _write_held(command, dataflow, replaces, started)


@contextmanager
def _holding(config: EtlConfig) -> Iterator[None]:
    """Holds the output, and takes back what a run left that was killed while it published."""
    wait_seconds = math.inf if config.resume else 0.0
    path = join(config.output, locks.LOCK_NAME)
    with locks.hold(path, "--output", config.output, wait_seconds=wait_seconds):
        if unfinished_runs(config.output):
            path = join(config.output, publishing.LOCK_NAME)
            with locks.hold(path, "--output", config.output, wait_seconds=math.inf):
                recover(config.output)
        yield


def _write_held(command: Command, dataflow: DataflowRun | None, replaces: str, started: float) -> int:
    """Writes the data set into an output that this run holds; `replaces` tells which one is there now."""
    config = command.config
    for variant in variants.chosen(config):
        variant.check_weights(config, load=False)
    with Plan(config) as plan:
        # What is wrong with the input shows before anything heavy is imported; all that is wrong with the options
        # before anything is listed.
        loads_weights = dataflow is None and any(variant.weights(config) for variant in variants.chosen(config))
        if command.runner in IN_PROCESS or loads_weights:
            say_loading("apache_beam", "tensorflow")
            load_tensorflow()
        run = dataflow or _make_beam_run(command)
        for variant in variants.chosen(config):
            variant.check_weights(config, load=loads_weights)
        _fill(plan, keeps=True)
        notes = plan.source_notes
        job = job_digest(config, plan.class_names, (content for _, content in plan.units("")))
        if _is_complete(config, job):
            note(f"{config.output}: complete already, nothing to resume")
            _summarise(config, notes)
            return EXIT_OK
        facts, units = _prepare(command, plan, job, replaces, started)
    if _run(run, config, facts, units):
        # Of runs that were killed: they can't publish any more.
        for folder in unfinished_runs(config.output):
            publishing.discard(folder)
        _summarise(config, notes)
    return EXIT_OK


def _fill(plan: Plan, *, keeps: bool) -> None:
    """Lists all inputs; `keeps` says whether to keep a list of the rejected ones where they are too many."""
    plan.fill()
    print_notes(plan.describe())
    counts, fraction = plan.rejected(), plan.config.max_rejected_fraction
    if rejected.is_too_many(counts, plan.num_read, fraction):
        rejected.fail(counts, plan.num_read, fraction, plan.rejections(), plan.config.output if keeps else None)


def _summarise(config: EtlConfig, notes: Sequence[str]) -> None:
    print_summary(config, manifest.load(config.output, storage.read_text))
    # Again: by now they are out of sight.
    print_notes(notes)


def _check_output(config: EtlConfig) -> str:
    """Checks that the run would replace no data set unless it may.

    Returns:
        The digest of the manifest that is there, see `etl.plan.output.content_digest`.

    Raises:
        ConfigError: the output is a file, or holds a data set.
    """
    if storage.is_local(config.output) and os.path.isfile(config.output):
        raise ConfigError("--output", config.output, "a folder, and this is a file")
    old = read_manifest(config.output)
    if old is not None and not (config.overwrite or config.resume):
        raise _taken(config)
    return content_digest(old)


def _taken(config: EtlConfig) -> ConfigError:
    hint = "add --overwrite to replace it once the new one is complete"
    return ConfigError("--output", config.output, "a folder without a data set", hint)


def _is_complete(config: EtlConfig, job: str) -> bool:
    """Tells whether the output already holds what a resumed run would make.

    Raises:
        ConfigError: it holds another data set, which may not be replaced.
    """
    if not config.resume or not storage.exists(join(config.output, layout.MANIFEST_NAME)):
        return False
    if manifest.load(config.output, storage.read_text).run.get("job") == job:
        return True
    if not config.overwrite:
        raise _taken(config)
    return False


def _new_run_id() -> str:
    return uuid.uuid4().hex[:12]


def _plan_dir(config: EtlConfig, run_id: str) -> str:
    return f"{layout.building_dir(config.output, run_id)}/{layout.PLAN_NAME}"


def _facts(
    command: Command, plan: Plan, units: Sequence[Unit], run_id: str, started: float, job: str = "", replaces: str = ""
) -> PlanFacts:
    return PlanFacts(
        run_id=run_id,
        job=job,
        started=started,
        runner=command.runner or "in process",
        class_names=plan.class_names,
        splits=tuple(plan.splits()),
        num_read=plan.num_read,
        rejected=plan.rejected(),
        rejected_path=f"{layout.building_dir(command.config.output, run_id)}/{layout.REJECTED_NAME}",
        duplicates=plan.duplicates(),
        num_shards=len({unit.shard for unit in units}),
        replaces=replaces,
        ignored=plan.ignored(),
    )


def _prepare(command: Command, plan: Plan, job: str, replaces: str, started: float) -> tuple[PlanFacts, list[Unit]]:
    """Writes down what the workers need, in the run's own folder."""
    config = command.config
    earlier = find(config, job)
    run_id = layout.run_id_of(earlier) if earlier and config.resume else _new_run_id()
    own_dir = layout.building_dir(config.output, run_id)
    units = []
    for unit, content in plan.units(_plan_dir(config, run_id)):
        storage.write_atomically(unit.plan_path, content)
        units.append(unit)
    facts = _facts(command, plan, units, run_id, started, job, replaces)
    storage.write_atomically(f"{own_dir}/{layout.JOB_NAME}", job.encode())
    if earlier:
        done = keep_done(units, earlier)
        num_done = sum(bool(unit.done_path) for unit in done)
        end = "kept" if config.resume else "--resume would keep them"
        note(f"an unfinished run left {num_done:,} of {quantity(len(units), 'unit')}: {end}")
        units = done if config.resume else units
    storage.write_atomically(facts.rejected_path, encode_rejections(plan.rejections()))
    # What an earlier attempt left in the same folder is told no more.
    storage.delete(f"{own_dir}/{layout.FAILURE_NAME}")
    return facts, units


def _run(run: DataflowRun | BeamRun, config: EtlConfig, facts: PlanFacts, units: list[Unit]) -> bool:
    """Runs the pipeline to its end; returns whether it waited for that.

    Raises:
        DatasetError: the run failed for a reason that a step of ours gave, and would so again.
        PetalstreamError: it failed otherwise, and can be resumed.
    """
    own_dir = facts.building_dir(config.output)
    try:
        with (
            failures.translate_errors(f"{own_dir}/{layout.FAILURE_NAME}", own_dir, _RESUME),
            interrupts.hinting(lambda: run.hint),
        ):
            return run.run(facts, units)
    except DatasetError:
        # There is nothing in it that another run could use.
        publishing.discard(own_dir)
        raise


if __name__ == "__main__":
    lifecycle.end_with(main)
