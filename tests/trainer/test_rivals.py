"""Two runs of the trainer, or of the tuner, at one output: all of one of them, or nothing, and no lock that stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from etl import storage
from etl.storage.publishing import JOURNAL_NAME
from tests import rivals
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from tests.trainer.conftest import FLAGS
from tests.trainer.tune.jobs import make_job
from trainer import layout

__all__ = ["gcs", "gcs_server"]

# Longer than the others, so that one can be killed while it trains.
SECONDS = 25.0
SEEDS = (1, 2, 3, 4)


def command(data_dir: str, output_dir: str, seed: int, *more: str) -> list[str]:
    flags = ["--data_dir", data_dir, "--output_dir", output_dir, "--variant", "pixel", *FLAGS, "--seed", str(seed)]
    return ["trainer.task", *flags, *more]


def read_run(output_dir: str) -> tuple[str, ...]:
    """Returns what tells one run's model and files from another's; nothing where there is no model."""
    if not storage.exists(f"{output_dir}/model/{layout.SAVED_MODEL_FILE}"):
        return ()
    config = yaml.safe_load(storage.read_text(f"{output_dir}/{layout.CONFIG_NAME}"))
    weights = storage.read_bytes(f"{output_dir}/model/variables/variables.data-00000-of-00001")
    history = json.loads(storage.read_text(f"{output_dir}/{layout.HISTORY_NAME}"))
    evaluation = storage.read_text(f"{output_dir}/{layout.EVALUATION_NAME}")
    return str(config["seed"]), hashlib.sha256(weights).hexdigest(), str(history["loss"]), evaluation


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> dict[str, tuple[str, ...]]:
    """Seed to what a run leaves that nobody disturbs."""
    runs = {}
    for seed in SEEDS:
        folder = str(tmp_path_factory.mktemp("undisturbed"))
        code, said = run(command(str(data_dir), folder, seed))
        assert code == 0, said
        runs[str(seed)] = read_run(folder)
    assert len(set(runs.values())) == len(SEEDS)
    return runs


def run(arguments: Iterable[str]) -> tuple[int, str]:
    process = rivals.start(list(arguments))
    said, _ = process.communicate()
    return process.returncode, said


def fight(data_dir: str, output_dir: str, number: int, undisturbed: dict[str, tuple[str, ...]]) -> None:
    before: tuple[str, ...] = ()
    if number % 2:
        code, said = run(command(data_dir, output_dir, 1))
        assert code == 0, said
        before = read_run(output_dir)
    more = ["--overwrite"] if number % 2 or number % 3 else ["--resume"]
    commands = [command(data_dir, output_dir, seed, *more) for seed in (2, 3)]

    def is_critical() -> bool:
        folders = [name for name in storage.list_folders(output_dir) if name.startswith(".unfinished-")]
        return any(storage.exists(f"{output_dir}/{name}/{JOURNAL_NAME}") for name in folders)

    ends = rivals.fight(commands, number, SECONDS, is_critical)
    rivals.check_said(ends)
    found = read_run(output_dir)
    assert not found or found == undisturbed[found[0]]
    if not found and (before or not all(code for code, _ in ends)):
        # A run was killed while it put its model in place: whatever comes next brings the other model back.
        code, said = run(command(data_dir, output_dir, 4))
        assert (code, "--overwrite" in said) == (2, True), said
        found = read_run(output_dir)
        assert found == undisturbed[found[0]]
    code, said = run(command(data_dir, output_dir, 4, "--overwrite"))
    assert code == 0, said
    assert read_run(output_dir) == undisturbed["4"]
    names = {path.removeprefix(f"{output_dir}/").split("/")[0] for path in storage.list_files(output_dir)}
    assert not [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("number", rivals.ROUNDS)
def test_trainers_on_a_disk(
    tmp_path: Path, data_dir: Path, undisturbed: dict[str, tuple[str, ...]], number: int
) -> None:
    fight(str(data_dir), str(tmp_path / "run"), number, undisturbed)


@pytest.mark.full
@pytest.mark.parametrize("number", rivals.ROUNDS)
def test_trainers_on_an_object_store(
    gcs: Gcs,
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    undisturbed: dict[str, tuple[str, ...]],
    number: int,
) -> None:
    monkeypatch.setenv("PETALSTREAM_LEASE_SECONDS", "9")
    fight(str(data_dir), gcs.path("run"), number, undisturbed)


JOB = make_job(
    {"parameterId": "lrate", "discreteValueSpec": {"values": [1e-4, 1e-3]}},
    study={"algorithm": "GRID_SEARCH"},
    maxTrialCount=2,
    trialJobSpec={},
)


@pytest.mark.full
@pytest.mark.parametrize("number", rivals.ROUNDS)
def test_tuners(tmp_path: Path, data_dir: Path, number: int) -> None:
    config, study = tmp_path / "job.yaml", tmp_path / "study"
    config.write_text(yaml.safe_dump(JOB), encoding="utf-8")

    def tuner(seed: int, *more: str) -> list[str]:
        own = ["--config", str(config), "--output_dir", str(study), "--seed", str(seed), *more]
        flags = ["--data_dir", str(data_dir), "--variant=pixel", "--model=linear", "--num_epochs=2"]
        return ["trainer.tune", *own, "--", *flags, "--batch_size=8", "--seed=1"]

    if number % 2:
        code, said = run(tuner(1))
        assert code == 0, said
    complete = (study / "trials.json").read_bytes() if number % 2 else b""
    ends = rivals.fight([tuner(2, "--overwrite"), tuner(3, "--overwrite")], number, SECONDS, lambda: False)
    rivals.check_said(ends)
    if complete and all(code for code, _ in ends):
        kept = [
            path.read_bytes() for path in (study / "trials.json", study / ".replaced" / "trials.json") if path.exists()
        ]
        assert complete in kept
    code, said = run(tuner(4, "--overwrite"))
    assert code == 0, said
    content = json.loads((study / "trials.json").read_text(encoding="utf-8"))
    assert content["study"]["--seed of the search"] == 4
    assert [trial["state"] for trial in content["trials"]] == ["completed"] * 2
    assert sorted(path.name for path in study.iterdir()) == ["parallel_coordinates.png", "trials", "trials.json"]
