"""Makes the page of a data set."""

from __future__ import annotations

from etl import storage
from etl.card.page import render
from etl.card.samples import collect_samples, read_rejected_examples
from etl.format.layout import CARD_NAME
from etl.format.manifest import Manifest
from etl.paths import join


def write_card(data_dir: str, manifest: Manifest) -> str:
    """Writes the page of a data set into its folder, over an earlier one.

    Args:
        data_dir: The data set's folder, local or on an object store; its shards and `rejected.jsonl` are in place, its
            manifest need not be.
        manifest: Its manifest.

    Returns:
        The page's path.

    Raises:
        DatasetError: a shard is missing or damaged.
    """
    page = render(manifest, collect_samples(data_dir, manifest), read_rejected_examples(data_dir, manifest))
    path = join(data_dir, CARD_NAME)
    storage.write_atomically(path, page.encode())
    return path
