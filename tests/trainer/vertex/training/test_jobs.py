"""`train`: what it would send, what it sends, and how it ends, against the stand-in server."""

from __future__ import annotations

import re
import shlex
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.routes import Call
from tests.fakes.vertex.server import VertexServer
from trainer.vertex.api import clients, requests, submission, waiting
from trainer.vertex.api.options import Cloud
from trainer.vertex.training import specs

Run = Callable[..., int]

PACKAGE = ("--package_uri", "gs://petals/packages/petalstream.tar.gz")
TRAIN = ("train", "--config", "cpu", *PACKAGE, "--base_output_dir", "gs://petals/out")
FLAGS = ("--", "--data_dir", "gs://petals/data", "--model", "linear")
ACCOUNT = ("--service_account", "trainer@petals-123.iam.gserviceaccount.com")
JOBS = "POST customJobs"
DEADLINE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)


def sent(vertex: VertexServer, short: str = JOBS) -> dict[str, Any]:
    bodies = vertex.bodies(short)
    assert len(bodies) == 1
    return bodies[0]


def pools(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return list(spec["workerPoolSpecs"])


def test_it_starts_a_custom_job(vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*TRAIN, "--display_name", "petals", "--label", "team=pets", *FLAGS) == 0
    out, err = capsys.readouterr()
    body = sent(vertex)
    assert body["displayName"] == "petals"
    assert body["labels"] == {"managed_by": "petalstream", "team": "pets"}
    assert body["jobSpec"]["baseOutputDirectory"] == {"outputUriPrefix": "gs://petals/out"}
    package = pools(body["jobSpec"])[0]["pythonPackageSpec"]
    assert package["pythonModule"] == "trainer.task"
    assert package["packageUris"] == [PACKAGE[1]]
    assert package["args"] == ["--distribute=cpu", *FLAGS[1:]]
    name = out.strip()
    assert re.fullmatch(r"projects/petals-123/locations/europe-west4/customJobs/\d+", name)
    assert f"locations/europe-west4/training/{name.rsplit('/', 1)[1]}?project=petals-123" in err
    assert "python -m trainer.vertex status customJobs/" in err
    # First a look at what has that name already.
    assert vertex.short_calls() == ["GET customJobs", JOBS]
    assert vertex.calls[0].query["filter"] == 'display_name="petals"'


@pytest.mark.parametrize("config", specs.CONFIGS)
def test_the_dry_run_prints_what_is_sent(
    config: str, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["train", "--config", config, *TRAIN[3:], "--display_name", "my petals", *ACCOUNT, "--label", "a=b"]
    argv += ["--image", "my/image:1", "--timeout", "90m", "--spot", "--tensorboard", "77", "--network", "n", *FLAGS]
    assert command(*argv[:3], "--dry_run", *argv[3:]) == 0
    shown = capsys.readouterr().out
    assert vertex.calls == []
    assert command(*argv) == 0
    body = sent(vertex)
    spec = requests.parse("CustomJobSpec", yaml.safe_load(shown))
    assert spec == requests.parse("CustomJobSpec", body["jobSpec"])
    # What gcloud takes as flags is in the comment.
    flags = dict(word[2:].split("=", 1) for word in shlex.split(shown.splitlines()[0]) if word.startswith("--"))
    assert flags["display-name"] == body["displayName"]
    assert dict(pair.split("=") for pair in flags["labels"].split(",")) == body["labels"]
    assert (flags["project"], flags["region"]) == ("petals-123", "europe-west4")
    assert body["jobSpec"]["scheduling"]["timeout"] == "5400s"
    assert body["jobSpec"]["scheduling"]["strategy"] == "SPOT"
    assert body["jobSpec"]["tensorboard"] == "projects/petals-123/locations/europe-west4/tensorboards/77"
    assert body["jobSpec"]["serviceAccount"] == ACCOUNT[1]
    for pool in pools(body["jobSpec"]):
        assert pool["pythonPackageSpec"]["executorImageUri"] == "my/image:1"


def test_the_dry_run_names_the_package_that_it_would_make(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (
        "train",
        "--config",
        "cpu",
        "--staging_bucket",
        "gs://petals/x/",
        "--display_name",
        "one",
        "--dry_run",
        *FLAGS,
    )
    assert command(*argv) == 0
    first = capsys.readouterr().out
    spec = yaml.safe_load(first)
    (uri,) = pools(spec)[0]["pythonPackageSpec"]["packageUris"]
    assert re.fullmatch(r"gs://petals/x/packages/[0-9a-f]{16}/petalstream-[0-9.]+\.tar\.gz", uri)
    assert spec["baseOutputDirectory"] == {"outputUriPrefix": "gs://petals/x/jobs/one"}
    assert f"# before: python -m trainer.vertex package, to {uri}" in first
    image = pools(spec)[0]["pythonPackageSpec"]["executorImageUri"]
    assert image.startswith("europe-west4-docker.pkg.dev/petals-123/petalstream/training:")
    assert vertex.calls == []


def test_a_container_needs_no_package(vertex: VertexServer, command: Run) -> None:
    argv = ("train", "--config", "machines", "--container", "--image", "mine", "--base_output_dir", "gs://petals/out")
    assert command(*argv, *FLAGS) == 0
    for pool in pools(sent(vertex)["jobSpec"]):
        assert pool["containerSpec"]["imageUri"] == "mine"
        assert pool["containerSpec"]["args"] == ["--distribute=gpus_multiple_machines", *FLAGS[1:]]


def test_a_file_of_ones_own(vertex: VertexServer, command: Run, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        "workerPoolSpecs:\n- machineSpec: {machineType: e2-standard-4}\n  replicaCount: 1\n"
        "  containerSpec: {imageUri: my/image, args: [--seed=3]}\n"
        "baseOutputDirectory: {outputUriPrefix: gs://mine/out}\nenableWebAccess: true\n",
        encoding="utf-8",
    )
    assert command("train", "--config", path, *FLAGS) == 0
    spec = sent(vertex)["jobSpec"]
    assert spec["enableWebAccess"] is True
    assert spec["baseOutputDirectory"] == {"outputUriPrefix": "gs://mine/out"}
    assert pools(spec)[0]["containerSpec"] == {"imageUri": "my/image", "args": ["--seed=3", *FLAGS[1:]]}


WRONG = {
    "no package": (("train", "--config", "cpu", *FLAGS), "--staging_bucket: got None"),
    "no data": ((*TRAIN, "--", "--model", "linear"), "--data_dir: got None"),
    "local data": ((*TRAIN, "--", "--data_dir", "/data"), "--data_dir: got '/data', expected a gs:// path"),
    "a flag": ((*TRAIN, *FLAGS, "--num_epoch", "2"), "did you mean --num_epochs?"),
    "no output": (("train", "--config", "cpu", *PACKAGE, *FLAGS), "--base_output_dir: got None"),
    "no account": ((*TRAIN, "--tensorboard", "7", *FLAGS), "--tensorboard: got '7', expected --service_account"),
    "both": ((*TRAIN, "--tensorboard", "7", "--experiment", "e", *ACCOUNT, *FLAGS), "no --experiment beside it"),
    "a run alone": ((*TRAIN, "--experiment_run", "r", *FLAGS), "--experiment_run: got 'r', expected --experiment"),
    "an account": ((*TRAIN, "--service_account", "me", *FLAGS), "--service_account: got 'me'"),
    "a time": ((*TRAIN, "--timeout", "8d", *FLAGS), "--timeout: got '8d', expected a time of seven days at most"),
    "a bucket": ((*TRAIN[:-1], "petals/out", *FLAGS), "--base_output_dir: got 'petals/out'"),
    "a name": ((*TRAIN, "--display_name", "a/b", *FLAGS), "--display_name: got 'a/b'"),
    "an image's package": ((*TRAIN, "--container", *FLAGS), "--package_uri: got"),
    "an instance": ((*TRAIN, "--tensorboard", "models/7", *ACCOUNT, *FLAGS), "tensorboards: got 'models/7'"),
    "a model's image": ((*TRAIN, "--serving_image", "i", *FLAGS), "--serving_image: got 'i', expected --upload_model"),
    "a parent": ((*TRAIN, "--parent_model", "7", *FLAGS), "--parent_model: got '7', expected --upload_model"),
    "shares": ((*TRAIN, "--fractions", "1,0,0", *FLAGS), "--fractions: got '1,0,0', expected --dataset"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_found_before_anything_is_sent(
    name: str, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, expected = WRONG[name]
    assert command(*argv) == 2
    out, err = capsys.readouterr()
    assert expected in err, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert out == ""
    assert vertex.calls == []


REFUSED = {
    "permission": (403, "Permission 'aiplatform.customJobs.create' denied.", 2, "roles/aiplatform.user"),
    "account": (403, "You do not have permission to act as service account: iam.serviceAccounts.actAs", 2, "Account"),
    "machines": (
        429,
        "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_tpu_v5e",
        1,
        "the quota of aiplatform.googleapis.com/custom_model_training_tpu_v5e in europe-west4 is used up",
    ),
    "request": (400, "Machine type e2 is not supported.", 2, "Machine type e2 is not supported"),
    "signed out": (401, "Invalid authentication credentials.", 2, "gcloud auth application-default login"),
    "broken": (500, "Internal error encountered.", 1, "INTERNAL: Internal error encountered"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_line_and_makes_nothing(
    name: str, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    status, message, code, expected = REFUSED[name]
    vertex.fail("POST", "customJobs", status, message, times=100)
    assert command(*TRAIN, "--display_name", "petals", *FLAGS) == code
    out, err = capsys.readouterr()
    assert err.startswith("error: starting the training job petals: ")
    assert expected in err
    assert err.count("\n") == 1
    assert out == ""
    assert vertex.short_calls() == ["GET customJobs", JOBS]
    assert vertex.store.resources == {}


def test_a_busy_service_is_asked_again(vertex: VertexServer, command: Run) -> None:
    vertex.fail("POST", "customJobs", 429, "Quota exceeded for quota metric 'Requests' per minute.", times=2)
    assert command(*TRAIN, *FLAGS) == 0
    assert vertex.short_calls() == ["GET customJobs", JOBS, JOBS, JOBS]


def test_after_an_unavailable_service_it_looks_before_it_asks_again(vertex: VertexServer, command: Run) -> None:
    vertex.fail("POST", "customJobs", 503, "Unavailable.", times=2)
    assert command(*TRAIN, *FLAGS) == 0
    look = "GET customJobs"
    assert vertex.short_calls() == [look, JOBS, look, JOBS, look, JOBS]
    assert len(vertex.store.resources) == 1


def test_a_job_whose_answer_was_lost_is_not_started_twice(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (*TRAIN, "--display_name", "petals", *FLAGS)
    assert command(*argv) == 0
    first = capsys.readouterr().out
    vertex.fail("POST", "customJobs", 503, "Unavailable.", applied=True)
    assert command(*argv) == 0
    second = capsys.readouterr().out
    # One of the same name that was there before isn't taken for it.
    assert first != second
    assert sorted(vertex.store.resources) == sorted([first.strip(), second.strip()])


def test_a_service_that_stays_away_is_given_up(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.fail("POST", "customJobs", 503, "Unavailable.", times=100)
    assert command(*TRAIN, *FLAGS) == 1
    assert "UNAVAILABLE: Unavailable; try again later" in capsys.readouterr().err
    assert vertex.short_calls().count(JOBS) == submission.NUM_TRIES
    assert vertex.store.resources == {}


def test_waiting_shows_states_and_ends_with_a_table(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("QUEUED", "PENDING", "RUNNING", "RUNNING", "SUCCEEDED")
    vertex.fail("GET", "customJobs/", 503, times=2)
    assert command(*TRAIN, "--wait", *FLAGS) == 0
    out, err = capsys.readouterr()
    states = re.findall(r"\d\d:\d\d:\d\d (\w+)", err)
    assert states == ["queued", "pending", "running", "succeeded"]
    for words in ("state", "succeeded", "gs://petals/out", "took", "training/"):
        assert words in out


@pytest.mark.parametrize(("state", "words"), [("FAILED", "failed"), ("CANCELLED", "was cancelled")])
def test_a_job_that_fails_is_a_failure(
    state: str, words: str, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("RUNNING", state)
    script(vertex).error = {"code": 3, "message": "The replica workerpool0-0 exited\nwith a non-zero status of 2."}
    assert command(*TRAIN, "--wait", *FLAGS) == 1
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert re.match(rf"error: the training job \d+ {words}: ", line)
    assert "logs: https://console.cloud.google.com/" in line
    assert words.split()[-1] in out
    if state == "FAILED":
        assert "exited with a non-zero status of 2." in line


def interrupt_after(vertex: VertexServer, short: str) -> threading.Thread:
    """Sends Ctrl-C to this process once the server has been asked for something."""

    def interrupt() -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while short not in vertex.short_calls() and time.monotonic() < end:
            time.sleep(0.01)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    main = threading.main_thread()
    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_ctrl_c_while_waiting_says_that_the_job_goes_on(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("RUNNING",) * 100_000
    thread = interrupt_after(vertex, "GET customJobs/*")
    code = command(*TRAIN, "--wait", *FLAGS)
    thread.join()
    out, err = capsys.readouterr()
    assert code == 130
    number = out.strip().rsplit("/", 1)[-1]
    line = err.splitlines()[-1]
    goes_on = f"the job goes on; python -m trainer.vertex status customJobs/{number} --project petals-123"
    assert line.startswith(f"error: interrupted; {goes_on}")
    assert f"gcloud ai custom-jobs cancel {number} --region=europe-west4 --project=petals-123 ends it" in line
    assert "POST customJobs/*:cancel" not in vertex.short_calls()


def test_ctrl_c_while_starting_says_that_there_may_be_a_job(
    vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that it is still trying when the signal comes.
    monkeypatch.setattr(clients, "RETRY_SECONDS", 2 * DEADLINE_SECONDS)
    busy = "Quota exceeded for quota metric 'Requests' per minute."
    vertex.fail("POST", "customJobs", 429, busy, times=1_000_000)
    thread = interrupt_after(vertex, JOBS)
    code = command(*TRAIN, "--display_name", "petals", *FLAGS)
    thread.join()
    err = capsys.readouterr().err
    assert code == 130
    assert "it may have been started; python -m trainer.vertex list jobs --filter 'display_name=\"petals\"'" in err


def add_dataset(vertex: VertexServer, cloud: Cloud) -> str:
    name = f"{cloud.parent}/datasets/4711"
    vertex.store.add(name, {"displayName": "flowers"})
    return name


def test_a_managed_data_set_makes_a_pipeline(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    name = add_dataset(vertex, cloud)
    argv = [*TRAIN, "--dataset", name, "--display_name", "petals", *ACCOUNT, "--tensorboard", "7"]
    flags = ("--", "--model", "linear")
    assert command(*argv, "--dry_run", *flags) == 0
    shown = capsys.readouterr().out
    assert vertex.calls == []
    assert command(*argv, "--wait", *flags) == 0
    body = sent(vertex, "POST trainingPipelines")
    assert requests.parse("TrainingPipeline", yaml.safe_load(shown)) == requests.parse("TrainingPipeline", body)
    assert f"# POST https://europe-west4-aiplatform.googleapis.com/v1/{cloud.parent}/trainingPipelines" in shown
    data = body["inputDataConfig"]
    assert data["datasetId"] == "4711"
    assert data["gcsDestination"] == {"outputUriPrefix": "gs://petals/out/data"}
    assert data["annotationSchemaUri"].endswith("/annotation/image_classification_1.0.0.yaml")
    assert data["filterSplit"]["trainingFilter"] == "labels.aiplatform.googleapis.com/ml_use=training"
    inputs = body["trainingTaskInputs"]
    # It is free-form for the API: here it is a CustomJobSpec, field by field.
    requests.parse("CustomJobSpec", inputs)
    assert inputs["baseOutputDirectory"] == {"outputUriPrefix": "gs://petals/out"}
    assert inputs["serviceAccount"] == ACCOUNT[1]
    assert pools(inputs)[0]["pythonPackageSpec"]["args"] == ["--distribute=cpu", "--model", "linear"]
    assert "modelToUpload" not in body
    assert vertex.short_calls()[:3] == ["GET trainingPipelines", "POST trainingPipelines", "GET trainingPipelines/*"]


def test_fractions(vertex: VertexServer, cloud: Cloud, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    add_dataset(vertex, cloud)
    assert command(*TRAIN, "--dataset", "4711", "--fractions", "0.8,0.1,0.1", "--", "--model", "linear") == 0
    split = sent(vertex, "POST trainingPipelines")["inputDataConfig"]["fractionSplit"]
    assert split == {"trainingFraction": 0.8, "validationFraction": 0.1, "testFraction": 0.1}
    for wrong in ("0.8,0.1", "0.8,0.1,0.2", "a,b,c", "1.2,-0.1,-0.1"):
        assert command(*TRAIN, "--dataset", "4711", "--fractions", wrong, "--", "--model", "linear") == 2
        assert "--fractions: got" in capsys.readouterr().err


def test_a_model_is_registered_by_a_pipeline_too(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = f"{cloud.parent}/models/12"
    vertex.store.add(parent, {"displayName": "petals", "versionId": "1"})
    assert command(*TRAIN, "--upload_model", "petals", "--parent_model", "12", "--wait", *FLAGS) == 0
    body = sent(vertex, "POST trainingPipelines")
    assert "inputDataConfig" not in body
    assert body["parentModel"] == parent
    container = body["modelToUpload"]["containerSpec"]
    assert container["imageUri"].startswith("europe-west4-docker.pkg.dev/petals-123/petalstream/serving:")
    assert container["predictRoute"]
    assert f"{parent}@2" in capsys.readouterr().out
    prebuilt = "europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    assert command(*TRAIN, "--upload_model", "petals", "--serving_image", prebuilt, *FLAGS) == 0
    assert vertex.bodies("POST trainingPipelines")[1]["modelToUpload"]["containerSpec"] == {"imageUri": prebuilt}


def test_a_data_set_that_is_not_there(vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(*TRAIN, "--dataset", "4711", "--", "--model", "linear") == 2
    err = capsys.readouterr().err
    assert "datasets/4711 is not found" in err
    assert "python -m trainer.vertex list datasets" in err
    assert vertex.store.resources == {}


def test_an_experiment_and_its_run_are_made_once(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (*TRAIN, *ACCOUNT, "--experiment", "petals", "--experiment_run", "first")
    assert command(*argv, "--dry_run", *FLAGS) == 0
    assert vertex.calls == []
    assert "contexts/petals-first, unless it is there" in capsys.readouterr().out
    assert command(*argv, *FLAGS) == 0
    store = f"{cloud.parent}/metadataStores/default"
    spec = sent(vertex)["jobSpec"]
    assert spec["experiment"] == f"{store}/contexts/petals"
    assert spec["experimentRun"] == f"{store}/contexts/petals-first"
    contexts = [call for call in vertex.calls if call.short == "POST metadataStores/default/contexts"]
    assert [call.query["contextId"] for call in contexts] == ["petals", "petals-first"]
    assert [call.body["schemaTitle"] for call in contexts] == ["system.Experiment", "system.ExperimentRun"]
    assert contexts[1].body["displayName"] == "first"
    assert vertex.store.get(f"{store}/contexts/petals-first")["parentContexts"] == [f"{store}/contexts/petals"]
    # The job comes last.
    assert vertex.calls[-1].short == JOBS
    made = [call for call in vertex.calls if _makes(call)]
    assert command(*argv, *FLAGS) == 0
    again = [call for call in vertex.calls if _makes(call)][len(made) :]
    assert [call.short for call in again] == [JOBS]


def _makes(call: Call) -> bool:
    return call.method == "POST" and ":" not in call.path
