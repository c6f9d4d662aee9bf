"""The ETL's command line: our own options, Beam's, and what is meant for a runner's server."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from etl import storage
from etl.backbones.weights import ALPHAS
from etl.cli import HelpFormatter, Parser, number, parse_size, path
from etl.config import (
    COMPRESSIONS,
    DEFAULT_SPLITS,
    PIXEL_DTYPES,
    RESIZES,
    SPLIT_BY,
    EtlConfig,
    all_cores,
    parse_shard_bytes,
    parse_splits,
)
from etl.errors import ConfigError
from etl.runners import registry
from etl.runners.dataflow import is_dataflow
from etl.sources import SOURCES, declared
from etl.sources.options import Flag
from etl.variants import VARIANTS
from etl.variants.jpeg import DEFAULT_QUALITY

PROG = "etl.run"
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(EtlConfig)}

# Dataflow starts a process for each core of a worker; the second thread works while the first writes.
_DATAFLOW_THREADS = 2

_EPILOG = """\
Without --runner (or with --runner DirectRunner) the job runs in this process, on all cores. All options of Apache
Beam and of its runners may be given too; what is meant for a runner's own server follows a bare --.

On Dataflow, with --input and --output on gs://:
  --runner DataflowRunner --project P --region R --temp_location gs://B/tmp
    [--sdk_container_image IMAGE]       an image of etl/Dockerfile; else each worker installs this project's packages
    [--service_account_email A] [--worker_machine_type T] [--max_num_workers N] [--no_use_public_ips --subnetwork S]
    [--direct_num_workers N]            2 in each of a worker's processes, of which there is one a core
    [--dry_run [--dataflow_job_file F]] shows the job that Dataflow would get, without an account
  docs/dataflow.md has it all, from an empty project on.

A run that was ended goes on with --resume. PETALSTREAM_TRACEBACK=1 shows the whole trace of one that failed.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command line: the configuration, what to do with it, and Beam's part."""

    config: EtlConfig
    dry_run: bool
    runner: str | None
    beam_args: tuple[str, ...]


def parser() -> Parser:
    """Makes the parser of our own options.

    Raises:
        ConfigError: a source declares its options badly.
    """
    made = Parser(
        prog=PROG,
        description="Turns photographs into sharded TFRecords, with a manifest that says what is inside.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    try:
        _add_input(made.add_argument_group("input"))
        _add_output(made.add_argument_group("output"))
        _add_run(made.add_argument_group("run"))
    except argparse.ArgumentError as error:
        name = error.argument_name
        raise ConfigError("OPTIONS of a source", name, "options of its own", f"all sources have {name}") from None
    return made


def parse(argv: Sequence[str]) -> Command:
    """Parses a whole command line.

    Raises:
        ConfigError: whatever is wrong with it, before any work starts.
    """
    try:
        return _parse(argv)
    except ConfigError as error:
        # The configuration's own checks name its fields.
        flagged = error.naming_flags()
        raise flagged from flagged.__cause__


def _parse(argv: Sequence[str]) -> Command:
    ours, server_args = registry.split_server_args(argv)
    arguments, rest = parser().parse_known_args(ours)
    registry.check_beam_args(rest, PROG, parser().option_names())
    values = {
        **vars(arguments),
        "input": arguments.input and storage.absolute(arguments.input),
        "labels": arguments.labels and storage.absolute(arguments.labels),
        "classes_from": arguments.classes_from and storage.absolute(arguments.classes_from),
        "output": storage.absolute(arguments.output),
    }
    config = EtlConfig(
        source=arguments.source,
        output=values["output"],
        variants=tuple(arguments.variants.split(",")),
        image_size=arguments.image_size,
        resize=arguments.resize,
        jpeg_quality=arguments.jpeg_quality,
        pixel_dtype=arguments.pixel_dtype,
        compression=arguments.compression,
        embedding_weights=_weights_path(arguments.embedding_weights),
        embedding_alpha=arguments.embedding_alpha,
        splits=arguments.splits,
        seed=arguments.seed,
        shard_bytes=arguments.shard_mb,
        max_pixels=arguments.max_pixels,
        max_rejected_fraction=arguments.max_rejected_fraction,
        overwrite=arguments.overwrite,
        resume=arguments.resume,
        num_threads=arguments.direct_num_workers or _default_threads(arguments.runner),
        options=declared.make(arguments.source, values),
    )
    declared.refuse_others(arguments.source, values)
    return Command(config, arguments.dry_run, arguments.runner, (*rest, *server_args))


def _default_threads(runner: str | None) -> int:
    return _DATAFLOW_THREADS if is_dataflow(runner) else all_cores()


def _weights_path(weights: str | None) -> str | None:
    return weights if weights in (None, "imagenet") else storage.absolute(weights)


def _add_input(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--source", choices=SOURCES, required=True, help="what kind of data set to read")
    group.add_argument("--input", type=path("--input"), help="folder or file to read; for csv the CSV file")
    group.add_argument(
        "--labels", type=path("--labels"), metavar="FILE", help="class names, one a line, in the order of label_int"
    )
    group.add_argument(
        "--split_by",
        choices=SPLIT_BY,
        default="auto",
        help="how to split: a seeded hash of the content, the data set's official lists, the CSV's column; "
        "auto: the lists or the column where there are any",
    )
    group.add_argument(
        "--classes_from",
        type=path("--classes_from"),
        metavar="MANIFEST",
        help="keep the class names of an earlier data set",
    )
    for own in declared.own_flags().values():
        for flag in own:
            _add_own(group, flag)


def _add_own(group: argparse._ArgumentGroup, flag: Flag) -> None:
    """Adds an option of one source."""
    if flag.default is False:
        group.add_argument(f"--{flag.name}", action="store_true", help=flag.help)
        return
    group.add_argument(
        f"--{flag.name}",
        type=flag.parse or str,
        choices=flag.choices,
        default=flag.default,
        metavar=flag.metavar,
        help=flag.help,
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        type=path("--output"),
        required=True,
        metavar="DIR",
        help="folder of the data set, local or gs://...",
    )
    group.add_argument("--variants", default="jpeg", help=f"one or more of {','.join(VARIANTS)}, with commas between")
    group.add_argument(
        "--image_size",
        type=parse_size,
        metavar="SIZE",
        help="224, or height x width as 224x320; uint8 pixels need it, and "
        "JPEGs written beside them stay untouched unless --jpeg_quality is given",
    )
    group.add_argument(
        "--resize", choices=RESIZES, default=_DEFAULTS["resize"], help="how an image is brought to --image_size"
    )
    group.add_argument(
        "--jpeg_quality",
        type=number("--jpeg_quality", int, minimum=1, maximum=100, what="a whole number from 1 to 100"),
        help=f"where a JPEG has to be encoded; default {DEFAULT_QUALITY}",
    )
    group.add_argument(
        "--pixel_dtype",
        choices=PIXEL_DTYPES,
        default=_DEFAULTS["pixel_dtype"],
        help="how pixels are stored: bytes, or a flattened float list in [0, 1]",
    )
    group.add_argument("--compression", choices=COMPRESSIONS, default=_DEFAULTS["compression"], help="of whole files")
    group.add_argument(
        "--embedding_weights",
        type=path("--embedding_weights"),
        metavar="imagenet|FILE",
        help="MobileNetV2's weights, without its top; embedding needs them",
    )
    group.add_argument(
        "--embedding_alpha",
        type=float,
        choices=ALPHAS,
        default=_DEFAULTS["embedding_alpha"],
        help="MobileNetV2's width",
    )
    group.add_argument(
        "--splits",
        type=parse_splits,
        default=",".join(f"{name}={share:g}" for name, share in DEFAULT_SPLITS.items()),
        metavar="NAME=SHARE,...",
        help="splits and their shares",
    )
    group.add_argument(
        "--seed",
        type=number("--seed", int, what="a whole number"),
        default=0,
        help="of the splits and of the order over all shards",
    )
    group.add_argument(
        "--shard_mb", type=parse_shard_bytes, default="100", metavar="MB", help="the size that shards aim at"
    )
    group.add_argument(
        "--overwrite", action="store_true", help="replace the data set in DIR, once the new one is complete"
    )


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--resume", action="store_true", help="keep the shards that an unfinished run of the same job left in DIR"
    )
    group.add_argument(
        "--dry_run", action="store_true", help="show what would be read and written, on Dataflow the job too, and stop"
    )
    group.add_argument(
        "--max_rejected_fraction",
        type=number("--max_rejected_fraction", float, minimum=0, maximum=1, what="a share from 0 to 1"),
        default=_DEFAULTS["max_rejected_fraction"],
        metavar="SHARE",
        help="fail, before the manifest, when more inputs are rejected",
    )
    group.add_argument(
        "--max_pixels",
        type=number("--max_pixels", int, minimum=1, what="height times width, 1 or more"),
        default=_DEFAULTS["max_pixels"],
        help="reject larger images before decoding them",
    )
    registry.add_arguments(group, "images")
