"""Other people's readers beside ours, on the same photographs.

    make bench-peers

or, with the interpreter of an environment that holds the peers, `PETALSTREAM_PEERS_PYTHON=… pytest benchmarks/peers
--data DIR`. All take turns in one run. A peer that isn't installed is skipped and named in the results.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.recording import REPLAYED, Measured, rates_of, ratio, record_rate
from benchmarks.harness.sizes import Size
from benchmarks.peers import corpus, registry, running
from benchmarks.peers.peer import BATCH_SIZE, DELIVERABLES, JPEG, PIXELS, SMALL_JPEG
from benchmarks.peers.running import Outcome

pytestmark = REPLAYED

PYTHON_VARIABLE = "PETALSTREAM_PEERS_PYTHON"
TABLE = "peers: "
# Images of an epoch, long enough that what happens once an epoch counts little.
NUM_IMAGES = {JPEG: 2_560, SMALL_JPEG: 5_120, PIXELS: 6_144}
TINY_IMAGES = dict.fromkeys(NUM_IMAGES, 256)
ROUNDS = {"tiny": 2, "quick": 5, "full": 9}
PASS_SECONDS = {"tiny": 0.05, "quick": 1.5, "full": 3.0}


@pytest.fixture(scope="module")
def outcomes(
    real: Path | None, photographs: Path, size: Size, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Outcome]]:
    python = os.environ.get(PYTHON_VARIABLE)
    if not python:
        pytest.skip(f"{PYTHON_VARIABLE} is not set: `make bench-peers` makes the environment")
    pets = real / "pets" if real is not None else None
    folder = tmp_path_factory.mktemp("peers")
    numbers = TINY_IMAGES if size.name == "tiny" else NUM_IMAGES
    try:
        # The pets have the size of usual photographs, 500x375; the flowers are half as large.
        source = pets if pets is not None and (pets / "images").is_dir() else photographs
        made = corpus.make(source, folder / "corpus", numbers)
        yield running.run(python, made, folder / "peers", ROUNDS[size.name], PASS_SECONDS[size.name])
    finally:
        running.remove(folder)


@pytest.mark.parametrize("deliverable", DELIVERABLES)
@pytest.mark.parametrize("peer", registry.PEERS)
def test_peer(
    benchmark: BenchmarkFixture, outcomes: Mapping[str, Outcome], size: Size, peer: str, deliverable: str
) -> None:
    outcome = outcomes[peer]
    if outcome.reason and outcome.is_installed:
        pytest.fail(f"{peer} {outcome.reason}")
    if outcome.reason:
        pytest.skip(f"{peer} {outcome.reason}")
    if deliverable in outcome.facts["missing"]:
        pytest.skip(f"{peer} has no such form: {outcome.facts['missing'][deliverable]}")
    measured = {registry.make(key).name: rounds for key, rounds in measured_of(outcomes, deliverable).items()}
    record_rate(
        benchmark,
        TABLE + deliverable,
        registry.make(peer).name,
        measured,
        size,
        **facts_of(outcomes, peer, deliverable),
    )


def measured_of(outcomes: Mapping[str, Outcome], deliverable: str) -> Measured:
    """Returns the rounds of all peers that read the deliverable to the end, ours first."""
    return {
        key: outcome.rounds[deliverable]
        for key, outcome in outcomes.items()
        if not outcome.reason and deliverable in outcome.rounds
    }


def facts_of(outcomes: Mapping[str, Outcome], peer: str, deliverable: str) -> dict[str, Any]:
    """Returns what the report needs of one peer; ours also says who is absent."""
    outcome, ours = outcomes[peer], outcomes[registry.OURS]
    rates, base = rates_of(outcome.rounds[deliverable]), rates_of(ours.rounds[deliverable])
    facts = {
        "peer": peer,
        "of_ours": ratio(rates, base),
        "of_ours_rounds": [one / other for one, other in zip(rates, base, strict=True)],
        "batch_size": BATCH_SIZE,
        **outcome.facts,
        **{name: fact for name, fact in outcome.deliverables[deliverable].items() if name != "check"},
    }
    if peer == registry.OURS:
        facts["absent"] = {registry.make(key).name: other.reason for key, other in outcomes.items() if other.reason}
        facts["num_images"] = ours.deliverables[deliverable]["check"]["num_images"]
    return facts
