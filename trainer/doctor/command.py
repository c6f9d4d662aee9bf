"""`python -m trainer.ingest.doctor DIR`: finds the bottleneck of the input, its limit, and changes that help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etl.cli import Parser, load_tensorflow, number, parse_size, path, say_loading
from etl.errors import EXIT_OK, ConfigError, DatasetError, one_line
from etl.format import manifest as manifests
from etl.format.manifest import Manifest, Variant
from etl.paths import join
from etl.process import lifecycle
from trainer import models
from trainer.doctor.accelerators import ACCELERATORS, Accelerator, parse_accelerator
from trainer.files import is_remote, read_text, write_bytes
from trainer.ingest.config import IngestConfig

PROG = "trainer.ingest.doctor"
PLOT_NAME = "doctor.png"

# What most models take; for images of several sizes, where none is given.
_DEFAULT_SIZE = (224, 224)
_DEFAULT_BATCH_SIZE = IngestConfig().batch_size
_DEFAULT_SECONDS = 2.0
_MAX_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command line; see `parser` for what each option means."""

    data_dir: str
    variant: str | None
    split: str
    image_size: tuple[int, int] | None
    batch_size: int
    training: bool
    seconds: float
    model: str | None
    accelerator: Accelerator | None
    threads: int | None
    plot: str
    format: str


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    command = parse(sys.argv[1:] if argv is None else argv)
    manifest = _load_manifest(command.data_dir)
    variant = _choose_variant(manifest, command.variant)
    manifest.split(variant, command.split)
    if command.model:
        models.find(command.model)
    _check_plot(command.plot)
    say_loading("tensorflow")
    load_tensorflow()
    _examine(command, variant)
    return EXIT_OK


def parser() -> Parser:
    """Makes the parser of all flags."""
    made = Parser(
        prog=PROG,
        description="Times each stage of a data set's input, says which one binds and what to change, and draws it.",
        formatter_class=argparse.HelpFormatter,
    )
    made.add_argument(
        "data_dir", type=path("DIR"), metavar="DIR", help="folder of the data set, local or on an object store"
    )
    made.add_argument("--variant", help="which variant of the data set (default: its first)")
    made.add_argument("--split", default="train", help="which split (default: train)")
    made.add_argument(
        "--image_size",
        type=parse_size,
        metavar="SIZE",
        help="what the model takes: 224, or height x width as 224x320 (default: as stored, else 224)",
    )
    made.add_argument(
        "--batch_size",
        type=number("--batch_size", int, minimum=1, what="images, 1 or more"),
        default=_DEFAULT_BATCH_SIZE,
        metavar="N",
        help=f"images a batch (default: {_DEFAULT_BATCH_SIZE})",
    )
    made.add_argument(
        "--training",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="read as for training (shuffled, random windows, augmented) or as for validation",
    )
    made.add_argument(
        "--seconds",
        type=number("--seconds", float, minimum=0.05, maximum=_MAX_SECONDS, what="seconds from 0.05 to 600"),
        default=_DEFAULT_SECONDS,
        metavar="S",
        help=f"how long each measurement may take (default: {_DEFAULT_SECONDS:g})",
    )
    made.add_argument(
        "--model", metavar="NAME", help=f"train it for some steps and see how long it waits: {', '.join(models.MODELS)}"
    )
    made.add_argument(
        "--accelerator",
        type=parse_accelerator,
        metavar="NAME",
        help=f"what is to be fed: {', '.join(ACCELERATORS)}, or images a second (default: all of these)",
    )
    made.add_argument(
        "--threads",
        type=number("--threads", int, minimum=1, what="threads, 1 or more"),
        metavar="N",
        help="for reading and decoding (default: one a core)",
    )
    made.add_argument(
        "--plot", type=path("--plot"), metavar="FILE", help=f"the picture, a PNG (default: {PLOT_NAME} in DIR)"
    )
    made.add_argument(
        "--format", choices=("table", "json"), default="table", help="of what is printed (default: table)"
    )
    return made


def parse(argv: Sequence[str]) -> Command:
    """Parses a command line.

    Raises:
        ConfigError: whatever is wrong with it.
    """
    arguments = vars(parser().parse_args(argv))
    plot = arguments.pop("plot") or join(arguments["data_dir"], PLOT_NAME)
    return Command(**arguments, plot=plot)


def _examine(command: Command, variant: Variant) -> None:
    """Measures, draws and reports; everything that needs TensorFlow."""
    import tensorflow as tf

    from trainer.doctor import chart, report
    from trainer.doctor.examination import Examination, count_measurements, examine
    from trainer.doctor.progress import display
    from trainer.ingest import plan as plans

    has_images = variant.encoding.has_images
    size = command.image_size or (variant.image.size or _DEFAULT_SIZE if has_images else None)
    config = IngestConfig(
        batch_size=command.batch_size,
        image_size=size,
        training=command.training,
        epoch=0,
        map_parallelism=command.threads,
        private_threads=command.threads,
    )
    task = Examination(
        data_dir=command.data_dir,
        variant=variant.name,
        split=command.split,
        config=config,
        seconds=command.seconds,
        model=command.model,
        num_threads=command.threads or plans.num_cores(),
    )
    try:
        with display(count_measurements(task)) as say:
            findings = examine(task, say)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise DatasetError(
            f"{command.data_dir}: a record of {variant.name}/{command.split} can't be read: {one_line(error)[:200]}; "
            "python -m etl.inspect says which"
        ) from error
    write_bytes(command.plot, chart.draw(findings))
    # Their figures are of images: on embeddings they say nothing.
    known = list(ACCELERATORS.values()) if has_images else []
    shown = [command.accelerator] if command.accelerator else known
    print_all = report.print_json if command.format == "json" else report.print_tables
    print_all(findings, shown, command.accelerator, command.plot)


def _load_manifest(data_dir: str) -> Manifest:
    """Loads the manifest; only on an object store does that need TensorFlow."""
    if is_remote(data_dir):
        return manifests.load(data_dir, read_text)
    if not os.path.isdir(data_dir):
        raise ConfigError("DIR", data_dir, "the folder of a data set, which python -m etl.run writes")
    return manifests.load(data_dir)


def _choose_variant(manifest: Manifest, name: str | None) -> Variant:
    return manifest.variant(name if name is not None else next(iter(manifest.variants), None))


def _check_plot(path: str) -> None:
    """Finds out before the measurements whether the picture can be written."""
    folder = os.path.dirname(path) or "."
    if not is_remote(path) and os.path.isdir(path):
        raise ConfigError("--plot", path, "a file, and this is a folder")
    if not is_remote(path) and not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise ConfigError("--plot", path, "a file in a folder that exists and can be written to")


if __name__ == "__main__":
    lifecycle.end_with(main)
