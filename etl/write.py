"""Writes a data set: for `etl.write_dataset`, and for the command `python -m etl.run`."""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from etl import interrupts, paths, storage, variants
from etl.backbones.weights import IMAGENET
from etl.cli import load_tensorflow, note, say_loading
from etl.config import EtlConfig, naming_fields
from etl.errors import DatasetError
from etl.finalise import rejected
from etl.finalise.facts import PlanFacts
from etl.finalise.report import print_notes
from etl.format import layout
from etl.format import manifest as manifests
from etl.format.manifest import Manifest
from etl.plan import output as outputs
from etl.plan.lines import encode_rejections
from etl.plan.plan import Plan
from etl.plan.resume import find, job_digest, keep_done
from etl.records import Unit
from etl.runners import failures
from etl.runners.dataflow import is_dataflow
from etl.runners.names import IN_PROCESS
from etl.storage import publishing
from etl.words import quantity

if TYPE_CHECKING:
    from etl.runners.dataflow.launch import DataflowRun
    from etl.runners.run import BeamRun


@dataclass(frozen=True, slots=True)
class Launch:
    """One run, where it goes, and what messages call it.

    Attributes:
        config: The run's configuration.
        runner: Beam's; None for this process.
        beam_args: Beam's part of the command line.
        again: What starts it once more.
        resume: What is added to go on from where it ended.
    """

    config: EtlConfig
    runner: str | None = None
    beam_args: tuple[str, ...] = ()
    again: str = "the same command"
    resume: str = "--resume"

    @property
    def resume_hint(self) -> str:
        """What to do when it ends before its end."""
        return f"{self.again} with {self.resume} goes on from what is done"


@dataclass(frozen=True, slots=True)
class Written:
    """What a run leaves: its manifest, None where the run goes on elsewhere; and notes about its inputs."""

    manifest: Manifest | None
    notes: Sequence[str]


def write_dataset(config: EtlConfig) -> Manifest:
    """Writes a data set in this process, as `python -m etl.run` does without `--runner`.

    Args:
        config: The run's configuration; paths may be relative.

    Returns:
        The manifest of the data set in `config.output`.

    Raises:
        ConfigError: a field is wrong for these inputs, or the output holds a data set and `overwrite` isn't set.
        DatasetError: too many inputs were rejected, or one changed meanwhile.
        PetalstreamError: the run failed otherwise; `resume=True` keeps what is done.
    """
    with naming_fields():
        written = write(Launch(_in_full(config), again="the same call", resume="resume=True"))
    # In this process a run comes to its end.
    return cast(Manifest, written.manifest)


def _in_full(config: EtlConfig) -> EtlConfig:
    """Returns a configuration as the command makes it: paths mean the same in any folder, the source knows all."""
    output = _full_path("--output", config.output)
    given = {name: getattr(config.options, name) for name in ("input", "labels", "classes_from")}
    found = {name: _full_path(f"--{name}", path) for name, path in given.items() if path is not None}
    options = dataclasses.replace(config.options, seed=config.options.seed or config.seed, output=output, **found)
    weights = config.embedding_weights
    if weights is not None and weights != IMAGENET:
        weights = _full_path("--embedding_weights", weights)
    return dataclasses.replace(config, output=output, options=options, embedding_weights=weights)


def _full_path(option: str, path: str) -> str:
    # Callers in Python often have a `Path`.
    return storage.absolute(paths.check(option, os.fspath(path)))


def write(launch: Launch) -> Written:
    """Writes the data set.

    Raises:
        ConfigError: something is wrong with the configuration or the runner's options.
        DatasetError: the run failed for a reason that a step of ours gave, and would so again.
        PetalstreamError: it failed otherwise, and can be resumed.
    """
    config, started = launch.config, time.time()
    dataflow = make_dataflow_run(launch, dry_run=False)
    # Where the next run would clean it up, should this one be killed here.
    storage.check_writable(config.output, f"{layout.building_name(new_run_id())}/check")
    with outputs.holding(config):
        replaces = outputs.check(config)
        return _write_held(launch, dataflow, replaces, started)


def make_dataflow_run(launch: Launch, *, dry_run: bool) -> DataflowRun | None:
    """Returns the run on Dataflow, its options checked, if it is one; only then is Beam imported by now."""
    if not is_dataflow(launch.runner):
        return None
    say_loading("apache_beam")
    from etl.runners.beam_options import make_options
    from etl.runners.dataflow.launch import DataflowRun

    options = make_options(launch.beam_args, launch.runner)
    return DataflowRun(launch.config, options, dry_run=dry_run)


def _make_beam_run(launch: Launch) -> BeamRun:
    """Returns the run on any other runner."""
    say_loading("apache_beam")
    from etl.runners.run import BeamRun

    return BeamRun(launch.config, launch.beam_args, launch.runner, launch.resume_hint)


def _write_held(launch: Launch, dataflow: DataflowRun | None, replaces: str, started: float) -> Written:
    """Writes the data set into an output that this run holds; `replaces` tells which one is there now."""
    config = launch.config
    check_weights(config, load=False)
    with Plan(config) as plan:
        # What is wrong with the input shows before anything heavy is imported; all that is wrong with the options
        # before anything is listed.
        loads_weights = dataflow is None and any(variant.weights(config) for variant in variants.chosen(config))
        if launch.runner in IN_PROCESS or loads_weights:
            say_loading("apache_beam", "tensorflow")
            load_tensorflow()
        run = dataflow or _make_beam_run(launch)
        check_weights(config, load=loads_weights)
        fill(plan, keeps=True)
        notes = plan.source_notes
        job = job_digest(config, plan.class_names, (content for _, content in plan.units("")))
        if outputs.is_complete(config, job):
            note(f"{config.output}: complete already, nothing to resume")
            return Written(_load(config), notes)
        facts, units = _prepare(launch, plan, job, replaces, started)
    if not _run(run, launch, facts, units):
        return Written(None, notes)
    # Of runs that were killed: they can't publish any more.
    for folder in outputs.unfinished_runs(config.output):
        publishing.discard(folder)
    return Written(_load(config), notes)


def _load(config: EtlConfig) -> Manifest:
    return manifests.load(config.output, storage.read_text)


def fill(plan: Plan, *, keeps: bool) -> None:
    """Lists all inputs; `keeps` says whether to keep a list of the rejected ones where they are too many."""
    plan.fill()
    print_notes(plan.describe())
    counts, fraction = plan.rejected(), plan.config.max_rejected_fraction
    if rejected.is_too_many(counts, plan.num_read, fraction):
        rejected.fail(counts, plan.num_read, fraction, plan.rejections(), plan.config.output if keeps else None)


def check_weights(config: EtlConfig, *, load: bool) -> None:
    """Checks the networks' weights before any work.

    Args:
        config: The run's configuration.
        load: Whether to load them, which tells weights of another network too; it takes TensorFlow.

    Raises:
        ConfigError: they can't be had.
    """
    for variant in variants.chosen(config):
        variant.check_weights(config, load=load)


def new_run_id() -> str:
    """Makes the name of a run."""
    return uuid.uuid4().hex[:12]


def plan_dir(config: EtlConfig, run_id: str) -> str:
    """Returns the folder of a run in which each unit's list of images lies."""
    return f"{layout.building_dir(config.output, run_id)}/{layout.PLAN_NAME}"


def gather_facts(
    launch: Launch, plan: Plan, units: Sequence[Unit], run_id: str, started: float, job: str = "", replaces: str = ""
) -> PlanFacts:
    """Returns what the last step has to know of a plan."""
    return PlanFacts(
        run_id=run_id,
        job=job,
        started=started,
        runner=launch.runner or "in process",
        class_names=plan.class_names,
        splits=tuple(plan.splits()),
        num_read=plan.num_read,
        rejected=plan.rejected(),
        rejected_path=f"{layout.building_dir(launch.config.output, run_id)}/{layout.REJECTED_NAME}",
        duplicates=plan.duplicates(),
        num_shards=len({unit.shard for unit in units}),
        replaces=replaces,
        ignored=plan.ignored(),
    )


def _prepare(launch: Launch, plan: Plan, job: str, replaces: str, started: float) -> tuple[PlanFacts, list[Unit]]:
    """Writes down what the workers need, in the run's own folder."""
    config = launch.config
    earlier = find(config, job)
    run_id = layout.run_id_of(earlier) if earlier and config.resume else new_run_id()
    own_dir = layout.building_dir(config.output, run_id)
    units = []
    for unit, content in plan.units(plan_dir(config, run_id)):
        storage.write_atomically(unit.plan_path, content)
        units.append(unit)
    facts = gather_facts(launch, plan, units, run_id, started, job, replaces)
    storage.write_atomically(f"{own_dir}/{layout.JOB_NAME}", job.encode())
    if earlier:
        done = keep_done(units, earlier)
        num_done = sum(bool(unit.done_path) for unit in done)
        end = "kept" if config.resume else f"{launch.resume} would keep them"
        note(f"an unfinished run left {num_done:,} of {quantity(len(units), 'unit')}: {end}")
        units = done if config.resume else units
    storage.write_atomically(facts.rejected_path, encode_rejections(plan.rejections()))
    # What an earlier attempt left in the same folder is told no more.
    storage.delete(f"{own_dir}/{layout.FAILURE_NAME}")
    return facts, units


def _run(run: DataflowRun | BeamRun, launch: Launch, facts: PlanFacts, units: list[Unit]) -> bool:
    """Runs the pipeline to its end; returns whether it waited for that.

    Raises:
        DatasetError: the run failed for a reason that a step of ours gave, and would so again.
        PetalstreamError: it failed otherwise, and can be resumed.
    """
    own_dir = facts.building_dir(launch.config.output)
    try:
        with (
            failures.translate_errors(f"{own_dir}/{layout.FAILURE_NAME}", own_dir, launch.resume_hint),
            interrupts.hinting(lambda: run.hint),
        ):
            return run.run(facts, units)
    except DatasetError:
        # There is nothing in it that another run could use.
        publishing.discard(own_dir)
        raise
