"""`python -m etl.run`: photographs in, a data set out. The only file of the ETL that reads argv."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Sequence

from etl import manifest, progress, storage
from etl.cli import load_tensorflow
from etl.config import EtlConfig
from etl.errors import EXIT_OK, ConfigError, DatasetError, run_main
from etl.finalise import BUILDING_PREFIX, FAILURE_NAME, PlanFacts, check_rejected
from etl.lines import encode_rejections
from etl.options import Command, parse
from etl.plan import Plan
from etl.records import Unit
from etl.report import print_plan, print_summary
from etl.resume import JOB_NAME, find, job_digest, keep_done
from etl.runners import IN_PROCESS, make_options, make_runner


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ETL's command line; returns its exit code."""
    command = parse(sys.argv[1:] if argv is None else argv)
    config = command.config
    _check_output(config)
    started = time.time()
    if command.runner in IN_PROCESS and not command.dry_run:
        load_tensorflow()
    if "embedding" in config.variants:
        from etl import embedding

        # Before any work: weights that can't be had, or are another network's, are the operator's to mend.
        embedding.network(config.embedding_weights or "", config.embedding_alpha)
    with Plan(config) as plan:
        plan.fill()
        check_rejected(plan.rejected(), plan.num_read, config.max_rejected_fraction)
        if command.dry_run:
            print_plan(plan)
            return EXIT_OK
        job = job_digest(config, (content for _, content in plan.units("")))
        if _is_complete(config, job):
            print(f"{config.output}: complete already, nothing to resume", file=sys.stderr)
            print_summary(config, manifest.load(config.output, storage.read_text))
            return EXIT_OK
        facts, units = _prepare(command, plan, job, started)
    _run(command, facts, units)
    print_summary(config, manifest.load(config.output, storage.read_text))
    return EXIT_OK


def _check_output(config: EtlConfig) -> None:
    """Checks that the run would replace no data set unless it may.

    Raises:
        ConfigError: the output is a file, or holds a data set.
    """
    if storage.is_local(config.output) and os.path.isfile(config.output):
        raise ConfigError("--output", config.output, "a folder, and this is a file")
    may_exist = config.overwrite or config.resume
    if not may_exist and storage.exists(manifest.join(config.output, manifest.FILE_NAME)):
        raise _taken(config)


def _taken(config: EtlConfig) -> ConfigError:
    mend = "add --overwrite to replace it once the new one is complete"
    return ConfigError("--output", config.output, "a folder without a data set", mend)


def _is_complete(config: EtlConfig, job: str) -> bool:
    """Tells whether the output already holds what a resumed run would make.

    Raises:
        ConfigError: it holds another data set, which may not be replaced.
    """
    if not config.resume or not storage.exists(manifest.join(config.output, manifest.FILE_NAME)):
        return False
    if manifest.load(config.output, storage.read_text).run.get("job") == job:
        return True
    if not config.overwrite:
        raise _taken(config)
    return False


def _prepare(command: Command, plan: Plan, job: str, started: float) -> tuple[PlanFacts, list[Unit]]:
    """Writes down what the workers need, in the run's own folder."""
    config = command.config
    earlier = find(config, job)
    run_id = uuid.uuid4().hex[:12]
    if earlier and config.resume:
        run_id = earlier.rpartition(BUILDING_PREFIX)[2]
    building_dir = f"{config.output}/{BUILDING_PREFIX}{run_id}"
    units = []
    for unit, content in plan.units(f"{building_dir}/plan"):
        storage.write_atomically(unit.plan_path, content)
        units.append(unit)
    storage.write_atomically(f"{building_dir}/{JOB_NAME}", job.encode())
    if earlier:
        done = keep_done(units, earlier)
        num_done = sum(bool(unit.done_path) for unit in done)
        end = "kept" if config.resume else "--resume would keep them"
        print(f"an unfinished run left {num_done:,} of {len(units):,} units: {end}", file=sys.stderr)
        units = done if config.resume else units
    rejected_path = f"{building_dir}/rejected.jsonl"
    storage.write_atomically(rejected_path, encode_rejections(plan.rejections()))
    facts = PlanFacts(
        run_id=run_id,
        job=job,
        started=started,
        runner=command.runner or "in process",
        class_names=plan.class_names,
        splits=tuple(plan.splits()),
        num_read=plan.num_read,
        rejected=plan.rejected(),
        rejected_path=rejected_path,
        duplicates=plan.duplicates(),
        num_shards=len({unit.shard for unit in units}),
    )
    return facts, units


def _run(command: Command, facts: PlanFacts, units: list[Unit]) -> None:
    """Runs the pipeline to its end.

    Raises:
        DatasetError: the run failed for a reason that a step of ours gave.
    """
    import apache_beam as beam

    from etl.pipeline import build

    options = make_options(command.beam_args)
    pipeline = beam.Pipeline(runner=make_runner(command.runner), options=options)
    build(pipeline, command.config, facts, units)
    total = sum(unit.num_images for unit in units if not unit.done_path)
    try:
        with progress.step("write", total):
            pipeline.run().wait_until_finish()
    except Exception:
        # A runner wraps what a worker raised in errors of its own; a step of ours leaves its line in the run's folder.
        failure = f"{facts.building_dir(command.config.output)}/{FAILURE_NAME}"
        if not storage.exists(failure):
            raise
        message = storage.read_text(failure)
        storage.delete_tree(facts.building_dir(command.config.output))
        raise DatasetError(message) from None


if __name__ == "__main__":
    sys.exit(run_main(main))
