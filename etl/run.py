"""`python -m etl.run`: images in, a data set out. The only file of the ETL that reads argv."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from etl import storage
from etl.errors import EXIT_OK
from etl.finalise.report import print_notes, print_plan, print_summary
from etl.options import parse
from etl.plan import output as outputs
from etl.plan.plan import Plan
from etl.process import lifecycle
from etl.sources.files import archive
from etl.write import (
    Launch,
    check_weights,
    fill,
    gather_facts,
    make_dataflow_run,
    new_run_id,
    plan_dir,
    write,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ETL's command line; returns its exit code."""
    command = parse(sys.argv[1:] if argv is None else argv)
    launch = Launch(command.config, command.runner, command.beam_args)
    return _show(launch) if command.dry_run else _write(launch)


def _show(launch: Launch) -> int:
    """Shows what a run would read and write, and the job that Dataflow would get."""
    config, started = launch.config, time.time()
    dataflow = make_dataflow_run(launch, dry_run=True)
    # A store is asked only where images lie there: a job can be shown without an account.
    if storage.is_local(config.output) or not storage.is_local(config.options.input or ""):
        outputs.check(config)
    if dataflow is None:
        check_weights(config, load=False)
    with archive.offline(), Plan(config) as plan:
        fill(plan, keeps=False)
        print_plan(plan)
        if dataflow is not None:
            run_id = new_run_id()
            units = [unit for unit, _ in plan.units(plan_dir(config, run_id))]
            dataflow.show(gather_facts(launch, plan, units, run_id, started), units)
    return EXIT_OK


def _write(launch: Launch) -> int:
    """Writes the data set, and shows what is in it where the run has waited for it."""
    written = write(launch)
    if written.manifest is not None:
        print_summary(launch.config, written.manifest)
        # Again: by now they are out of sight.
        print_notes(written.notes)
    return EXIT_OK


if __name__ == "__main__":
    lifecycle.end_with(main)
