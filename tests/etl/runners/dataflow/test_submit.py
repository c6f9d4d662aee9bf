"""Jobs that are really staged, submitted, run from what was staged, and waited for."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from etl import run, storage
from etl.errors import run_main
from etl.format import manifest as manifests
from tests.etl.runners.dataflow.service import JOB_ID, Service
from tests.fakes.gcs.emulator import Gcs
from tests.photos import make_folder

# Where nothing is to be run, nothing is packaged, which takes seconds.
IMAGE = "europe-docker.pkg.dev/p/r/worker:1"


def arguments(service: Service, bucket: str, *more: str, image: str = IMAGE) -> list[str]:
    cloud = ["--runner", "DataflowRunner", "--project", "my-project", "--region", "europe-west4"]
    cloud += ["--temp_location", f"gs://{bucket}/tmp", "--dataflow_endpoint", service.endpoint, "--no_auth"]
    cloud += ["--sdk_container_image", image] if image else []
    return ["--source", "synthetic", "--num_images", "12", "--output", f"gs://{bucket}/out", *cloud, *more]


def test_a_job_makes_from_what_was_staged_alone_what_a_run_here_makes(
    gcs: Gcs, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_folder(tmp_path / "photos", 30)
    for path in photos.rglob("*.jpg"):
        storage.write_atomically(f"gs://{gcs.bucket}/photos/{path.relative_to(photos)}", path.read_bytes())
    options = ["--source", "folder", "--input", f"gs://{gcs.bucket}/photos", "--variants", "jpeg,pixel"]
    options += ["--image_size", "16x20", "--shard_mb", "0.02"]
    code = run_main(run.main, [*arguments(service, gcs.bucket, image=""), *options])
    printed = capsys.readouterr()
    assert code == 0, (printed.err, service.output)
    assert (
        "functions: etl.runners.transforms.Assemble etl.runners.transforms.Finalise etl.runners.transforms.WriteUnit"
        in service.output
    )
    here = tmp_path / "here"
    assert run_main(run.main, [*options[:2], "--input", str(photos), *options[4:], "--output", str(here)]) == 0
    expected = {
        str(path.relative_to(here)): hashlib.sha256(path.read_bytes()).hexdigest() for path in here.rglob("*.tfrecord")
    }
    assert len(expected) > 6
    found = {name: hashlib.sha256(storage.read_bytes(f"gs://{gcs.bucket}/out/{name}")).hexdigest() for name in expected}
    assert found == expected
    manifest = manifests.load(f"gs://{gcs.bucket}/out", storage.read_text)
    assert manifest.run["runner"] == "DataflowRunner"
    lines = printed.err.splitlines()
    page = f"https://console.cloud.google.com/dataflow/jobs/europe-west4/{JOB_ID}?project=my-project"
    assert f"Dataflow job {JOB_ID}: {page}" in lines
    assert [line for line in lines if line in ("job: running", "job: done")] == ["job: running", "job: done"]
    assert "30 read = 30 written + 0 rejected" in printed.out


def test_what_a_worker_found_wrong_is_the_line(
    gcs: Gcs, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_folder(tmp_path / "photos", 9)
    for number, path in enumerate(sorted(photos.rglob("*.jpg"))):
        data = path.read_bytes()
        name = f"gs://{gcs.bucket}/photos/{path.relative_to(photos)}"
        storage.write_atomically(name, data[: len(data) // 2] if number < 3 else data)
    more = ["--source", "folder", "--input", f"gs://{gcs.bucket}/photos"]
    assert run_main(run.main, [*arguments(service, gcs.bucket, image=""), *more]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith("error: 3 of 9 inputs were rejected, 33.3%"), service.output


def test_a_job_that_fails_is_one_line_with_what_to_do(
    gcs: Gcs, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.states = ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_FAILED"]
    trace = "Traceback (most recent call last):\n  File \"x.py\", line 1\nModuleNotFoundError: No module named 'etl'\n"
    service.messages = [("JOB_MESSAGE_BASIC", "Worker pool started."), ("JOB_MESSAGE_ERROR", trace)]
    assert run_main(run.main, arguments(service, gcs.bucket)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "job: Worker pool started." in lines
    assert lines[-1].startswith("error: the Dataflow job ended as FAILED: ModuleNotFoundError: No module named 'etl'")
    assert lines[-1].endswith("leave --sdk_container_image and --setup_file out")
    assert not any(line.startswith(("Traceback", "  File")) for line in lines)
    # What the workers wrote can be gone on from.
    assert any("/.building-" in file_path(item) for item in storage.list_files(f"gs://{gcs.bucket}/out"))


def file_path(item: object) -> str:
    return str(getattr(item, "path", item))


def test_a_job_that_somebody_cancels_is_told(gcs: Gcs, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.states = ["JOB_STATE_CANCELLED"]
    assert run_main(run.main, arguments(service, gcs.bucket)) == 1
    assert "error: the Dataflow job ended as CANCELLED" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((403, "Dataflow API has not been used in project 1 before or it is disabled"), "gcloud services enable"),
        (
            (403, "Current user cannot act as service account: iam.serviceAccounts.actAs"),
            "roles/iam.serviceAccountUser",
        ),
        ((403, "Could not create workflow; user does not have dataflow.jobs.create"), "roles/dataflow.developer"),
        ((429, "Quota exceeded for quota metric 'Concurrent jobs'"), "iam-admin/quotas"),
    ],
)
def test_a_job_that_is_refused_is_one_line_with_what_to_do(
    gcs: Gcs, service: Service, capsys: pytest.CaptureFixture[str], refusal: tuple[int, str], told: str
) -> None:
    service.refusal = refusal
    assert run_main(run.main, arguments(service, gcs.bucket)) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: the job could not be submitted: ")
    assert refusal[1][:40] in line
    assert told in line


def test_ctrl_c_says_that_the_job_goes_on_and_how_to_stop_it(
    gcs: Gcs, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.states = ["JOB_STATE_RUNNING"]
    service.on_wait = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert run_main(run.main, arguments(service, gcs.bucket)) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: interrupted; job {JOB_ID} goes on by itself and completes the data set")
    assert f"gcloud dataflow jobs cancel {JOB_ID} --region europe-west4 --project my-project" in line
    assert "PUT" not in [method for method, _ in service.asked]


def test_without_waiting_the_command_ends_and_the_job_goes_on(
    gcs: Gcs, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.states = ["JOB_STATE_RUNNING"]
    assert run_main(run.main, arguments(service, gcs.bucket, "--no_wait_until_finish")) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"gcloud dataflow jobs cancel {JOB_ID} --region europe-west4 --project my-project" in printed.err


def test_the_job_that_is_sent_names_image_account_and_machines(gcs: Gcs, service: Service) -> None:
    service.states = ["JOB_STATE_DONE"]
    more = ["--worker_machine_type", "n2-standard-4"]
    more += ["--service_account_email", "workers@p.iam.gserviceaccount.com", "--max_num_workers", "7"]
    more += ["--subnetwork", "regions/europe-west4/subnetworks/s", "--no_use_public_ips", "--no_wait_until_finish"]
    assert run_main(run.main, arguments(service, gcs.bucket, *more)) == 0
    pool = service.job.environment.worker_pools[0]
    assert pool.worker_harness_container_image == IMAGE
    assert (pool.machine_type, pool.autoscaling_settings.max_num_workers) == ("n2-standard-4", 7)
    assert service.job.environment.service_account_email == "workers@p.iam.gserviceaccount.com"
    assert pool.ip_configuration.name == "WORKER_IP_PRIVATE"
    # Nothing is packaged beside an image.
    assert "workflow.tar.gz" not in [package.name for package in pool.packages]
