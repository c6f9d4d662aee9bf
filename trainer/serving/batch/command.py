"""The command line: makes instances, or runs the pipeline over them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from etl import interrupts, progress, storage
from etl.cli import HelpFormatter, Parser, console, load_tensorflow, note, number, path, say_loading
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError
from etl.format.layout import FAILURE_NAME
from etl.runners import failures, registry
from etl.runners.dataflow import is_dataflow
from etl.runners.names import IN_PROCESS
from etl.storage import locks
from etl.words import quantity
from trainer.files import is_remote
from trainer.layout import find_model
from trainer.serving.batch.gather import lock_path, unfinished_runs, version
from trainer.serving.batch.instances import write_instances
from trainer.serving.batch.job import REASONS, SUMMARY_NAME, Job, Unit
from trainer.serving.batch.lines import count_lines, plan_units

PROG = "trainer.batch_predict"

_HINT = "nothing was written; the same command begins anew"

_EPILOG = """\
--make_instances writes one JSON line an image: {"key": "daisy/1.jpg", "image_bytes": {"b64": "..."}}, or with
--by_name {"key": "daisy/1.jpg", "filenames": "/photos/daisy/1.jpg"}. Without it --input is such a file, and each of
its lines is answered by one line of --output, in order: {"instance": {"key": ...}, "prediction": {...}}, or
{"instance": {"key": ...}, "error": "..."}.

All options of Apache Beam and of its runners may be given too, for example --runner DataflowRunner --project P
--region R --temp_location gs://B/tmp. What is meant for a runner's own server follows a bare --.
Without --runner (or with --runner DirectRunner) the job runs in this process, on all cores.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0, or 1 where more instances failed than `--max_failed_fraction` allows.
    """
    ours, server_args = registry.split_server_args(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments, beam_args = parser.parse_known_args(ours)
    _check(arguments, beam_args)
    registry.check_beam_args(beam_args, PROG, parser.option_names())
    if is_dataflow(arguments.runner):
        _check_cloud(arguments, [*beam_args, *server_args])
    output = storage.absolute(arguments.output)
    if storage.is_local(output) and os.path.isdir(output):
        raise ConfigError("--output", arguments.output, "a file, and this is a folder")
    with interrupts.hinting(lambda: _HINT), locks.hold(lock_path(output), "--output", arguments.output):
        if not arguments.overwrite and storage.exists(output):
            raise ConfigError("--output", arguments.output, "a file that isn't there", "add --overwrite to replace it")
        if arguments.make_instances:
            count = write_instances(arguments.make_instances, output, by_name=arguments.by_name)
            note(f"{arguments.output}: {quantity(count, 'instance')}")
            return EXIT_OK
        return _predict(arguments, output, [*beam_args, *server_args])


def _parser() -> Parser:
    parser = Parser(
        prog=PROG,
        description="Asks an exported model about many photographs, with Apache Beam.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "--output", type=path("--output"), required=True, metavar="FILE", help="what to write, local or gs://..."
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE, once the new one is complete")
    making = parser.add_argument_group("making instances")
    making.add_argument(
        "--make_instances",
        type=path("--make_instances"),
        nargs="+",
        metavar="FILE",
        help="images, folders of them, or patterns as 'photos/**/*.jpg'",
    )
    making.add_argument("--by_name", action="store_true", help="only name the images, and leave reading to the workers")
    predicting = parser.add_argument_group("predicting")
    predicting.add_argument(
        "--model_dir", type=path("--model_dir"), metavar="DIR", help="a SavedModel, or the --output_dir of trainer.task"
    )
    predicting.add_argument(
        "--input", type=path("--input"), metavar="FILE", help="JSON lines of instances, local or gs://..."
    )
    predicting.add_argument(
        "--batch_size",
        type=number("--batch_size", int, minimum=1, what="instances, 1 or more"),
        default=32,
        metavar="N",
        help="instances a call of the model",
    )
    predicting.add_argument(
        "--max_failed_fraction",
        type=number("--max_failed_fraction", float, minimum=0, maximum=1, what="a share from 0 to 1"),
        default=1.0,
        metavar="SHARE",
        help="end with code 1 when more instances failed; all predictions are written all the same",
    )
    registry.add_arguments(predicting, "batches")
    return parser


def _check(arguments: argparse.Namespace, beam_args: Sequence[str]) -> None:
    """Checks that what is given goes together.

    Raises:
        ConfigError: something is missing, or would do nothing.
    """
    if arguments.make_instances:
        for name in ("model_dir", "input", "runner"):
            if getattr(arguments, name) is not None:
                raise ConfigError(f"--{name}", getattr(arguments, name), "no such option beside --make_instances")
        if beam_args:
            raise ConfigError(beam_args[0], None, "no such option beside --make_instances")
        return
    if arguments.by_name:
        raise ConfigError("--by_name", True, "no such option without --make_instances")
    for name in ("model_dir", "input"):
        if getattr(arguments, name) is None:
            raise ConfigError(f"--{name}", None, "a value", "or --make_instances for making an input")


def _check_cloud(arguments: argparse.Namespace, beam_args: Sequence[str]) -> None:
    """Checks what a run on Dataflow needs, before anything is read.

    Raises:
        ConfigError: an option is missing or wrong, or a path is where workers can't reach it.
    """
    say_loading("apache_beam")
    from etl.runners.beam_options import make_options
    from etl.runners.dataflow import checks

    checks.check_options(make_options(beam_args, arguments.runner))
    for name in ("model_dir", "input", "output"):
        expected = "a path on Cloud Storage, as gs://my-bucket/predictions, which Dataflow's workers can reach"
        checks.check_gs(f"--{name}", getattr(arguments, name), expected)


def _predict(arguments: argparse.Namespace, output: str, beam_args: Sequence[str]) -> int:
    started = time.monotonic()
    source = storage.absolute(arguments.input)
    num_bytes, units = plan_units(source)
    if not num_bytes:
        raise ConfigError("--input", arguments.input, "JSON lines of instances, one at least", "this file is empty")
    job = Job(
        run_id=uuid.uuid4().hex[:12],
        model_dir=storage.absolute(arguments.model_dir),
        input=source,
        num_bytes=num_bytes,
        output=output,
        num_units=len(units),
        batch_size=arguments.batch_size,
        num_threads=arguments.direct_num_workers,
        replaces=version(output),
    )
    try:
        summary = _run(job, units, arguments.runner, beam_args)
    finally:
        storage.delete_tree(job.building_dir)
    # Of runs that were killed.
    for folder in unfinished_runs(output):
        storage.delete_tree(folder)
    _print_summary(arguments.output, summary, time.monotonic() - started)
    share = sum(summary["failed"].values()) / max(1, summary["num_instances"])
    if share > arguments.max_failed_fraction:
        limit = f"--max_failed_fraction is {arguments.max_failed_fraction:g}"
        print(f"error: {share:.1%} of the instances failed, and {limit}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def _run(job: Job, units: Sequence[Unit], runner: str | None, beam_args: Sequence[str]) -> Mapping[str, Any]:
    """Runs the pipeline to its end; returns what its last step says.

    Raises:
        ConfigError: the model can't be loaded.
        PetalstreamError: the run failed.
    """
    if not is_remote(job.model_dir):
        find_model(job.model_dir)
    if runner in IN_PROCESS:
        say_loading("apache_beam", "tensorflow")
        load_tensorflow()
    say_loading("apache_beam")
    from trainer.serving.batch import pipeline

    if runner in IN_PROCESS:
        # Before any work; the pipeline finds it loaded.
        pipeline.load(job.model_dir, job.run_id)
    # Of an object store the lines are not read twice, and workers elsewhere report to nobody here.
    total = count_lines(job.input) if storage.is_local(job.input) else None
    shown = progress.step("predict", total, "instances") if runner in IN_PROCESS else nullcontext()
    # The run's own folder goes whatever happens: the trace of a failure lies elsewhere.
    with failures.translate_errors(f"{job.building_dir}/{FAILURE_NAME}", log_dir=""), _without_notice(), shown:
        pipeline.run(job, units, runner, beam_args)
    summary: Mapping[str, Any] = json.loads(storage.read_text(f"{job.building_dir}/{SUMMARY_NAME}"))
    return summary


@contextmanager
def _without_notice() -> Iterator[None]:
    """Keeps back what Beam says, wrongly, where a package is missing that only its model manager needs."""
    root = logging.getLogger()

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Resource module is not available")

    root.addFilter(is_wanted)
    try:
        yield
    finally:
        root.removeFilter(is_wanted)


def _print_summary(output: str, summary: Mapping[str, Any], seconds: float) -> None:
    from rich.table import Table

    total, failed = summary["num_instances"], summary["failed"]
    table = Table("predictions", "", show_header=False)
    table.columns[1].justify = "right"
    table.columns[1].overflow = "fold"
    table.add_row("instances", f"{total:,}")
    table.add_row("predicted", f"{total - sum(failed.values()):,}")
    for reason, count in sorted(failed.items(), key=lambda item: -item[1]):
        table.add_row(f"failed, {reason}: {REASONS[reason]}", f"{count:,}")
    table.add_row("time", f"{seconds:.1f} s")
    table.add_row("output", output)
    console().print(table)
