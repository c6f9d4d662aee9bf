"""Mistaken calls of all commands: what each says, and with which exit code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from docs.surface import inputs
from docs.surface.calls import call_loaded

_FOLDER = "etl.run --source folder --input photos --output"
_TASK = "trainer.task --data_dir ds --variant pixel --output_dir"
_CLOUD = "--project my-project --region europe-west4 --temp_location gs://my-bucket/tmp --runner DataflowRunner"
_BUCKET = f"etl.run --source synthetic --output gs://my-bucket/out --dry_run {_CLOUD}"
_TRAIN = "trainer.vertex train --config cpu --package_uri gs://petals/p.tar.gz --base_output_dir gs://petals/out"
_DATA = "-- --data_dir gs://petals/data --model linear"

# One command a line. Each has an output of its own, OUT: several run at a time.
CALLS = f"""
etl.run
{_FOLDER} OUT --image_szie 3
{_FOLDER} OUT --image_size abc
{_FOLDER} OUT --jpeg_quality 0
{_FOLDER} OUT --splits train=0.5,test=0.6
{_FOLDER} OUT --variants jpeg,video
{_FOLDER} OUT --variants pixel
{_FOLDER} OUT --variants embedding
{_FOLDER} OUT --variants embedding --embedding_weights none.h5
{_FOLDER} OUT --max_rejected_fraction 2
{_FOLDER} OUT --labels twice.txt
{_FOLDER} OUT --labels others.txt
{_FOLDER} OUT --classes_from empty
{_FOLDER} ds
{_FOLDER} note.txt
{_FOLDER} s3://bucket/out
{_FOLDER} OUT --runner NoRunner
{_FOLDER} OUT --runner DaskRunner --dask_client_address nowhere
{_FOLDER} OUT stray
etl.run --source imagenet --output OUT
etl.run --source folder --input none --output OUT
etl.run --source folder --input empty --output OUT
etl.run --source folder --input 'photos/*.tif' --output OUT
etl.run --source folder --input halves --output OUT
etl.run --source csv --input empty.csv --output OUT
etl.run --source csv --input one_column.csv --output OUT
etl.run --source csv --input unknown_split.csv --output OUT
etl.run --source csv --input no_path.csv --output OUT
etl.run --source csv --input quote.csv --output OUT
etl.run --source csv --input utf16.csv --output OUT
etl.run --source csv --input missing.csv --output OUT
etl.run --source csv --input missing.csv --output OUT --path_column file
etl.run --source pets --input photos --output OUT
etl.run --source cifar10 --input photos --output OUT
etl.run --source flowers --input note.txt --output OUT
{_BUCKET} --project 12345
{_BUCKET} --region europe-west4-a
{_BUCKET} --temp_location /tmp/x
{_BUCKET} --streaming
etl.run --source folder --input photos --output /data/out --dry_run {_CLOUD}
etl.inspect none
etl.inspect ds_no_manifest
etl.inspect ds_no_json
etl.inspect ds_newer
etl.inspect ds_cut
etl.inspect ds_cut --quick
etl.inspect ds_flipped
etl.inspect ds_no_shard
etl.inspect ds_no_index
etl.inspect ds --compare ds_train
etl.card none
etl.card ds_cut
etl.sources.synthetic photos
etl.sources.synthetic new --num_images 0
trainer.task
trainer.task --data_dir none --output_dir OUT
trainer.task --data_dir ds --output_dir OUT
trainer.task --data_dir ds_newer --output_dir OUT --variant pixel
trainer.task --data_dir ds_cut --output_dir OUT --variant pixel --model linear --num_epochs 1
trainer.task --data_dir ds_flipped --output_dir OUT --variant pixel --model linear --num_epochs 1
trainer.task --data_dir ds_no_shard --output_dir OUT --variant pixel --model linear --num_epochs 1
trainer.task --data_dir ds --output_dir OUT --variant embedding
{_TASK} OUT --model resnet
{_TASK} OUT --model linear --dropout 0.5
{_TASK} OUT --model embedding_head
{_TASK} OUT --num_epoch 3
{_TASK} OUT --num_epochs 1.5
{_TASK} OUT --batch_size -1
{_TASK} OUT --init_from none
{_TASK} OUT --weights none.h5 --model mobilenet
{_TASK} OUT --config none.yaml
{_TASK} OUT --config unknown.yaml
{_TASK} OUT --config word.yaml
{_TASK} OUT --config list.yaml
{_TASK} OUT --config open.yaml
{_TASK} OUT --config twice.yaml
{_TASK} OUT --data_service nowhere
{_TASK} OUT --monitor recall
{_TASK} note.txt --model linear
{_TASK} run --model linear
{_TASK} run --model cnn --resume
trainer.predict
trainer.predict none half.jpg
trainer.predict run empty
trainer.predict run none.jpg
trainer.predict run half.jpg note.txt
trainer.predict run half.jpg --top_k 0
trainer.predict run_broken half.jpg
trainer.batch_predict --output OUT
trainer.batch_predict --model_dir run --input none.jsonl --output OUT
trainer.batch_predict --model_dir run --input empty.jsonl --output OUT
trainer.batch_predict --model_dir run --input bad.jsonl --output OUT --max_failed_fraction 0.5
trainer.batch_predict --make_instances photos --model_dir run --output OUT
trainer.batch_predict --make_instances none --output OUT
trainer.server
trainer.server --model_dir none
trainer.server --model_dir run --port 99999
trainer.server --model_dir run_broken
trainer.ingest.doctor none
trainer.ingest.doctor ds --batch_size 0
trainer.ingest.doctor ds --variant embedding
trainer.ingest.doctor ds --split none
trainer.ingest.service --port 99999
trainer.ingest.service --dispatcher nowhere
trainer.tune --config neither --output_dir OUT -- --data_dir ds
trainer.tune --config study.yaml --output_dir OUT
trainer.tune --config study.yaml --output_dir OUT --max_trials 0 -- --data_dir ds --variant pixel
trainer.tune --config study.yaml --output_dir gs://bucket/s -- --data_dir ds --variant pixel
trainer.tune --config study.yaml --output_dir OUT -- --data_dir ds_train --variant pixel
trainer.tune --config study_no_metric.yaml --output_dir OUT -- --data_dir ds --variant pixel
trainer.tune --config study_goal.yaml --output_dir OUT -- --data_dir ds --variant pixel
trainer.tune --config study_unknown.yaml --output_dir OUT -- --data_dir ds --variant pixel
trainer.tune --config study_nested.yaml --output_dir OUT -- --data_dir ds --variant pixel
trainer.vertex trian
trainer.vertex train --config cpu {_DATA}
{_TRAIN} --project Petals {_DATA}
{_TRAIN} -- --model linear
{_TRAIN} -- --data_dir /data
{_TRAIN} {_DATA} --num_epoch 2
{_TRAIN} --tensorboard 7 {_DATA}
{_TRAIN} --timeout 8d {_DATA}
{_TRAIN} --display_name a/b {_DATA}
{_TRAIN} --fractions 1,0,0 {_DATA}
trainer.vertex train --config none.yaml --staging_bucket gs://petals/s {_DATA}
trainer.vertex tune --config bayesian {_DATA}
trainer.vertex deploy none --endpoint flowers --model_name flowers --dry_run
trainer.vertex deploy gs://petals/run --endpoint flowers --model_name flowers --traffic 200
trainer.vertex deploy gs://petals/run --endpoint flowers --model_name flowers --alert_email a@example.com
trainer.vertex predict --endpoint flowers none.jpg --dry_run
trainer.vertex batch-predict --model_name flowers --output out photos --dry_run
trainer.vertex retrain --mode sometimes --base_output_dir gs://petals/r
trainer.vertex list job
trainer.vertex status petals --dry_run
trainer.vertex list jobs -- --model linear
benchmarks.report none.jsn
benchmarks.report none.json
benchmarks.report other.json
"""


def record(work: Path) -> Mapping[str, str]:
    """Returns one file with all calls."""
    inputs.make(work)
    cloud = {"GOOGLE_CLOUD_PROJECT": "petals-123", "GOOGLE_CLOUD_REGION": "europe-west4"}
    lines = [line.replace("OUT", f"out-{number}") for number, line in enumerate(CALLS.strip().splitlines())]
    done = call_loaded(lines, work, **cloud)
    return {"errors.txt": "\n".join(re.sub(r"\bout-\d+", "OUT", each.text(work)) for each in done)}
