"""The source distribution, and what a training container makes of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from etl.errors import ConfigError, run_main
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from trainer.vertex import __main__ as vertex
from trainer.vertex.training import package

__all__ = ["gcs", "gcs_server"]


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (package.build(tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second
    assert [path.name for path in (tmp_path / "a").iterdir()] == [package.FILE_NAME]


def test_it_holds_what_the_code_reads_and_nothing_of_the_machine(tmp_path: Path) -> None:
    with tarfile.open(package.build(tmp_path)) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    root = Path(package.__file__).parents[3]
    for folder in ("etl", "trainer"):
        sources = {str(path.relative_to(root)) for path in (root / folder).rglob("*.py")}
        assert sources <= set(names)
    configs = {str(path.relative_to(root)) for path in (root / "trainer" / "vertex" / "configs").iterdir()}
    assert configs <= set(names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks")) or "__pycache__" in name]


def test_an_installed_distribution_cannot_be_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_ROOT", tmp_path)
    with pytest.raises(ConfigError, match="expected the source tree of petalstream, with its setup.py"):
        package.build(tmp_path / "dist")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--requirements", "none.txt"], "--requirements: got 'none.txt', expected a file with the container's"),
        (["--output_dir", "/dev/null/dist", "--no_check"], "--output_dir: .*expected a folder that can be written"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_tried(flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vertex.main(["package", *flags])


def test_a_package_that_fails_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "setup.py").write_text("raise SystemExit('a broken setup.py')")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_text("")
    for name in ("etl", "trainer"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(package, "_ROOT", tmp_path)
    assert run_main(vertex.main, ["package", "--no_check", "--output_dir", str(tmp_path / "dist")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: building the distribution failed")
    assert "a broken setup.py" in line
    assert not list((tmp_path / "dist").iterdir())


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds what a training container holds, and the distribution."""
    folder = tmp_path_factory.mktemp("container")
    return package.make_environment(package.build(folder), package._LOCK, folder / "env")


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def test_two_workers_in_the_container_train_from_a_bucket_and_export_to_it(
    container: Path, gcs: Gcs, tmp_path: Path, photo_files: dict[str, list[Path]]
) -> None:
    """As Vertex AI runs it: nothing but variables, each worker a process of its own, all files on an object store."""
    uses = {"train": "training", "validation": "validation", "test": "test"}
    for split, files in photo_files.items():
        lines = []
        for path in files:
            name = f"photographs/{path.parent.name}/{path.name}"
            gcs.write(name, path.read_bytes())
            line = {"imageGcsUri": gcs.path(name), "classificationAnnotation": {"displayName": path.parent.name}}
            lines.append(json.dumps(line))
        gcs.write(f"lines/{uses[split]}-00000-of-00001.jsonl", "\n".join(lines).encode())
    environ = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "AIP_DATA_FORMAT": "jsonl",
        "AIP_TRAINING_DATA_URI": gcs.path("lines/training-*"),
        "AIP_VALIDATION_DATA_URI": gcs.path("lines/validation-*"),
        "AIP_TEST_DATA_URI": gcs.path("lines/test-*"),
        "AIP_MODEL_DIR": gcs.path("job/model/"),
        "AIP_CHECKPOINT_DIR": gcs.path("job/checkpoints/"),
        "AIP_TENSORBOARD_LOG_DIR": gcs.path("job/logs/"),
        "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "metrics"),
        "TF_CONFIG": "",
    }
    job = [str(container), "-m", "trainer.task", "--model", "linear", "--image_size", "32", "--num_epochs", "2"]
    job += ["--batch_size", "6", "--seed", "1", "--resume"]
    cluster = {f"workerpool{number}": [address] for number, address in enumerate(free_addresses(2))}
    workers = []
    for pool in cluster:
        spec = {"cluster": cluster, "environment": "cloud", "task": {"type": pool, "index": 0}}
        settings = {**environ, "CLUSTER_SPEC": json.dumps(spec)}
        process = subprocess.Popen(
            job, cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        workers.append(process)
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert "saved_model.pb" in "".join(gcs.names("job/model/"))
    assert gcs.names("job/logs/train/")
    assert not gcs.names("job/checkpoints/")
    evaluation = json.loads(gcs.read("job/evaluation.json"))
    assert evaluation["num_examples"] == len(photo_files["test"])
    reported = [json.loads(line) for line in (tmp_path / "metrics").read_text().splitlines()]
    assert [line["global_step"] for line in reported] == ["1", "2"]
    # In a fresh process that has none of our code.
    code = (
        "import sys, tensorflow as tf\n"
        "sys.modules['etl'] = sys.modules['trainer'] = None\n"
        f"model = tf.saved_model.load('{gcs.path('job/model')}')\n"
        "answers = model.signatures['serving_default'](image_bytes=tf.constant([open(sys.argv[1], 'rb').read()]))\n"
        "print(answers['class_str'].numpy()[0].decode(), float(answers['probability'].numpy()[0]))\n"
    )
    photograph = str(photo_files["test"][0])
    asked = subprocess.run([str(container), "-c", code, photograph], cwd=tmp_path, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    name, probability = asked.stdout.split()
    assert name in ("daisy", "roses", "tulips")
    assert 1 / 3 <= float(probability) <= 1
    # Started again, as after a machine was replaced, it does nothing.
    again = subprocess.run(job, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "finished already" in again.stderr
