"""A batch prediction job, its units and their results: small, and made to travel between machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etl.format.layout import BUILDING_PREFIX

# Why an instance has no prediction.
REASONS: Mapping[str, str] = {
    "not_json": "the line holds no JSON object",
    "no_input": "the instance has no input, more than one, or one of another kind",
    "bad_base64": "image_bytes is no base64",
    "unreadable": "the file can't be read",
    "not_an_image": "the model can't decode it",
    "no_number": "the model's answer is no number",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        run_id: Names the run's own folder.
        model_dir: The model's folder, in full.
        input: A file of JSON lines, in full.
        num_bytes: Of the input.
        output: Where predictions go, in full.
        num_units: How many ranges the input is cut into.
        batch_size: Instances a call of the model.
        num_threads: Batches worked on at once in one process; 0 for one a core of whatever machine it is.
        replaces: `gather.version` of the output when the run began: it replaces that file alone.
    """

    run_id: str
    model_dir: str
    input: str
    num_bytes: int
    output: str
    num_units: int
    batch_size: int
    num_threads: int
    replaces: str = ""

    @property
    def building_dir(self) -> str:
        """The run's own folder, beside the output, so that what is finished is only renamed."""
        return f"{self.output}{BUILDING_PREFIX}{self.run_id}"


SUMMARY_NAME = "summary.json"


@dataclass(frozen=True, slots=True)
class Unit:
    """A range of the input's bytes: the lines that begin in it are its own."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What one attempt at a unit made.

    Attributes:
        index: The unit's.
        path: The file of predictions, a line for each of the unit's.
        start: Where the unit's first line begins.
        end: Where the line behind its last one begins.
        num_instances: Its lines.
        failed: Reason to number of those that have no prediction.
    """

    index: int
    path: str
    start: int
    end: int
    num_instances: int
    failed: Mapping[str, int]
