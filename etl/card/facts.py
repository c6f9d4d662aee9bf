"""The page's tables: rejected inputs, duplicates, colours, and what each variant's examples hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl import sources
from etl.card import charts, figures
from etl.card.charts import Part
from etl.card.markup import Markup, code, element, join, paragraph, section, table
from etl.format import layout
from etl.format.features import FeatureSpec
from etl.format.manifest import Manifest, Statistics, Variant
from etl.records import Rejection
from etl.words import quantity

_CHANNELS = ("red", "green", "blue")

_FEATURES = {
    "key": "unique in the data set and stable between runs",
    "label": "the class name",
    "label_int": "its place among the class names",
    "shape": "height, width and channels of the decoded image",
    "digest": "MD5 of the source file, in hexadecimal",
}
_RESIZES = {"pad": "padded", "crop": "cropped", "stretch": "stretched"}


def rejected_section(manifest: Manifest, examples: Mapping[str, Sequence[Rejection]]) -> Markup:
    """Shows how many inputs were not written, why, and a few of each."""
    counts = manifest.counts
    total = sum(counts.rejected.values())
    if not total:
        return section("rejected", "Rejected inputs", paragraph("None: every input that was read was written."))
    source = str(manifest.config.get("source"))
    rows = []
    for reason, number in sorted(counts.rejected.items(), key=lambda item: (-item[1], item[0])):
        shown = [
            element(
                "li",
                code(figures.shorten(item.key or item.uri)),
                element("span", f" {figures.shorten(item.message, 160)}", class_="dim"),
            )
            for item in examples.get(reason, ())
        ]
        if shown and number > len(shown):
            shown.append(element("li", f"and {number - len(shown):,} more", class_="dim"))
        bar = charts.bar([Part(number / total, charts.NUM_COLOURS - 1, f"{reason}: {number:,}")])
        what = join(code(reason), element("div", sources.explain(source, reason), class_="dim"))
        rows.append([what, bar, f"{number:,}", element("ul", *shown) if shown else ""])
    return section(
        "rejected",
        "Rejected inputs",
        paragraph(
            f"{total:,} of {quantity(counts.read, 'input')}, {figures.share(total, counts.read)}, could not be "
            "written. Each stands in ",
            element("a", layout.REJECTED_NAME, href=layout.REJECTED_NAME),
            " with its reason.",
        ),
        table(["reason", "", "inputs", "for example"], rows, class_="bars reasons", numbers=frozenset({2})),
    )


def duplicates_section(manifest: Manifest) -> Markup:
    """Shows how many images are exact copies of others."""
    images = manifest.duplicates.get("images", manifest.counts.duplicates)
    splits, labels = (manifest.duplicates.get(name) for name in ("across_splits", "across_labels"))
    if not images:
        return section("duplicates", "Duplicates", paragraph("None: no image is an exact copy of another."))
    rows = [["exact copies of an earlier image; they are written like any other", f"{images:,}"]]
    if splits is not None:
        rows.append(["of these in another split than the earlier one", f"{splits:,}"])
    if labels is not None:
        rows.append(["of these under another label", f"{labels:,}"])
    warnings = []
    if splits:
        warnings.append(
            "The splits share images: what is measured on one of them flatters a model that was trained on another."
        )
    if labels:
        warnings.append("Some images stand under two labels: at least one of the two is wrong.")
    return section(
        "duplicates",
        "Duplicates",
        table(["", "images"], rows, numbers=frozenset({1})),
        *(paragraph(warning, class_="warning") for warning in warnings),
    )


def colours_section(manifest: Manifest) -> Markup:
    """Shows each variant's mean and deviation by channel."""
    parts = [_colours(variant.name, variant.statistics) for variant in manifest.variants.values() if variant.statistics]
    if not parts:
        return section("colours", "Colours", paragraph("No pixels were measured."))
    return section("colours", "Colours", *parts)


def variants_section(manifest: Manifest) -> Markup:
    """Describes how each variant stores its images and what its examples hold."""
    return section("variants", "Variants", *(_variant(variant) for variant in manifest.variants.values()))


def describe_image(variant: Variant) -> str:
    """Says in a few words how a variant stores its images."""
    image, kind = variant.image, variant.encoding.kind(variant.image)
    if not image.size:
        return f"{kind} at their own sizes"
    how = f"{_RESIZES[image.resize]} to" if image.resize in _RESIZES else "of"
    return f"{kind} {how} {image.size[0]}x{image.size[1]}"


def _colours(name: str, statistics: Statistics) -> Markup:
    mean, deviation = statistics.mean, statistics.std
    rows = [
        [
            channel,
            charts.spread(mean[number], deviation[number], channel),
            f"{mean[number]:.1f}",
            f"{deviation[number]:.1f}",
            f"{mean[number] / 255:.4f}",
            f"{deviation[number] / 255:.4f}",
        ]
        for number, channel in enumerate(_CHANNELS)
    ]
    fill = f"rgb({', '.join(f'{value:.0f}' for value in mean)})"
    swatch = element(
        "svg",
        element("rect", width="100%", height="100%", fill=fill),
        class_="swatch large",
        role="img",
        aria_label="the mean colour",
    )
    return join(
        element("h3", name, " ", swatch),
        table(
            [
                "channel",
                "0 to 255: mean, and one deviation to both sides",
                "mean",
                "deviation",
                "mean / 255",
                "deviation / 255",
            ],
            rows,
            class_="bars channels",
            numbers=frozenset({2, 3, 4, 5}),
        ),
        paragraph(
            f"Of the pixels of {statistics.split}, every {statistics.stride}th row and column.",
            class_="dim",
        ),
    )


def _variant(variant: Variant) -> Markup:
    rows = [[code(name), code(_dtype(spec)), _meaning(variant, name)] for name, spec in variant.features.items()]
    num_shards = sum(len(split.shards) for split in variant.splits.values())
    num_bytes = sum(split.num_bytes for split in variant.splits.values())
    facts = f"{_upper(describe_image(variant))}; "
    facts += f"{figures.size(num_bytes)} in {quantity(num_shards, 'shard')}, "
    facts += "not compressed." if variant.compression == "none" else f"compressed with {variant.compression}."
    network = Markup()
    if variant.embedding:
        network = element(
            "dl",
            *(
                element("div", element("dt", name), element("dd", code(str(value))))
                for name, value in variant.embedding.items()
            ),
            class_="facts",
        )
    return join(
        element("h3", variant.name),
        paragraph(facts),
        network,
        table(["feature", "dtype and shape", ""], rows, class_="specs"),
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _dtype(spec: FeatureSpec) -> str:
    sides = ", ".join("any" if side is None else str(side) for side in spec.shape)
    shape = f"[{sides}]" if spec.shape else ""
    return f"{spec.dtype}{shape}{', optional' if spec.optional else ''}"


def _meaning(variant: Variant, feature: str) -> str:
    if feature == variant.encoding.feature:
        return variant.encoding.meaning
    return _FEATURES.get(feature, "from the source")
