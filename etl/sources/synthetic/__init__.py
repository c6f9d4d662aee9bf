"""Drawn images of flowers, so that a first run needs no download: five classes, a few files broken on purpose.

An image's bytes are a pure function of its URI, `synthetic://<seed>/<class>/<index>[?broken=<kind>]`, so any worker can
draw any of them. `python -m etl.sources.synthetic DIR` writes them as files, one folder a class, which `folder` reads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from etl import cli
from etl.errors import ConfigError
from etl.format.features import FeatureSpec
from etl.records import SourceImage
from etl.sources import splits, vocabulary
from etl.sources.options import SourceOptions, option

# Those of the flowers set. They stand here too because listing must not load what draws.
CLASS_NAMES = ("daisy", "dandelion", "roses", "sunflowers", "tulips")

# What is wrong, in turn, with a file that is broken on purpose: its second half is missing, all of it is missing, or it
# is a text that is named like an image. Every decoder refuses each.
BROKEN_KINDS = ("truncated", "empty", "text")

# Workers draw the images themselves.
READS_FILES = False

parse_num_images = cli.number("--num_images", int, minimum=1, what="how many photographs to draw, 1 or more")
parse_broken_fraction = cli.number("--broken_fraction", float, minimum=0, maximum=1, what="a share from 0 to 1")

_URI = re.compile(r"synthetic://(?P<seed>-?\d+)/(?P<label>\w+)/(?P<index>\d+)(\?broken=(?P<broken>\w+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SyntheticOptions(SourceOptions):
    """The options with those of this source.

    Attributes:
        num_images: How many images it draws.
        broken_fraction: Which share of them it breaks on purpose.
    """

    # Manifests have them where they always stood, so that equal runs write equal bytes.
    num_images: int = option(500, parse=parse_num_images, help="for synthetic: how many to draw", before="classes_from")
    # So that a first run shows what rejection looks like.
    broken_fraction: float = option(
        0.02,
        parse=parse_broken_fraction,
        help="for synthetic: the share that is broken on purpose",
        before="classes_from",
    )


OPTIONS = SyntheticOptions


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: drawn images add none to the common ones."""
    del options
    return {}


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or those of the flowers set.

    Raises:
        ConfigError: what gives the class names is not as it should be.
    """
    return vocabulary.load(options) or CLASS_NAMES


def list_images(options: SyntheticOptions) -> Iterator[SourceImage]:
    """Lists `num_images` images, class after class in turn, without drawing any.

    Of each run of 1 / `broken_fraction` images one, at a seeded place, is broken on purpose.

    Raises:
        ConfigError: `--input` is given, which nothing would be read from, or `--split_by` asks for what isn't there.
    """
    if options.input:
        raise ConfigError("--input", options.input, "none for synthetic", "it draws its images; leave --input out")
    splits.choose_by(options, ("hash",))
    return vocabulary.mark_unknown(_list_all(options), vocabulary.load(options))


def read(uri: str) -> bytes:
    """Draws the image of a URI.

    Args:
        uri: As `list_images` gives it.

    Returns:
        The bytes of a JPEG file, or with `?broken=` those of a file that isn't one any more.

    Raises:
        FileNotFoundError: the URI names no image.
    """
    parts = _URI.fullmatch(uri)
    if parts is None or parts["label"] not in CLASS_NAMES or (parts["broken"] or "empty") not in BROKEN_KINDS:
        raise FileNotFoundError(uri)
    if parts["broken"] == "empty":
        return b""
    if parts["broken"] == "text":
        return f"This is not photograph {int(parts['index'])} of {parts['label']}, but a text about it.\n".encode()
    from etl.sources.synthetic import drawing

    data = drawing.draw_jpeg(parts["label"], _hash(f"{int(parts['seed'])}/{parts['label']}/{int(parts['index'])}"))
    return data[: len(data) // 2] if parts["broken"] else data


def _list_all(options: SyntheticOptions) -> Iterator[SourceImage]:
    for place in range(options.num_images):
        index, which = divmod(place, len(CLASS_NAMES))
        label = CLASS_NAMES[which]
        kind = _broken_kind(place, options.seed, options.broken_fraction)
        uri = f"synthetic://{options.seed}/{label}/{index}{f'?broken={kind}' if kind else ''}"
        yield SourceImage(f"{label}/{index:05d}.jpg", uri, label)


def _broken_kind(place: int, seed: int, fraction: float) -> str | None:
    """Returns how the image at a place of the list is broken; None leaves it whole.

    The list is cut into blocks of 1 / `fraction` places and one place of each is chosen, so that the share is kept
    exactly and no class is preferred, as it would be by every fiftieth image of five classes in turn.
    """
    share = Fraction(fraction).limit_denominator(1_000_000)
    if not share:
        return None
    block = int(place * share)
    # Negated floor division rounds up.
    first, end = -int(-block // share), -int(-(block + 1) // share)
    if place != Random(_hash(f"{seed}/broken/{block}")).randrange(first, end):
        return None
    return BROKEN_KINDS[block % len(BROKEN_KINDS)]


def _hash(text: str) -> int:
    """Returns a whole number below 2**64 that depends on every character."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
