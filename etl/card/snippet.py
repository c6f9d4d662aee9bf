"""Ten lines that read a data set with TensorFlow alone."""

from __future__ import annotations

import json

from etl.format.manifest import Manifest, Variant

_READERS = {
    "jpeg": ("tf.io.FixedLenFeature([], tf.string)", 'tf.io.decode_jpeg(batch["image"][0]).shape'),
    "raw": (
        "tf.io.FixedLenFeature([], tf.string)",
        'tf.reshape(tf.io.decode_raw(batch["image"][0], tf.uint8), batch["shape"][0]).shape',
    ),
    "float_list": ("tf.io.RaggedFeature(tf.float32)", 'tf.reshape(batch["image"][0], batch["shape"][0]).shape'),
    "none": ("", 'batch["image_embedding"].shape'),
}


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
    image, shown = _READERS[variant.image.encoding]
    spec = {"image": image, "label_int": "tf.io.FixedLenFeature([], tf.int64)"}
    if variant.image.encoding == "none":
        (size,) = variant.features["image_embedding"].shape
        del spec["image"]
        spec["image_embedding"] = f"tf.io.FixedLenFeature([{size}], tf.float32)"
    elif 'batch["shape"]' in shown:
        spec["shape"] = "tf.io.FixedLenFeature([3], tf.int64)"
    compression = ', compression_type="GZIP"' if variant.compression == "gzip" else ""
    labels = '[names[label] for label in batch["label_int"]]' if manifest.class_names else 'batch["label_int"].numpy()'
    pattern = f"{variant.name}/{split}-*.tfrecord*"
    return "\n".join(
        [
            "import json, pathlib",
            "import tensorflow as tf",
            "",
            f"folder = pathlib.Path({_quote(folder)})",
            'names = json.loads((folder / "manifest.json").read_text())["class_names"]',
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
