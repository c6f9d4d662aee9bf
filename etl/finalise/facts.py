"""The facts of a plan that the last step needs and no unit knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.format import layout


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What the plan knows and no unit does.

    Attributes:
        run_id: Names the run's own folder.
        job: What equal runs share, see `etl.plan.resume.job_digest`.
        started: Seconds since the epoch.
        runner: Name of the Beam runner.
        class_names: In the order of `label_int`.
        splits: In order, also those without an image.
        num_read: All inputs.
        rejected: Reason to number of inputs that listing alone rejected.
        rejected_path: Those, one a line.
        duplicates: As in the manifest.
        num_shards: How many results there must be.
        replaces: `content_digest` of the manifest that was there when the run began: it replaces that data set alone.
        ignored: Kind to number of files and folders that are no inputs.
    """

    run_id: str
    job: str
    started: float
    runner: str
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    num_read: int
    rejected: Mapping[str, int]
    rejected_path: str
    duplicates: Mapping[str, int]
    num_shards: int
    replaces: str
    ignored: Mapping[str, int] = field(default_factory=dict)

    def building_dir(self, output: str) -> str:
        """Returns the run's own folder."""
        return layout.building_dir(output, self.run_id)
