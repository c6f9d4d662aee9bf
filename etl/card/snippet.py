"""Ten lines that read a data set with TensorFlow alone."""

from __future__ import annotations

import json

from etl.format import layout
from etl.format.manifest import Manifest, Variant


def snippet(manifest: Manifest, variant: Variant, folder: str) -> str:
    """Returns a Python program that prints one batch of a variant; it needs nothing of this project.

    Args:
        manifest: Of the data set.
        variant: Of it.
        folder: Where the data set lies.
    """
    split = next(
        (split.name for split in variant.splits.values() if split.num_examples), next(iter(variant.splits), "")
    )
    readers, shown = variant.encoding.snippet(variant.features)
    feature = variant.encoding.feature
    spec = {feature: readers.pop(feature), "label_int": "tf.io.FixedLenFeature([], tf.int64)", **readers}
    compression = ', compression_type="GZIP"' if variant.compression == "gzip" else ""
    labels = '[names[label] for label in batch["label_int"]]' if manifest.class_names else 'batch["label_int"].numpy()'
    pattern = f"{variant.name}/{layout.shards_pattern(split)}"
    return "\n".join(
        [
            "import json, pathlib",
            "import tensorflow as tf",
            "",
            f"folder = pathlib.Path({_quote(folder)})",
            f'names = json.loads((folder / "{layout.MANIFEST_NAME}").read_text())["class_names"]',
            f"files = sorted(str(path) for path in folder.glob({_quote(pattern)}))",
            f"spec = {{{', '.join(f'{_quote(name)}: {reader}' for name, reader in spec.items())}}}",
            f"records = tf.data.TFRecordDataset(files{compression})",
            "dataset = records.batch(32).map(lambda batch: tf.io.parse_example(batch, spec))",
            "for batch in dataset.take(1):",
            f"    print({labels}, {shown})",
        ]
    )


def _quote(text: str) -> str:
    """Returns a Python literal; JSON's escapes are Python's, as long as it leaves other alphabets alone."""
    return json.dumps(text, ensure_ascii=False)
