"""The tuning job's file: ours, and what is wrong with others."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import trainer
from etl.errors import ConfigError
from tests.damage import damaged_json, fuzzed
from tests.trainer.tune.jobs import BATCH, DISTORT, HIDDEN, L2, make_job
from trainer import options
from trainer.tune import spec
from trainer.tune.spec import BAYESIAN, BEST, GRID, LAST, Stopping

CONFIGS = sorted((Path(trainer.__file__).parent / "vertex" / "configs").glob("tune_*.yaml"))


def test_ours_are_there() -> None:
    names = {"tune_bayes", "tune_grid", "tune_cifar10_dropout", "tune_embedding"}
    assert {path.stem for path in CONFIGS} == names
    for name in names:
        assert spec.find(name) == spec.find(name.removeprefix("tune_")) == spec.find(str(spec.find(name)))
    tuned = {"l2", "batch_size", "num_hidden", "with_color_distort", "crop_ratio"}
    for name in ("bayes", "grid"):
        study = spec.load(spec.find(name))
        assert {parameter.name for parameter in study.parameters} == tuned
        assert (study.metric, study.is_maximised, study.max_trials > 1) == ("accuracy", True, True)
    assert [parameter.name for parameter in spec.load(spec.find("cifar10_dropout")).parameters] == ["dropout"]
    assert spec.load(spec.find("grid")).num_combinations == spec.load(spec.find("grid")).max_trials == 32


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_ours_are_read_here_and_by_the_sdk_and_the_trainer_takes_their_flags(path: Path) -> None:
    from google.cloud.aiplatform_v1 import HyperparameterTuningJob
    from google.protobuf.json_format import MessageToDict, ParseDict

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    message = ParseDict(content, HyperparameterTuningJob.pb(HyperparameterTuningJob()))
    study = spec.load(path)
    # What the service would say of it is the same study.
    assert spec.read(MessageToDict(message)) == study
    assert message.max_trial_count == study.max_trials
    assert message.parallel_trial_count == study.parallel_trials
    for parameter in study.parameters:
        for value in parameter.corners():
            flags = {each.name: each.corners()[0] for each in study.parameters} | {parameter.name: value}
            given = [each.flag(flags[each.name]) for each in study.parameters]
            argv = ["--data_dir=D", "--output_dir=O", *study.arguments, *given]
            assert options.parse(argv).config.monitor == study.metric


@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_the_size_of_a_grid_is_the_product(counts: list[int]) -> None:
    parameters = [
        {"parameterId": f"p{index}", "discreteValueSpec": {"values": list(range(count))}}
        for index, count in enumerate(counts)
    ]
    assert spec.read(make_job(*parameters, study={"algorithm": GRID})).num_combinations == math.prod(counts)


def test_what_is_left_out_has_the_services_defaults() -> None:
    job = make_job(study={"metrics": [{"metricId": "accuracy"}]})
    del job["maxTrialCount"], job["parallelTrialCount"], job["trialJobSpec"]
    study = spec.read(job)
    assert (study.max_trials, study.parallel_trials, study.max_failed, study.arguments) == (1, 1, 0, ())
    assert (study.algorithm, study.selection, study.stopping, study.is_maximised) == (BAYESIAN, LAST, None, True)
    unspecified = {"measurementSelectionType": "MEASUREMENT_SELECTION_TYPE_UNSPECIFIED"}
    assert spec.read(make_job(study=unspecified)).selection == LAST
    assert spec.read(make_job(study={"measurementSelectionType": BEST})).selection == BEST
    assert spec.read(make_job()).num_combinations is None


def test_every_rule_of_the_service_that_stops_trials_is_read() -> None:
    for name in ("medianAutomatedStoppingSpec", "decayCurveStoppingSpec", "convexAutomatedStoppingSpec"):
        assert spec.read(make_job(study={name: {"useElapsedDuration": False}})).stopping == Stopping(name)
    counts = {"minStepCount": "2", "minMeasurementCount": "3"}
    study = spec.read(make_job(study={"convexAutomatedStoppingSpec": counts}))
    assert study.stopping == Stopping("convexAutomatedStoppingSpec", 2, 4)
    study = spec.read(make_job(study={"convexAutomatedStoppingSpec": {"minStepCount": 0}}))
    assert study.stopping == Stopping("convexAutomatedStoppingSpec")


def test_arguments_are_those_of_the_first_pool() -> None:
    pools = [{"containerSpec": {"imageUri": "i", "args": ["--model=cnn", "--l2", "0"]}}, {"containerSpec": {}}]
    assert spec.read(make_job(trialJobSpec={"workerPoolSpecs": pools})).arguments == ("--model=cnn", "--l2", "0")


def without(job: dict[str, Any], name: str) -> dict[str, Any]:
    job = copy.deepcopy(job)
    del job["studySpec"][name]
    return job


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ([], r"--config: got \[\], expected fields"),
        (make_job(maxTrials=3), "maxTrials: got 3, expected one of .* did you mean maxTrialCount"),
        (make_job(maxTrialCount=0), "maxTrialCount: got 0, expected a whole number, 1 or more"),
        (make_job(parallelTrialCount=101), "parallelTrialCount: got 101, expected 1 to 100"),
        (make_job(displayName=3), "displayName: got 3, expected a text"),
        (make_job(trialJobSpec=3), "trialJobSpec.workerPoolSpecs: got None, expected a list of worker pools"),
        (make_job(L2, L2), "studySpec.parameters: got 'l2, l2', expected one parameter or more, each once"),
        (without(make_job(), "metrics"), "studySpec.metrics: got 0, expected one metric"),
        (without(make_job(), "parameters"), "studySpec.parameters: got '', expected one parameter or more"),
        (make_job(study={"algorithm": "TPE"}), "studySpec.algorithm: got 'TPE', expected one of ALGORITHM_UNSPEC"),
        (make_job(study={"algorithm": GRID}), "l2: got 'DOUBLE', expected an INTEGER, CATEGORICAL or DISCRETE"),
        (make_job(study={"metrics": [{"metricId": "a", "goal": "UP"}]}), "goal: got 'UP', expected one of GOAL"),
        (make_job(study={"studyStoppingConfig": {}}), "studyStoppingConfig: got 'a setting', expected none: maxTri"),
        (
            make_job(study={"medianAutomatedStoppingSpec": {"useElapsedDuration": True}}),
            "medianAutomatedStoppingSpec.useElapsedDuration: got True, expected false: epochs",
        ),
        (
            make_job(study={"medianAutomatedStoppingSpec": {"minStepCount": 3}}),
            "medianAutomatedStoppingSpec.minStepCount: got 3, expected one of the fields useElapsedDuration",
        ),
        (
            make_job(study={"medianAutomatedStoppingSpec": {}, "decayCurveStoppingSpec": {}}),
            "studySpec: got 'medianAutomatedStoppingSpec, decayCurveStoppingSpec', expected one rule",
        ),
        (
            make_job(trialJobSpec={"workerPoolSpecs": [{"pythonPackageSpec": {"args": ["--seed", 3]}}]}),
            r"workerPoolSpecs\[0\].pythonPackageSpec.args: got 3, expected texts alone",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(job: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spec.read(job)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config: got 'nothing', expected a YAML file, or one of tune_bayes, "):
        spec.find("nothing")
    # Another kind of job's configuration.
    with pytest.raises(ConfigError, match="--config: got 'cpu'"):
        spec.find("cpu")
    (tmp_path / "a.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="a.yaml', expected a YAML file"):
        spec.load(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="b.yaml', expected a YAML file"):
        spec.load(tmp_path / "b.yaml")
    assert spec.read(make_job(BATCH, DISTORT, HIDDEN)).num_combinations == 3 * 2 * 64


@fuzzed
@given(damaged_json(make_job(BATCH, DISTORT, HIDDEN, L2)))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "job.yaml").write_bytes(damaged)
    said = "read"
    try:
        spec.load(tmp_path / "job.yaml")
    except ConfigError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    assert len(said) < 2_500
