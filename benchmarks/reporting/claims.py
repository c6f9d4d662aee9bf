"""The ratios that matter, with what each should be at least or at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.reporting.results import Results


@dataclass(frozen=True, slots=True)
class Claim:
    """One ratio.

    Attributes:
        name: Its key in `extra_info`.
        what: In words.
        aim: What it should be, None where it is only reported.
        at_most: Whether `aim` is an upper bound.
        value: What was measured.
    """

    name: str
    what: str
    aim: float | None
    at_most: bool
    value: float

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is reached; None without an aim."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim


_BARE = "etl: beside a bare loop"
_MEMORY = "etl: memory and cost by size"

# Name, words, aim: a lower bound.
_RATIOS: tuple[tuple[str, str, float | None], ...] = (
    ("jpeg_crop_of_bare_decode", "JPEG with random crop to 224, of decoding the whole JPEGs alone", 1.0),
    ("jpeg_256_of_jpeg_crop", "JPEG stored at a shorter side of 256, of JPEG at full size", 1.9),
    ("jpeg_256_of_bare_decode", "JPEG stored at a shorter side of 256, of decoding those alone", None),
    ("pixel_of_unparsed", "224x224 uint8 pixels, shuffled and parsed, of the same files unparsed", 0.7),
    ("pixel_of_unparsed_in_parallel", "… of the same files unparsed, two read at a time", None),
    ("pixel_of_readinto_and_copy", "… of readinto and a copy on one thread", None),
    ("pixel_of_one_by_one", "… of parsing them one by one", None),
    ("embedding_of_usual", "embeddings, of parsing them one by one as usually written", 7.0),
    ("embedding_of_one_by_one", "… of parsing them one by one in our own pipeline", None),
    ("embedding_of_unparsed", "embeddings, of the same files unparsed", None),
    ("deliverable_from_jpeg_of_chapters_best", "448x448 float32 from JPEG, of the chapter's best row", None),
    ("deliverable_from_pixels_of_chapters_best", "448x448 float32 from uint8 pixels, of the chapter's best row", 2.0),
    ("model_input_from_pixels_of_chapters_best", "224x224 uint8 from pixels, of the chapter's best row", 8.0),
    ("model_input_from_jpeg_of_chapters_best", "224x224 uint8 crops from JPEG, of the chapter's best row", None),
)
_BARE_LOOP = {"pixel": 0.85, "jpeg": 0.8, "embedding": 0.9}
_MEMORY_GROWTH = 1.1
_INPUT_WAIT = 0.05


def find_claims(results: Results) -> list[Claim]:
    """Returns the ratios that were measured, in a fixed order."""
    return [*_ratios(results), *_input_wait(results), *_etl(results)]


def _ratios(results: Results) -> Iterator[Claim]:
    measured: dict[str, float] = {}
    for table in ("rates", "deliverables"):
        for row in results.table(table):
            measured |= row.info.get("ratios", {})
    for name, what, aim in _RATIOS:
        if name in measured:
            yield Claim(name, what, aim, at_most=False, value=measured[name])


def _input_wait(results: Results) -> Iterator[Claim]:
    for row in results.table("input wait"):
        is_ours = not row.name.startswith("the chapter's")
        what = f"waiting for input, of a training step: {row.name}"
        aim = _INPUT_WAIT if is_ours else None
        yield Claim("input_wait_share", what, aim, at_most=True, value=row.info["input_wait_share"])


def _etl(results: Results) -> Iterator[Claim]:
    for row in results.table(_BARE):
        what = f"ETL, {row.name}: of a bare loop that does the same work"
        yield Claim("of_bare_loop", what, _BARE_LOOP.get(row.name), at_most=False, value=row.info["of_bare_loop"])
    for row in results.table(_MEMORY):
        what = f"ETL, {row.name}: peak memory at 8 times the data, of that at once the data"
        value = row.info["peak_8x_of_1x"]
        yield Claim("peak_8x_of_1x", what, _MEMORY_GROWTH, at_most=True, value=value)
