"""`python -m etl.inspect DIR`: is this data set whole, and what is in it?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from etl import manifest as manifests
from etl import progress, storage
from etl.cli import Parser, load_tensorflow
from etl.cli import console as open_console
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError, run_main
from etl.manifest import Manifest

SHEET_NAME = "sample.png"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 where all is as the manifest says, else 1."""
    parser = Parser(prog="etl.inspect", description="Checks a data set against its manifest and shows what is inside.")
    parser.add_argument("data_dir", metavar="DIR", help="folder of the data set")
    parser.add_argument("--compare", metavar="DIR", help="another data set that should hold the same")
    parser.add_argument("--sheet", metavar="FILE", help=f"where to write the contact sheet; default DIR/{SHEET_NAME}")
    arguments = parser.parse_args(argv)
    data_dir = storage.absolute(arguments.data_dir)
    if storage.is_local(data_dir) and not os.path.isdir(data_dir):
        raise ConfigError("DIR", arguments.data_dir, "the folder of a data set")
    manifest = manifests.load(data_dir, storage.read_text)
    if arguments.compare:
        other = manifests.load(storage.absolute(arguments.compare), storage.read_text)
        return _compare(manifest, other)
    return _inspect(data_dir, manifest, arguments.sheet or manifests.join(data_dir, SHEET_NAME))


def _inspect(data_dir: str, manifest: Manifest, sheet_path: str) -> int:
    from etl.contact_sheet import ContactSheet
    from etl.report import variants_table
    from etl.verify import Example, verify

    sheet = ContactSheet(f"{manifest.dataset}: {manifest.counts.written:,} images", manifest.class_names)
    with_images = [variant.name for variant in manifest.variants.values() if variant.image.encoding != "none"]
    first = with_images[0] if with_images else ""

    def see(variant: manifests.Variant, example: Example) -> None:
        if variant.name == first and example.pixels is not None:
            sheet.add(example.features["label"].decode(), example.pixels)

    load_tensorflow()
    total = sum(split.num_examples for variant in manifest.variants.values() for split in variant.splits.values())
    with progress.step("check", total, "records"):
        report = verify(data_dir, manifest, os.cpu_count() or 1, see)
    console = open_console()
    console.print(variants_table(manifest))
    for problem in report.problems:
        print(f"error: {problem}", file=sys.stderr)
    if report.problems:
        console.print(f"[red]{len(report.problems)} problems[/]; this data set is not what its manifest says")
        return EXIT_FAILED
    console.print(f"[green]ok[/]: {report.num_records:,} records parsed and decoded, every digest as in the manifest")
    if first:
        storage.write_atomically(sheet_path, sheet.to_png())
        console.print(sheet_path, soft_wrap=True)
    return EXIT_OK


def _compare(one: Manifest, other: Manifest) -> int:
    if one.fingerprint == other.fingerprint:
        print(f"equal: both have fingerprint {one.fingerprint}")
        return EXIT_OK
    for line in differences(one, other):
        print(f"error: {line}", file=sys.stderr)
    return EXIT_FAILED


def differences(one: Manifest, other: Manifest) -> list[str]:
    """Says, a line each, in what two data sets differ: classes, variants, shards."""
    lines = []
    if one.class_names != other.class_names:
        lines.append(f"class names: {', '.join(one.class_names)} and {', '.join(other.class_names)}")
    first, second = _digests(one), _digests(other)
    lines += [f"{name}: only in the first" for name in first if name not in second]
    lines += [f"{name}: only in the second" for name in second if name not in first]
    lines += [f"{name}: other bytes" for name in first if name in second and first[name] != second[name]]
    return lines


def _digests(manifest: Manifest) -> dict[str, str]:
    return {
        f"{variant.name}/{shard.name}": shard.sha256
        for variant in manifest.variants.values()
        for split in variant.splits.values()
        for shard in split.shards
    }


if __name__ == "__main__":
    sys.exit(run_main(main))
