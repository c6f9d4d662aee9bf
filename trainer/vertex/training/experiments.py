"""The contexts of an experiment and its run, which must be there before a job can belong to them."""

from __future__ import annotations

import sys
from typing import Any

from trainer.vertex.api import clients, requests
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.options import Cloud

# As the SDK's own `Experiment` and `ExperimentRun` make them.
_SCHEMA_VERSION = "0.0.1"
_EXPERIMENT, _RUN = "system.Experiment", "system.ExperimentRun"
_STORE_SECONDS = 300.0


def bodies(experiment: str, run: str | None) -> dict[str, dict[str, Any]]:
    """Returns the contexts that a job needs: name to fields, the experiment first."""
    name = _last(experiment)
    found: dict[str, dict[str, Any]] = {
        experiment: {
            "displayName": name,
            "schemaTitle": _EXPERIMENT,
            "schemaVersion": _SCHEMA_VERSION,
            "metadata": {"experiment_deleted": False},
        }
    }
    if run:
        found[run] = {
            "displayName": _last(run).removeprefix(f"{name}-"),
            "schemaTitle": _RUN,
            "schemaVersion": _SCHEMA_VERSION,
            "metadata": {"_state": "RUNNING"},
        }
    return found


def ensure(cloud: Cloud, experiment: str, run: str | None) -> None:
    """Makes an experiment and its run, where they aren't there.

    Args:
        cloud: Where.
        experiment: Name of its context.
        run: Of the run's, None for none.

    Raises:
        ConfigError: no permission.
        CloudError: a call failed.
    """
    from google.api_core import exceptions

    client = clients.make("metadata", cloud)
    store = experiment.split("/contexts/")[0]
    with translate_errors(f"finding or creating the experiment {_last(experiment)}", cloud):
        _ensure_store(client, store)
        for name, body in bodies(experiment, run).items():
            try:
                client.get_context(name=name)
                continue
            except exceptions.NotFound:
                context = requests.parse("Context", body)
            try:
                client.create_context(parent=store, context=context, context_id=_last(name))
                print(f"created {name}", file=sys.stderr)
            except exceptions.Conflict:
                # Another process was faster.
                pass
        if run:
            client.add_context_children(context=experiment, child_contexts=[run])


def _ensure_store(client: Any, store: str) -> None:
    """Makes the project's metadata store; a project has none before its first experiment."""
    from google.api_core import exceptions

    try:
        client.get_metadata_store(name=store)
        return
    except exceptions.NotFound:
        body = requests.parse("MetadataStore", {})
    try:
        operation = client.create_metadata_store(
            parent=store.split("/metadataStores/")[0], metadata_store=body, metadata_store_id=_last(store)
        )
        clients.finish(operation, timeout_seconds=_STORE_SECONDS)
    except exceptions.Conflict:
        pass


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]
