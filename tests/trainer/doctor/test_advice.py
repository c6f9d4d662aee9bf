from __future__ import annotations

import ast
import dataclasses
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import options
from trainer.doctor.accelerators import Accelerator
from trainer.doctor.advice import Advice, advise
from trainer.doctor.findings import Alternative, Findings, Training
from trainer.doctor.verdict import make_verdict
from trainer.ingest import IngestConfig

MakeFindings = Callable[..., Findings]
MakeTraining = Callable[..., Training]

READ_BINDS = {"stages": {"read": 900.0, "parse": 4e4, "decode": 4e3}, "pipeline": 800.0}
COLD = {**READ_BINDS, "cached_share": 0.0}
REMOTE = {**READ_BINDS, "cached_share": None, "is_remote": True}
WHOLE = {"is_windowed": False, "is_training": False}

PIXEL = Alternative("variant", "pixel", (224, 224), 20_000.0, False)
SLOW_PIXEL = Alternative("variant", "pixel", (224, 224), 4_000.0, False)
SMALLER = Alternative("smaller_jpeg", "jpeg", (256, 256), 8_000.0, True)
HARDLY_SMALLER = Alternative("smaller_jpeg", "jpeg", (256, 256), 4_400.0, True)
PIXELS = Alternative("pixels", "pixel", (224, 224), 12_000.0, False)

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"alternatives": (PIXEL,)}, ['variant="pixel"']),
    ({"alternatives": (SLOW_PIXEL,)}, []),
    ({"alternatives": (SMALLER,)}, ["etl.run --variants jpeg --image_size 256 --resize crop"]),
    ({"alternatives": (HARDLY_SMALLER,)}, []),
    ({"alternatives": (PIXELS,)}, ["etl.run --variants jpeg,pixel --image_size 224"]),
    ({"alternatives": (SMALLER, PIXELS), **READ_BINDS}, []),
    ({"num_threads": 2}, ["map_parallelism=4, private_threads=4"]),
    ({"num_threads": 2, **READ_BINDS}, []),
    ({**WHOLE}, ['cache="memory", cache_of="examples", memory_budget_mb=2530']),
    ({**WHOLE, "free_bytes": 3_000_000_000}, []),
    ({**WHOLE, "free_bytes": None}, []),
    ({**READ_BINDS}, []),
    ({**COLD}, ['cache="memory", memory_budget_mb=1624']),
    ({**COLD, "free_bytes": 1_000_000_000}, []),
    ({**COLD, "compression": "gzip"}, ["etl.run --compression none"]),
    ({"compression": "gzip"}, []),
    ({**REMOTE, "num_shards": 40}, ["cycle_length=16", 'cache="memory", memory_budget_mb=1624']),
    ({**REMOTE, "num_shards": 40, "cycle_length": 16}, ['cache="memory", memory_budget_mb=1624']),
    ({**REMOTE}, ["etl.run --shard_mb 37", 'cache="memory", memory_budget_mb=1624']),
    (
        {**REMOTE, "num_shards": 40, "cycle_length": 40, "free_bytes": 1_000_000_000},
        ['cache="file", cache_dir="(a folder on a local disk)"'],
    ),
    ({"is_remote": True, "cached_share": None}, []),
    (
        {"encoding": "float_list", "bare_decode": None, "alternatives": ()},
        ["etl.run --variants pixel --image_size 224 --pixel_dtype uint8"],
    ),
    ({"batch_size": 4, "pipeline": 1_000.0}, ["batch_size=32"]),
    ({"batch_size": 4}, []),
    ({"batch_size": 64, "pipeline": 1_000.0}, []),
    ({"first_batch_seconds": 10.0, "shuffle_buffer": 300_000}, ["shuffle_buffer=60000"]),
    # Read in 4 s, so something else took the rest.
    ({"first_batch_seconds": 10.0, "shuffle_buffer": 200_000}, []),
    ({"first_batch_seconds": 10.0, "shuffle_buffer": 0}, []),
    ({"first_batch_seconds": 4.0, "shuffle_buffer": 300_000}, []),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_each_change_is_advised_where_it_applies_and_nowhere_else(
    changes: dict[str, Any], expected: list[str], make_findings: MakeFindings
) -> None:
    advice = advise(make_findings(**changes))
    assert [one.change for one in advice] == expected
    for one in advice:
        check_change(one)


def check_change(advice: Advice) -> None:
    """What is advised must be understood by whoever it is meant for, as it stands."""
    assert advice.why
    if advice.change.startswith("etl.run "):
        options.parse(["--source", "flowers", "--output", "out", *shlex.split(advice.change)[1:]])
        return
    call = ast.parse(f"f({advice.change})", mode="eval").body
    assert isinstance(call, ast.Call)
    settings = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    # Not of the configuration, but an argument of `load` itself.
    settings.pop("variant", None)
    IngestConfig().replace(**settings)


def test_the_reasons_carry_the_figures(make_findings: MakeFindings) -> None:
    (variant,) = advise(make_findings(alternatives=(PIXEL,)))
    assert variant.why == (
        "the whole pipeline gives 20,000 images/s on it, 5.6 times as many; random windows of the whole photograph are "
        "lost with it"
    )
    (cache,) = advise(make_findings(**COLD))
    assert "600 MB of 16.0 GB free" in cache.why
    (pixels,) = advise(make_findings(alternatives=(PIXELS,)))
    assert "1.5 GB on disk in place of 600 MB" in pixels.why


def test_windows_are_not_missed_where_none_are_drawn(make_findings: MakeFindings) -> None:
    variant = advise(make_findings(alternatives=(PIXEL,), **WHOLE))[0]
    assert "lost" not in variant.why


def test_the_largest_gain_comes_first(make_findings: MakeFindings) -> None:
    first, second = advise(make_findings(alternatives=(SMALLER, PIXELS)))
    assert (first.change.split()[2], second.change.split()[2]) == ("jpeg,pixel", "jpeg")


def test_a_model_that_never_waits_needs_no_faster_input(
    make_findings: MakeFindings, make_training: MakeTraining
) -> None:
    findings = make_findings(alternatives=(PIXEL,), training=make_training(0.001))
    assert advise(findings) == []
    # But another device may.
    assert advise(findings, Accelerator("yours", 100_000.0, "")) != []


def test_what_one_host_feeds_needs_no_faster_input(make_findings: MakeFindings) -> None:
    findings = make_findings(alternatives=(PIXEL,))
    assert advise(findings, Accelerator("yours", 3_600.0, "")) == []
    assert len(advise(findings, Accelerator("yours", 3_601.0, ""))) == 1


BURSTS = (0.0,) * 9 + (1.0,)


@pytest.mark.parametrize(
    ("waits", "changes", "expected"),
    [
        # 4,000 records are read in 0.08 s, less than a step takes.
        (BURSTS, {}, ["prefetch=4"]),
        # In 0.8 s: eight steps of 100 ms, and one more.
        (BURSTS, {"shuffle_buffer": 40_000}, ["prefetch=9"]),
        (BURSTS, {"shuffle_buffer": 400_000}, ["prefetch=32, shuffle_buffer=160000"]),
        # The input can't keep up at all.
        (BURSTS, {"pipeline": 700.0}, []),
        # Too seldom to matter.
        ((0.0,) * 99 + (0.4,), {}, []),
        # Each step waits.
        ((0.1,) * 20, {}, []),
    ],
)
def test_bursts_are_bridged(
    waits: tuple[float, ...],
    changes: dict[str, Any],
    expected: list[str],
    make_findings: MakeFindings,
    make_training: MakeTraining,
) -> None:
    training = dataclasses.replace(make_training(0.0), waits=waits, steps=(0.1,) * len(waits))
    advice = advise(make_findings(**changes, training=training))
    assert [one.change for one in advice] == expected
    for one in advice:
        check_change(one)


RATE = st.floats(1, 1e6)
ALTERNATIVES = st.builds(
    Alternative,
    kind=st.sampled_from(["variant", "smaller_jpeg", "pixels"]),
    name=st.sampled_from(["jpeg", "pixel"]),
    size=st.sampled_from([(224, 224), (96, 128)]),
    rate=RATE,
    is_windowed=st.booleans(),
)


@given(
    changes=st.fixed_dictionaries(
        {
            "stages": st.fixed_dictionaries(
                {"read": RATE, "parse": RATE, "decode": RATE}, optional={"transfer": RATE, "augment": RATE}
            ),
            "pipeline": RATE,
            "bare_decode": RATE,
            "first_batch_seconds": st.floats(0.001, 1e3),
            "alternatives": st.lists(ALTERNATIVES, max_size=3).map(tuple),
            "is_remote": st.booleans(),
            "is_windowed": st.booleans(),
            "compression": st.sampled_from(["none", "gzip"]),
            "num_shards": st.integers(1, 200),
            "cycle_length": st.integers(1, 16),
            "num_bytes": st.integers(1_000, 10**13),
            "free_bytes": st.none() | st.integers(0, 10**12),
            "cached_share": st.none() | st.floats(0, 1),
            "num_threads": st.integers(1, 8),
            "batch_size": st.integers(1, 512),
            "is_accelerated": st.booleans(),
        }
    ),
    wait=st.none() | st.floats(0, 1),
    needed=st.none() | RATE,
)
def test_whatever_was_found_the_advice_can_be_followed_and_said(
    changes: dict[str, Any],
    wait: float | None,
    needed: float | None,
    make_findings: MakeFindings,
    make_training: MakeTraining,
) -> None:
    findings = make_findings(**changes, training=None if wait is None else make_training(wait))
    accelerator = Accelerator("yours", needed, "") if needed else None
    advice = advise(findings, accelerator)
    for one in advice:
        check_change(one)
    sentences = make_verdict(findings)
    assert sentences[0].split(" binds")[0]
    assert all(sentence.endswith(".") for sentence in sentences)
