"""The names of a data set's files, and of those in the folder of a run that is still writing one.

OUT/manifest.json                             the mark of a complete data set
OUT/VARIANT/train-00000-of-00012.tfrecord     a shard
OUT/VARIANT/index.parquet                     where each record lies
OUT/VARIANT/dataset_info.json, features.json, label_int.labels.txt     for TensorFlow Datasets
OUT/croissant.json                            for catalogues
OUT/rejected.jsonl, rejected.failed.jsonl     inputs that were not written
OUT/card.html, sample.png                     the page, the contact sheet
OUT/.building-RUN/                            a run's own folder, gone when the run is finished:
    job.txt                                       the digest that a resumed run compares
    plan/VARIANT/train-00000-00000.jsonl          a unit's list of images
    VARIANT/train-00000-00000.ATTEMPT.tfrecord    what an attempt at a unit made, and beside it
        .index.arrow, .rejected.jsonl, .result.json     its records, its rejected inputs, its result
    rejected.jsonl                                inputs that were rejected when they were listed
    failure.txt, traceback.txt                    why it failed
    new/, replaced/                               what is put in place, and what makes room for it

Locks and the journal of an exchange are named where they are kept: `etl.storage.locks`, `etl.storage.publishing`.
"""

from __future__ import annotations

import re

MANIFEST_NAME = "manifest.json"
REJECTED_NAME = "rejected.jsonl"
# In an output that holds a data set, whose own list stays.
FAILED_REJECTED_NAME = "rejected.failed.jsonl"
CARD_NAME = "card.html"
SHEET_NAME = "sample.png"
CROISSANT_NAME = "croissant.json"

INDEX_NAME = "index.parquet"
TFDS_INFO_NAME = "dataset_info.json"
TFDS_FEATURES_NAME = "features.json"
# TFDS looks for the names of a feature's classes in a file of the feature's name.
TFDS_LABELS_NAME = "label_int.labels.txt"
TFDS_NAMES = (TFDS_INFO_NAME, TFDS_FEATURES_NAME, TFDS_LABELS_NAME)

SHARD_SUFFIX = ".tfrecord"
# The same name as TFDS spells it.
TFDS_SHARD_TEMPLATE = f"{{SPLIT}}-{{SHARD_X_OF_Y}}{SHARD_SUFFIX}"
_SHARD = re.compile(rf"(.+)-\d{{5}}-of-\d{{5}}{re.escape(SHARD_SUFFIX)}(?:\.gz)?")

BUILDING_PREFIX = ".building-"
JOB_NAME = "job.txt"
FAILURE_NAME = "failure.txt"
TRACE_NAME = "traceback.txt"
PLAN_NAME = "plan"
NEW_NAME = "new"
REPLACED_NAME = "replaced"

# Behind the stem of an attempt.
LIST_SUFFIX = ".index.arrow"
REJECTED_SUFFIX = f".{REJECTED_NAME}"
RESULT_SUFFIX = ".result.json"


def shard_name(split: str, index: int, count: int, *, compressed: bool = False) -> str:
    """Names a shard's file: `train-00003-of-00012.tfrecord`, with `.gz` where compressed."""
    return f"{split}-{index:05d}-of-{count:05d}{SHARD_SUFFIX}{'.gz' if compressed else ''}"


def split_of_shard(name: str) -> str | None:
    """Returns the split that a shard's name begins with; None for the name of any other file."""
    shard = _SHARD.fullmatch(name)
    return None if shard is None else shard[1]


def shards_pattern(split: str) -> str:
    """Returns the pattern that the names of a split's shards match, compressed or not."""
    return f"{split}-*{SHARD_SUFFIX}*"


def building_name(run_id: str) -> str:
    """Names a run's own folder: `.building-0123456789ab`."""
    return f"{BUILDING_PREFIX}{run_id}"


def building_dir(output: str, run_id: str) -> str:
    """Returns a run's own folder in an output."""
    return f"{output}/{building_name(run_id)}"


def is_building(name: str) -> bool:
    """Tells whether a folder's name is that of a run's own folder."""
    return name.startswith(BUILDING_PREFIX)


def run_id_of(building_dir: str) -> str:
    """Returns the run of an own folder."""
    return building_dir.rpartition(BUILDING_PREFIX)[2]


def shard_stem(variant: str, split: str, index: int) -> str:
    """Names a shard among all of a run, when their number isn't known yet: `jpeg/train-00003`."""
    return f"{variant}/{split}-{index:05d}"


def unit_stem(shard: str, part: int) -> str:
    """Names a unit among all of a run: its shard's stem and its part, `jpeg/train-00003-00000`."""
    return f"{shard}-{part:05d}"


def plan_path(folder: str, shard: str, part: int) -> str:
    """Returns the file below a folder of plans that lists a unit's images."""
    return f"{folder}/{unit_stem(shard, part)}.jsonl"
