"""Puts the page together."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from etl.card import figures
from etl.card.counts import classes_section, shards_section, splits_of, splits_section
from etl.card.facts import colours_section, describe_image, duplicates_section, rejected_section, variants_section
from etl.card.markup import Markup, code, element, join, paragraph, section
from etl.card.origin import origin_section, reading_section
from etl.card.samples import MOST_CLASSES, SAMPLES_PER_CLASS, Sample, Samples, class_totals
from etl.card.style import STYLE
from etl.format.manifest import Manifest
from etl.records import Rejection
from etl.words import quantity

# Whatever a name might smuggle in, a browser runs no script and fetches nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_CONTENTS = {
    "samples": "Samples",
    "classes": "Classes",
    "splits": "Splits",
    "shards": "Shards",
    "rejected": "Rejected",
    "duplicates": "Duplicates",
    "colours": "Colours",
    "variants": "Variants",
    "origin": "How it was made",
    "reading": "Reading it",
}
# Shown larger than life, pixel by pixel, up to this many pixels a side.
_TINY_SIDE = 64
_DENSE_CLASSES = 10


def render(manifest: Manifest, samples: Samples, rejected_examples: Mapping[str, Sequence[Rejection]]) -> str:
    """Makes the page: HTML that needs no other file, no network and no script.

    Args:
        manifest: Of the data set.
        samples: What `collect_samples` found.
        rejected_examples: Reason to some inputs that were rejected for it.

    Returns:
        The same text for the same arguments.
    """
    title = f"{manifest.dataset}: {quantity(manifest.counts.written, 'image')}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        _header(manifest),
        element(
            "main",
            _samples_section(manifest, samples),
            classes_section(manifest),
            splits_section(manifest),
            shards_section(manifest),
            rejected_section(manifest, rejected_examples),
            duplicates_section(manifest),
            colours_section(manifest),
            variants_section(manifest),
            origin_section(manifest),
            reading_section(manifest),
        ),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _header(manifest: Manifest) -> Markup:
    counts = manifest.counts
    rejected = sum(counts.rejected.values())
    # An equation, so that nobody has to wonder whether anything was lost.
    equation = element(
        "div",
        _tile(f"{counts.read:,}", "read"),
        element("span", "=", class_="sign"),
        _tile(f"{counts.written:,}", "written"),
        element("span", "+", class_="sign"),
        _tile(f"{rejected:,}", "rejected", href="#rejected"),
        class_="equation",
    )
    links = (element("a", title, href=f"#{identity}") for identity, title in _CONTENTS.items())
    return element(
        "header",
        paragraph("Petalstream data set", class_="kind"),
        element("h1", manifest.dataset),
        paragraph(_describe_content(manifest), *_describe_origin(manifest), class_="what"),
        equation,
        element("nav", *links),
    )


def _describe_content(manifest: Manifest) -> str:
    """Says in one or two sentences what the data set is."""
    splits = splits_of(manifest)
    classes = quantity(len(class_totals(manifest)), "class")
    stored = figures.listing([f"as {describe_image(variant)}" for variant in manifest.variants.values()])
    all_splits = [split for variant in manifest.variants.values() for split in variant.splits.values()]
    num_bytes = sum(split.num_bytes for split in all_splits)
    num_shards = sum(len(split.shards) for split in all_splits)
    return (
        f"{quantity(manifest.counts.written, 'image')} of {classes}, in {quantity(len(splits), 'split')} "
        f"({figures.listing(list(splits))}), stored {stored}: {figures.size(num_bytes)} in "
        f"{quantity(num_shards, 'shard')}."
    )


def _describe_origin(manifest: Manifest) -> list[str]:
    """Says from what and when it was made, as far as is known."""
    source = manifest.config.get("options", {}).get("input")
    day = str(manifest.run.get("started", ""))[:10]
    made = [" from ", code(figures.shorten(str(source), 80))] if source else []
    made += [" on ", element("span", day, class_="unbroken")] if day else []
    return [" Made", *made, "."] if made else []


def _tile(number: str, name: str, href: str | None = None) -> Markup:
    inside = join(element("b", number), element("span", name))
    return element("a", inside, href=href, class_="tile") if href else element("span", inside, class_="tile")


def _samples_section(manifest: Manifest, samples: Samples) -> Markup:
    totals = class_totals(manifest)
    if not samples.by_class:
        why = "There are no examples." if not any(totals.values()) else "No variant holds images: these are embeddings."
        return section("samples", "Samples", paragraph(why))
    num_filled = sum(1 for total in totals.values() if total)
    shown = f"The first {MOST_CLASSES} of {num_filled:,} classes. " if num_filled > MOST_CLASSES else ""
    blocks = [
        element(
            "div",
            element(
                "h3",
                element("span", figures.shorten(name, 60) or "(no label)", class_="name"),
                " ",
                _class_size(manifest, name),
            ),
            element("div", *map(_picture, found), class_="grid") if found else _missing(samples),
            class_="class",
        )
        for name, found in samples.by_class.items()
    ]
    return section(
        "samples",
        "Samples",
        paragraph(
            f"{shown}Up to {SAMPLES_PER_CLASS} of each, uncropped, from the first "
            f"{quantity(samples.num_records, 'example')} of ",
            code(samples.variant),
            ", whose order is random. Point at one for its key.",
            class_="dim",
        ),
        element("div", *blocks, class_="classes dense" if len(blocks) > _DENSE_CLASSES else "classes"),
    )


def _class_size(manifest: Manifest, name: str) -> Markup:
    parts = [f"{split.class_counts.get(name, 0):,} {split.name}" for split in splits_of(manifest).values()]
    return element("span", " · ".join(parts), class_="dim")


def _missing(samples: Samples) -> Markup:
    return paragraph(f"None among the first {quantity(samples.num_records, 'example')}.", class_="dim")


def _picture(sample: Sample) -> Markup:
    title = f"{sample.key}\n{sample.split}, {sample.width}x{sample.height}"
    if not sample.thumbnail:
        return element("div", "no preview", title=title, class_="none")
    source = "data:image/jpeg;base64," + base64.b64encode(sample.thumbnail).decode()
    tiny = "tiny" if max(sample.height, sample.width) <= _TINY_SIDE else None
    return element("img", src=source, alt=sample.key, title=title, class_=tiny)
