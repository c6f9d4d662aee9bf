"""What `--dry_run` shows of jobs that would run here, on Dataflow and on Vertex AI; nothing is asked, nothing sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from docs.surface import inputs
from docs.surface.calls import call_loaded, steady, succeed

_ETL = "etl.run --dry_run --source folder --input photos --seed 7"
_CLOUD = "--project my-project --region europe-west4 --temp_location gs://my-bucket/tmp"
_DATAFLOW = f"etl.run --dry_run --source synthetic --num_images 12 --runner DataflowRunner {_CLOUD}"
_STAGING = "--staging_bucket gs://petals/staging"
_PACKAGE = "--package_uri gs://petals/packages/petalstream-0.1.0.tar.gz"
_DATA = "-- --data_dir gs://petals/data/flowers"
_ACCOUNT = "--service_account trainer@petals-123.iam.gserviceaccount.com"
_SERVER = "--service_account server@petals-123.iam.gserviceaccount.com"
_DEPLOY = "deploy gs://petals/jobs/first --endpoint flowers --model_name flowers"
_AGAIN = f"--base_output_dir gs://petals/retrain --run_id w47 {_PACKAGE}"

ETL: Mapping[str, str] = {
    "etl": f"{_ETL} --output out --variants jpeg,pixel --image_size 32 --shard_mb 0.1",
    "etl.splits": f"{_ETL} --output out --variants jpeg --image_size 32 --jpeg_quality 80 --splits train=0.5,test=0.5",
    "etl.direct": f"{_ETL} --output out --runner DirectRunner --direct_num_workers 2",
    "etl.csv": "etl.run --dry_run --source csv --input list.csv --output out",
    "etl.dataflow": f"{_DATAFLOW} --output gs://my-bucket/out --dataflow_job_file job.json",
    "etl.dataflow.image": f"{_DATAFLOW} --output gs://my-bucket/out --variants pixel --image_size 32 "
    "--sdk_container_image europe-west4-docker.pkg.dev/my-project/petalstream/worker:1 --max_num_workers 7 "
    "--worker_machine_type n2-standard-4 --no_use_public_ips --job_name flowers",
}

VERTEX: Mapping[str, str] = {
    "package": "package --output_dir dist",
    "train.cpu": f"train --config cpu {_STAGING} --display_name one {_DATA} --model linear",
    "train.gpus": f"train --config gpus {_STAGING} --label team=pets {_DATA} --model cnn --num_epochs 5",
    "train.machines": f"train --config machines {_PACKAGE} --base_output_dir gs://petals/jobs/m {_ACCOUNT} --spot "
    f"--timeout 12h {_DATA} --model cnn --image_size 128 --batch_size 256 --resume",
    "train.tpu": f"train --config tpu {_STAGING} --network n --image my/image:1 {_DATA} --model linear",
    "train.container": f"train --config machines --container --image mine --base_output_dir gs://petals/o {_DATA}",
    "train.dataset": f"train --config gpus {_STAGING} --dataset 1234567890 --upload_model flowers "
    "-- --model mobilenet --image_size 224",
    "train.tensorboard": f"train --config gpus {_STAGING} {_ACCOUNT} --tensorboard 77 {_DATA} --tensorboard",
    "train.experiment": f"train --config cpu {_STAGING} {_ACCOUNT} --experiment flowers --experiment_run wide {_DATA}",
    "tune.bayes": f"tune --config tune_bayes {_STAGING} {_DATA}",
    "tune.grid": f"tune --config tune_grid {_STAGING} --max_trials 8 {_DATA}",
    "tune.cifar10_dropout": f"tune --config tune_cifar10_dropout {_STAGING} {_DATA}",
    "tune.embedding": f"tune --config tune_embedding {_STAGING} {_ACCOUNT} {_DATA}",
    "deploy": f"{_DEPLOY} {_SERVER}",
    "deploy.canary": f"{_DEPLOY} --traffic 10 --min_replicas 2 --max_replicas 6 --machine_type n1-standard-8",
    "deploy.keep": f"{_DEPLOY} --traffic 100 --keep_replaced --accelerator_type NVIDIA_TESLA_T4",
    "deploy.image": f"{_DEPLOY} --image mine --port 9000 --predict_route /p --health_route /h",
    "deploy.monitoring": f"{_DEPLOY} --monitoring --alert_email you@example.com "
    "--request_log bq://petals-123.petals.requests --sample_rate 0.2",
    "deploy.local": f"deploy run {_STAGING} --endpoint flowers --model_name flowers",
    "predict": "predict --endpoint flowers two.jpg",
    "batch-predict": "batch-predict --model_name flowers --output gs://petals/batch photos",
    "batch-predict.input": "batch-predict --model_name flowers --output gs://petals/batch --version 2 --max_replicas 4 "
    "--input gs://petals/instances.jsonl --accelerator_type NVIDIA_TESLA_T4 --format json",
    "retrain.develop": f"retrain --mode develop {_AGAIN} {_DATA} --model mobilenet --image_size 224",
    "retrain.production": f"retrain --mode production --config gpus {_ACCOUNT} --endpoint flowers --model_name flowers "
    f"--serving_service_account server@petals-123.iam.gserviceaccount.com --traffic 10 --tolerance 0.005 {_AGAIN} "
    f"{_DATA} --model mobilenet --image_size 224 --num_epochs 20",
    "retrain.automl": "retrain --automl --dataset 1234567890 --budget_hours 8",
    "dataset": f"dataset --display_name flowers --from_data_dir ds --images gs://petals/photos {_STAGING}",
    "dataset.import": "dataset --display_name flowers --import gs://petals/list.jsonl",
    "tensorboard": "tensorboard --display_name petalstream",
    "list.jobs": "list jobs --ours --limit 150",
    "list.endpoints": "list endpoints --filter 'display_name=\"a\"'",
    "status": "status 1234567890",
}


def record(work: Path) -> Mapping[str, str]:
    """Returns a file for each call, and the job that Dataflow would get."""
    for line in (inputs.PHOTOS, inputs.DATA):
        succeed(line, work)
    photos = sorted((work / "photos").glob("*/*.jpg"))
    (work / "two.jpg").write_bytes(photos[0].read_bytes())
    (work / "list.csv").write_text("".join(f"{path},{path.parent.name}\n" for path in photos), encoding="utf-8")
    # What a deployment looks at.
    (work / "run" / "model" / "assets.extra").mkdir(parents=True)
    (work / "run" / "model" / "saved_model.pb").write_bytes(b"a graph")
    description = {"model": "cnn", "dataset": "flowers", "fingerprint": "f" * 64, "gives": "classes"}
    (work / "run" / "model" / "assets.extra" / "petalstream.json").write_text(json.dumps(description))
    lines = {**ETL, **{f"vertex.{name}": f"trainer.vertex {_dry(line)}" for name, line in VERTEX.items()}}
    cloud = {"GOOGLE_CLOUD_PROJECT": "petals-123", "GOOGLE_CLOUD_REGION": "europe-west4"}
    done = call_loaded(lines.values(), work, **cloud)
    files = {f"{name}.txt": each.text(work) for name, each in zip(lines, done, strict=True)}
    files["etl.dataflow.job.json"] = steady((work / "job.json").read_text(encoding="utf-8"), work)
    return files


def _dry(line: str) -> str:
    """Puts `--dry_run` behind the command's name: what follows a bare `--` is the trainer's."""
    name, _, rest = line.partition(" ")
    return f"{name} --dry_run {rest}"
