"""The command that writes drawn images as files."""

from __future__ import annotations

from pathlib import Path

from etl import cli, errors, interrupts, progress
from etl.errors import ConfigError, limits
from etl.sources.synthetic import SyntheticOptions, list_images, parse_broken_fraction, parse_num_images, read
from etl.words import quantity


def main(argv: list[str] | None = None) -> int:
    """Writes drawn images as files.

    Args:
        argv: The command line without the program's name; None takes the process's own.

    Returns:
        The exit code.

    Raises:
        ConfigError: a wrong option, or a folder that is not empty.
    """
    arguments = _parser().parse_args(argv)
    folder = Path(arguments.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("DIR", arguments.folder, "a new or an empty folder", "nothing is overwritten here")
    options = SyntheticOptions(
        num_images=arguments.num_images, seed=arguments.seed, broken_fraction=arguments.broken_fraction
    )
    num_bytes = num_broken = 0
    hint = interrupts.hinting(lambda: f"delete {folder}, which is incomplete, before the same command")
    with hint, progress.step("draw", arguments.num_images):
        for image in list_images(options):
            path = folder / image.key
            path.parent.mkdir(parents=True, exist_ok=True)
            with limits.name_file(str(path)):
                num_bytes += path.write_bytes(read(image.uri))
            num_broken += "?broken=" in image.uri
            progress.advance()
    broken = f" ({num_broken} broken on purpose)" if num_broken else ""
    print(f"wrote {quantity(arguments.num_images, 'photograph')}{broken}, {num_bytes / 1e6:.1f} MB, to {folder}")
    return errors.EXIT_OK


def _parser() -> cli.Parser:
    defaults = SyntheticOptions()
    parser = cli.Parser(prog="etl.sources.synthetic", description="Draw photographs of flowers, one folder a class.")
    parser.add_argument("folder", type=cli.local_path("DIR"), metavar="DIR", help="a new or an empty folder")
    parser.add_argument(
        "--num_images",
        type=parse_num_images,
        default=defaults.num_images,
        help="how many to draw",
    )
    parser.add_argument(
        "--seed",
        type=cli.number("--seed", int, what="a whole number"),
        default=defaults.seed,
        help="another seed draws other photographs",
    )
    parser.add_argument(
        "--broken_fraction",
        type=parse_broken_fraction,
        default=0.0,
        help="the share that is broken on purpose",
    )
    return parser
