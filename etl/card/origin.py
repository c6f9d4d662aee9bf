"""The page's last sections: how the data set was made, and how to read it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from etl.card import figures
from etl.card.command import command, flatten
from etl.card.markup import Markup, code, element, join, paragraph, section
from etl.card.snippet import snippet
from etl.format.manifest import Manifest
from etl.sources import declared

# Where the data set lies is no part of it: the reader of the page fills it in.
_FOLDER = "OUT"


def origin_section(manifest: Manifest) -> Markup:
    """Shows the command, the configuration, the software and the run."""
    words = command(manifest, _FOLDER)
    again = Markup()
    if words:
        again = join(
            paragraph("The same data set again, to the byte, with the software below and on any runner:"),
            element("pre", element("code", _fold(words))),
        )
    return section(
        "origin",
        "How it was made",
        again,
        _facts("Configuration", _own(flatten(manifest.config))),
        _facts("Software", manifest.software),
        _facts("Run", manifest.run),
        element("h3", "Fingerprint"),
        paragraph(code(manifest.fingerprint), class_="fingerprint"),
        paragraph(
            "SHA-256 of the class names and of every shard's digest: equal data sets have equal ones.", class_="dim"
        ),
    )


def reading_section(manifest: Manifest) -> Markup:
    """Shows how to read the data set with TensorFlow alone; of several variants, all but the first behind a click."""
    programs = [
        (variant.name, element("pre", element("code", snippet(manifest, variant, _FOLDER))))
        for variant in manifest.variants.values()
    ]
    return section(
        "reading",
        "Reading it",
        paragraph("Ten lines of TensorFlow; ", code(_FOLDER), " is the folder in which this page lies."),
        *(
            program if not number else element("details", element("summary", f"The same for {name}"), program)
            for number, (name, program) in enumerate(programs)
        ),
    )


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what other sources than the one that was used would have read."""
    own = declared.own_flags()
    others = {flag.name for source, flags in own.items() if source != config.get("source") for flag in flags}
    return {name: value for name, value in config.items() if name not in others}


def _facts(title: str, content: Mapping[str, Any]) -> Markup:
    if not content:
        return Markup()
    pairs = (
        element("div", element("dt", name), element("dd", code(figures.shorten(_value(value), 200))))
        for name, value in content.items()
    )
    return join(element("h3", title), element("dl", *pairs, class_="facts"))


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fold(words: list[str]) -> str:
    """Writes a command for a shell, an option a line."""
    lines: list[list[str]] = [[]]
    for word in words:
        # The first option stays beside the program.
        if word.startswith("--") and word != "--source":
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n    ".join(" ".join(line) for line in lines)
