"""The last step: committed shards get their final names, then the manifest is written.

Until then everything lies under `.building-<run id>/`, where nobody takes it for a data set.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timezone

from etl import sources
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.finalise.facts import PlanFacts
from etl.finalise.publication import publish
from etl.finalise.sums import count_inputs, describe_variant
from etl.format.manifest import Manifest
from etl.plan.software import software
from etl.records import UnitResult


def finalise(config: EtlConfig, facts: PlanFacts, results: Iterable[UnitResult]) -> Manifest:
    """Moves the shards of committed attempts to their final names and writes the manifest.

    May be called again for the same run, after it failed half-way or after it was done.

    Args:
        config: The run's configuration.
        facts: Of its plan.
        results: One for each shard; of several attempts any is as good.

    Returns:
        The manifest that was written.

    Raises:
        DatasetError: too many inputs were rejected, the results don't add up, or a shard is gone.
        OvertakenError: another run has written a data set there since this one began.
    """
    committed = {(result.unit.variant, result.unit.split, result.unit.index): result for result in results}
    if len(committed) != facts.num_shards:
        raise DatasetError(f"{facts.num_shards} shards were planned, {len(committed)} were made")
    in_order = [committed[place] for place in sorted(committed)]
    counts = count_inputs(config, facts, in_order)
    manifest = Manifest(
        dataset=sources.dataset_name(config.source, config.options),
        class_names=facts.class_names,
        counts=counts,
        variants={name: describe_variant(config, facts, name, in_order) for name in config.variants},
        duplicates=facts.duplicates,
        ignored=facts.ignored,
        config=config.to_dict(),
        software=software(),
        run={
            "id": facts.run_id,
            "job": facts.job,
            "runner": facts.runner,
            "started": datetime.fromtimestamp(facts.started, timezone.utc).isoformat(timespec="seconds"),
            "seconds": round(time.time() - facts.started, 1),
        },
    )
    publish(config, facts, manifest, in_order)
    return manifest
