"""Small inputs, good and bad, made by script; every path is relative to the folder that they are made in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.surface.calls import succeed

PHOTOS = "etl.sources.synthetic photos --num_images 12 --seed 5"
DATA = (
    "etl.run --source folder --input photos --output ds --variants jpeg,pixel --image_size 16 --seed 7 "
    "--splits train=0.5,validation=0.25,test=0.25"
)
# No test split, and nothing to train on but these pixels.
TRAIN_ONLY = (
    "etl.run --source folder --input photos --output ds_train --variants pixel --image_size 16 --splits train=1"
)
RUN = (
    "trainer.task --data_dir ds --variant pixel --output_dir run --model linear --num_epochs 1 --batch_size 4 --seed 1"
)

STUDY = """
studySpec:
  metrics: [{metricId: accuracy, goal: MAXIMIZE}]
  parameters:
  - {parameterId: l2, discreteValueSpec: {values: [0, 0.1]}}
maxTrialCount: 2
parallelTrialCount: 1
trialJobSpec:
  workerPoolSpecs:
  - {pythonPackageSpec: {args: [--model=linear]}}
"""

TEXTS = {
    "empty.csv": "",
    "one_column.csv": "photos/a.jpg\nphotos/b.jpg\n",
    "unknown_split.csv": "path,label,split\nphotos/daisy/00001.jpg,daisy,NEVER\n",
    "no_path.csv": "file,label\nphotos/a.jpg,daisy\n",
    "quote.csv": 'photos/a.jpg,"daisy\n',
    "missing.csv": "photos/none.jpg,daisy\nphotos/none2.jpg,roses\n",
    "twice.txt": "daisy\ndaisy\n",
    "others.txt": "cat\ndog\n",
    "unknown.yaml": "num_epoch: 3\n",
    "word.yaml": "num_epochs: many\n",
    "list.yaml": "- 1\n- 2\n",
    "open.yaml": "model: {\n",
    "twice.yaml": "seed: 1\nseed: 2\n",
    "study.yaml": STUDY,
    "study_no_metric.yaml": STUDY.replace("metrics: [{metricId: accuracy, goal: MAXIMIZE}]", "metrics: []"),
    "study_goal.yaml": STUDY.replace("MAXIMIZE", "MINIMIZE"),
    "study_unknown.yaml": STUDY.replace("parameterId: l2", "parameterId: l3"),
    "study_nested.yaml": STUDY.replace("discreteValueSpec: {values: [0, 0.1]}", "conditionalParameterSpecs: []"),
    "bad.jsonl": '{"image_bytes": {"b64": "***"}}\nno json\n{"nothing": 1}\n',
    "empty.jsonl": "",
    "note.txt": "no photograph\n",
    "none.json": "{",
    "other.json": "[]",
}


def make(work: Path) -> None:
    """Makes photographs, data sets, a run, files of texts, and data sets and models that are broken."""
    for line in (PHOTOS, DATA, TRAIN_ONLY, RUN):
        succeed(line, work)
    for name, text in TEXTS.items():
        (work / name).write_text(text, encoding="utf-8")
    (work / "utf16.csv").write_bytes("photos/a.jpg,daisy\n".encode("utf-16"))
    (work / "empty").mkdir()
    (work / "half.jpg").write_bytes(next((work / "photos").glob("*/*.jpg")).read_bytes()[:3_000])
    for name, change in BROKEN.items():
        shutil.copytree(work / "ds", work / name)
        change(work / name)
    for path in (work / "photos").glob("*/*.jpg"):
        half = work / "halves" / path.relative_to(work / "photos")
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(path.read_bytes()[:2_000])
    shutil.copytree(work / "run", work / "run_broken")
    (work / "run_broken" / "model" / "saved_model.pb").write_bytes(b"none")


def _shard(folder: Path) -> Path:
    return next((folder / "pixel").glob("train-*"))


def _cut(folder: Path) -> None:
    data = _shard(folder).read_bytes()
    _shard(folder).write_bytes(data[:-100])


def _flip(folder: Path) -> None:
    data = bytearray(_shard(folder).read_bytes())
    data[500] ^= 1
    _shard(folder).write_bytes(data)


def _newer(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))


BROKEN: Mapping[str, Callable[[Path], object]] = {
    "ds_cut": _cut,
    "ds_flipped": _flip,
    "ds_no_shard": lambda folder: _shard(folder).unlink(),
    "ds_no_manifest": lambda folder: (folder / "manifest.json").unlink(),
    "ds_no_json": lambda folder: (folder / "manifest.json").write_text("{"),
    "ds_newer": _newer,
    "ds_no_index": lambda folder: (folder / "pixel" / "index.parquet").write_bytes(b"PAR1"),
}
