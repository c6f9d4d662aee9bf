"""How much is measured: a quarter of an hour's worth by default, the chapter's own sizes with `--full`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        name: `tiny`, `quick` or `full`.
        rounds: How often each row is run; medians are reported.
        num_photographs: Photographs of the chapter's data set.
        num_epochs: Of its tables.
        remote_rounds: How often each row is run over storage with latency.
        grayscale_repeats: How often the two photographs of table 7-5 are repeated.
        grayscale_rounds: How often each row of it is run.
        num_images: Images of the data sets whose reading rate is measured.
        pass_seconds: How long one pass of a rate takes at least, roughly.
        num_steps: Training steps of the rows that train.
        num_starts: Processes that are started to see how long the first batch takes.
    """

    name: str
    rounds: int
    num_photographs: int
    num_epochs: int
    remote_rounds: int
    grayscale_repeats: int
    grayscale_rounds: int
    num_images: int
    pass_seconds: float
    num_steps: int
    num_starts: int

    def to_dict(self) -> dict[str, int | float | str]:
        """Returns all of it, for a result to say how much was measured."""
        return dataclasses.asdict(self)


# Whether everything runs; the figures mean nothing.
TINY = Size(
    name="tiny",
    rounds=2,
    num_photographs=32,
    num_epochs=2,
    remote_rounds=1,
    grayscale_repeats=3,
    grayscale_rounds=1,
    num_images=96,
    pass_seconds=0.05,
    num_steps=2,
    num_starts=1,
)
QUICK = Size(
    name="quick",
    rounds=3,
    num_photographs=96,
    num_epochs=2,
    remote_rounds=2,
    grayscale_repeats=10,
    grayscale_rounds=3,
    num_images=1_200,
    pass_seconds=1.0,
    num_steps=10,
    num_starts=1,
)
FULL = Size(
    name="full",
    rounds=5,
    num_photographs=359,
    num_epochs=2,
    remote_rounds=3,
    grayscale_repeats=10,
    grayscale_rounds=5,
    num_images=3_200,
    pass_seconds=2.0,
    num_steps=30,
    num_starts=5,
)
