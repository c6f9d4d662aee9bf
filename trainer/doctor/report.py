"""Prints the doctor's findings: tables and sentences for people, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from etl.cli import console as open_console
from etl.cli import show_line
from etl.words import quantity
from trainer.doctor.accelerators import Accelerator
from trainer.doctor.advice import Advice, advise
from trainer.doctor.findings import STAGES, Findings
from trainer.doctor.verdict import make_verdict
from trainer.doctor.wording import bytes_text, rate_text, share_text, size_text

if TYPE_CHECKING:
    from trainer.doctor.rates import Rate


def print_json(findings: Findings, accelerators: Sequence[Accelerator], chosen: Accelerator | None, plot: str) -> None:
    """Prints everything as one JSON object.

    Args:
        findings: What was measured.
        accelerators: For which to say how many hosts they need.
        chosen: The one that the operator named.
        plot: Where the picture is.
    """
    print(json.dumps(to_dict(findings, accelerators, chosen, plot), indent=1))


def to_dict(
    findings: Findings, accelerators: Sequence[Accelerator], chosen: Accelerator | None, plot: str
) -> dict[str, Any]:
    """Returns what `print_json` prints."""
    return {
        **findings.to_dict(),
        "verdict": make_verdict(findings),
        "advice": [{"change": advice.change, "why": advice.why} for advice in advise(findings, chosen)],
        "accelerators": [
            {
                "name": accelerator.name,
                "images_per_second": accelerator.images_per_second,
                "hosts": findings.hosts(accelerator),
                "source": accelerator.source,
            }
            for accelerator in accelerators
        ],
        "plot": plot,
    }


def print_tables(
    findings: Findings, accelerators: Sequence[Accelerator], chosen: Accelerator | None, plot: str
) -> None:
    """Prints tables, the verdict and the advice; arguments as for `print_json`."""

    console = open_console()
    console.print(_describe(findings), soft_wrap=True)
    console.print(_rates_table(findings))
    for sentence in [*make_verdict(findings), *_notes(findings)]:
        console.print(f"- {sentence}")
    if accelerators:
        console.print(_accelerators_table(findings, accelerators))
    advice = advise(findings, chosen)
    console.print(_advice_table(advice) if advice else _nothing(findings, chosen))
    show_line(plot)


def _nothing(findings: Findings, chosen: Accelerator | None) -> str:
    """Says why there is no advice."""
    if chosen is not None and findings.hosts(chosen) == 1:
        return f"Nothing to change: one such host feeds one {chosen.name}."
    if findings.training is not None and findings.bottleneck == "step":
        return f"Nothing to change: {findings.training.model} hardly waits for its input."
    return "Nothing to change: none of the settings would make it noticeably faster."


def _describe(findings: Findings) -> str:
    data, machine = findings.data, findings.machine
    others = [name for name in data.variants if name != data.variant]
    size = f" at {size_text(data.image_size)}" if data.image_size else ""
    parts = [
        f"{data.dataset}: {data.variant}/{data.split}{size}",
        f"{quantity(data.num_examples, 'example')} in {quantity(data.num_shards, 'shard')}",
        bytes_text(data.num_bytes),
        f"batches of {data.batch_size}",
        ("in training, random windows" if data.is_windowed else "in training")
        if data.is_training
        else "not in training",
        f"{machine.num_threads} of {machine.num_cores} cores",
        f"model on {machine.device}",
    ]
    note = f" (--variant takes {', '.join(others)} too)" if others else ""
    return ", ".join(parts) + note


def _rates_table(findings: Findings) -> Table:
    table = Table("stage", "images/s", "slowest - fastest", "of the work", "")
    for column in table.columns[1:4]:
        column.justify = "right"
        column.no_wrap = True
    for name in STAGES:
        if name in findings.stages:
            share = share_text(findings.host_shares[name]) if name in findings.host_shares else ""
            note = "binds" if name == findings.bottleneck else ""
            table.add_row(name, *_cells(findings.stages[name]), share, note, style="bold" if note else "")
    table.add_section()
    table.add_row("whole pipeline", *_cells(findings.pipeline), "", "")
    table.add_section()
    if findings.bare_decode is not None:
        table.add_row("bare decode", *_cells(findings.bare_decode), "", "limit")
    table.add_row("bare read and copy", *_cells(findings.bare_copy), "", "limit")
    return table


def _notes(findings: Findings) -> list[str]:
    """Says why stages are missing in the table."""
    return [f"No {name}: {note}." for name, note in findings.notes.items()]


def _cells(rate: Rate) -> tuple[str, str]:
    return rate_text(rate.median), f"{rate_text(rate.slowest)} - {rate_text(rate.fastest)}"


def _accelerators_table(findings: Findings, accelerators: Sequence[Accelerator]) -> Table:
    table = Table("to feed one", "images/s", "such hosts", "figure from (ResNet-50 training)")
    table.columns[1].justify = table.columns[2].justify = "right"
    for accelerator in accelerators:
        hosts = f"{findings.hosts(accelerator):,}"
        table.add_row(accelerator.name, rate_text(accelerator.images_per_second), hosts, accelerator.source)
    return table


def _advice_table(advice: Sequence[Advice]) -> Table:
    table = Table("to change", "because")
    for one in advice:
        table.add_row(one.change, one.why)
    return table
