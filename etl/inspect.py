"""`python -m etl.inspect DIR`: is this data set whole, and what is in it?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etl import progress, storage
from etl.cli import Parser, load_tensorflow, note, path, say_loading, show_line
from etl.cli import console as open_console
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError
from etl.finalise.report import variants_table
from etl.format import layout
from etl.format import manifest as manifests
from etl.format.manifest import Manifest, Variant
from etl.paths import join
from etl.process import lifecycle
from etl.verify.contact_sheet import ContactSheet
from etl.verify.sizes import verify_sizes
from etl.words import quantity

if TYPE_CHECKING:
    from etl.verify.verify import Example, Report

# A person reads no more of them, and they are mostly of one kind.
_MOST_ERRORS = 100
_MOST_NAMES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 where all is as the manifest says, else 1."""
    parser = Parser(prog="etl.inspect", description="Checks a data set against its manifest and shows what is inside.")
    parser.add_argument("data_dir", type=path("DIR"), metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--compare",
        type=path("--compare"),
        metavar="DIR",
        help="another data set that should hold the same; checks both",
    )
    parser.add_argument("--quick", action="store_true", help="check that the shards are there, and read none of them")
    parser.add_argument(
        "--sheet",
        type=path("--sheet"),
        metavar="FILE",
        help=f"where to write the contact sheet; default DIR/{layout.SHEET_NAME}",
    )
    arguments = parser.parse_args(argv)
    if arguments.sheet and (arguments.compare or arguments.quick):
        other = "--compare" if arguments.compare else "--quick"
        raise ConfigError("--sheet", arguments.sheet, f"no {other} beside it, which draws no sheet")
    data_dir, manifest = _load(arguments.data_dir, "DIR")
    if arguments.compare:
        return _compare((data_dir, manifest), _load(arguments.compare, "--compare"), quick=arguments.quick)
    if arguments.quick:
        return _look(data_dir, manifest)
    sheet_path = arguments.sheet or join(data_dir, layout.SHEET_NAME)
    if storage.is_folder(sheet_path):
        raise ConfigError("--sheet", sheet_path, "a file, and this is a folder")
    return _inspect(data_dir, manifest, sheet_path)


def _load(path: str, option: str) -> tuple[str, Manifest]:
    data_dir = storage.absolute(path)
    if storage.is_local(data_dir) and not os.path.isdir(data_dir):
        raise ConfigError(option, path, "the folder of a data set")
    return data_dir, manifests.load(data_dir, storage.read_text)


def _inspect(data_dir: str, manifest: Manifest, sheet_path: str) -> int:
    sheet = ContactSheet(f"{manifest.dataset}: {quantity(manifest.counts.written, 'image')}", manifest.class_names)
    with_images = [variant.name for variant in manifest.variants.values() if variant.encoding.has_images]
    first = with_images[0] if with_images else ""

    def see(variant: Variant, example: Example) -> None:
        if variant.name == first and example.pixels is not None:
            sheet.add(example.features["label"].decode(), example.pixels)

    report = _verify(data_dir, manifest, see)
    console = open_console()
    console.print(variants_table(manifest))
    if _print_problems(data_dir, report.problems):
        return EXIT_FAILED
    console.print(
        f"ok: {quantity(report.num_records, 'record')} parsed and decoded, every digest as in the manifest",
        style="green",
    )
    if first:
        storage.write_atomically(sheet_path, sheet.to_png())
        show_line(sheet_path)
    return EXIT_OK


def _look(data_dir: str, manifest: Manifest) -> int:
    open_console().print(variants_table(manifest))
    if _print_problems(data_dir, verify_sizes(data_dir, manifest)):
        return EXIT_FAILED
    print("ok: every shard is there, as long as the manifest says; --quick read none of them")
    return EXIT_OK


def _verify(data_dir: str, manifest: Manifest, see: Callable[[Variant, Example], None] = lambda *_: None) -> Report:
    say_loading("tensorflow")
    load_tensorflow()
    from etl.verify.verify import verify

    total = sum(split.num_examples for variant in manifest.variants.values() for split in variant.splits.values())
    with progress.step("check", total, "records"):
        return verify(data_dir, manifest, os.cpu_count() or 1, see)


def _print_problems(data_dir: str, problems: Sequence[str]) -> bool:
    """Prints what is wrong with a data set; returns whether anything is."""
    _print_errors(problems, "problem")
    if problems:
        show_line(f"{data_dir}: {quantity(len(problems), 'problem')}; this data set is not what its manifest says")
    return bool(problems)


def _print_errors(lines: Sequence[str], unit: str) -> None:
    for line in lines[:_MOST_ERRORS]:
        note(f"error: {line}")
    if len(lines) > _MOST_ERRORS:
        note(f"error: and {quantity(len(lines) - _MOST_ERRORS, f'more {unit}')}")


def _compare(one: tuple[str, Manifest], other: tuple[str, Manifest], *, quick: bool) -> int:
    """Checks both data sets' files, and then compares what their manifests say of these."""
    is_damaged = False
    for data_dir, manifest in (one, other):
        problems = verify_sizes(data_dir, manifest) if quick else _verify(data_dir, manifest).problems
        is_damaged |= _print_problems(data_dir, [f"{data_dir}: {problem}" for problem in problems])
    lines = differences(one[1], other[1])
    _print_errors(lines, "difference")
    if is_damaged or lines:
        return EXIT_FAILED
    checked = (
        "by their manifests and the shards' sizes; --quick read no shard" if quick else "every record of both read"
    )
    print(f"equal: both have fingerprint {one[1].fingerprint}; {checked}")
    return EXIT_OK


def differences(one: Manifest, other: Manifest) -> list[str]:
    """Says, a line each, in what two data sets differ: schema, classes, variants, shards."""
    lines = []
    if one.schema_version != other.schema_version:
        lines.append(f"schema versions: {one.schema_version} and {other.schema_version}")
    if one.class_names != other.class_names:
        lines.append(f"class names: {_list(one.class_names)} and {_list(other.class_names)}")
    first, second = _digests(one), _digests(other)
    lines += [f"{name}: only in the first" for name in first if name not in second]
    lines += [f"{name}: only in the second" for name in second if name not in first]
    lines += [f"{name}: other bytes" for name in first if name in second and first[name] != second[name]]
    return lines


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _digests(manifest: Manifest) -> dict[str, str]:
    return {
        f"{variant.name}/{shard.name}": shard.sha256
        for variant in manifest.variants.values()
        for split in variant.splits.values()
        for shard in split.shards
    }


if __name__ == "__main__":
    lifecycle.end_with(main)
