"""`python -m trainer.batch_predict`: one line out for each line in, whatever is in them."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from etl.errors import run_main
from etl.format.layout import BUILDING_PREFIX
from trainer.serving.batch import command, lines
from trainer.serving.predictions import predict
from trainer.serving.served_model import ServedModel

NUM_FLOWERS = 40


def call(*arguments: object) -> int:
    return run_main(command.main, [str(argument) for argument in arguments])


def predict_lines(model_dir: Path, source: Path, output: Path, *more: object) -> int:
    return call("--model_dir", model_dir, "--input", source, "--output", output, *more)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def instances_of(folder: Path, files: list[str]) -> list[bytes]:
    path = folder / "made.jsonl"
    assert call("--make_instances", *files, "--output", path, "--overwrite") == 0
    return path.read_bytes().splitlines(keepends=True)


def without_more(line: dict[str, Any]) -> tuple[str, str, int, float]:
    prediction = line["prediction"]
    return line["instance"]["key"], prediction["class_str"], prediction["class_int"], prediction["probability"]


def test_real_flowers_as_predict_says_with_what_is_broken_in_its_place(
    real_data: Path,
    run_dir: Path,
    served_model: ServedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Several units, whose borders are anywhere in the lines.
    monkeypatch.setattr(lines, "_UNIT_LINES", 6)
    flowers = sorted(map(str, (real_data / "flower_photos").glob("*/*.jpg")))[:: 1_400 // NUM_FLOWERS][:NUM_FLOWERS]
    instances = instances_of(tmp_path, flowers)
    half = base64.b64encode(Path(flowers[0]).read_bytes()[:5_000]).decode()
    broken = {
        0: (b'{"key": "cut\n', "no JSON: "),
        7: (b'{"key": "nothing"}\n', "expected one of image_bytes and filenames"),
        8: (b'{"key": "base64", "image_bytes": {"b64": "*"}}\n', "image_bytes is no base64"),
        30: (b'{"key": "text", "image_bytes": {"b64": "bm8gaW1hZ2U="}}\n', "not_an_image: "),
        44: (json.dumps({"key": "half", "image_bytes": {"b64": half}}).encode(), "truncated: the file ends"),
    }
    for place, (line, _) in broken.items():
        instances.insert(place, line)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"".join(instances))
    assert predict_lines(run_dir, source, output) == 0
    printed = capfd.readouterr()
    answers = read(output)
    assert len(answers) == NUM_FLOWERS + len(broken)
    for place, (_, message) in broken.items():
        assert message in answers[place]["error"], place
        # TensorFlow's own messages name nodes and functions.
        assert "{{" not in answers[place]["error"]
        assert list(answers[place]) == ["instance", "error"]
    assert [answers[place]["instance"] for place in broken] == [
        '{"key": "cut',
        *({"key": key} for key in ("nothing", "base64", "text", "half")),
    ]
    good = [answer for place, answer in enumerate(answers) if place not in broken]
    for answer, expected in zip(good, predict(served_model, flowers), strict=True):
        assert without_more(answer)[:3] == (expected.file, expected.class_str, expected.class_int)
        assert answer["prediction"]["probability"] == pytest.approx(expected.probability, abs=1e-6)
        assert max(answer["prediction"]["probabilities"]) == answer["prediction"]["probability"]
    assert "failed, not_an_image" in printed.out
    assert "45 instances" in printed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "made.jsonl", "out.jsonl"]


def test_names_are_read_and_batches_and_threads_change_nothing(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*photo_files["train"], *photo_files["test"]]
    source = tmp_path / "named.jsonl"
    assert call("--make_instances", *files, "--by_name", "--output", source) == 0
    with open(source, "ab") as stream:
        stream.write(b'{"key": "gone", "filenames": "/nowhere/x.jpg"}\n\n')
    assert predict_lines(run_dir, source, tmp_path / "a.jsonl") == 0
    monkeypatch.setattr(lines, "_MIN_UNIT_BYTES", 100)
    monkeypatch.setattr(lines, "_UNIT_LINES", 7)
    more = ("--batch_size", 3, "--direct_num_workers", 1, "--runner", "DirectRunner")
    assert predict_lines(run_dir, source, tmp_path / "b.jsonl", *more) == 0
    first, second = read(tmp_path / "a.jsonl"), read(tmp_path / "b.jsonl")
    assert [line["instance"] for line in first] == [line["instance"] for line in second]
    for one, other in zip(first[:-2], second[:-2], strict=True):
        assert one["instance"]["filenames"] == one["instance"]["key"]
        assert without_more(one)[:3] == without_more(other)[:3]
        assert without_more(one)[3] == pytest.approx(without_more(other)[3], abs=1e-6)
    assert [line["error"] for line in first[-2:]] == ["No such file or directory", "the line is empty"]
    assert first[-2:] == second[-2:]


def test_files_that_the_graph_refuses_are_answered(
    run_dir: Path, served_model: ServedModel, other_files: dict[str, Path], tmp_path: Path
) -> None:
    files = [str(path) for path in other_files.values()]
    (tmp_path / "in.jsonl").write_bytes(b"".join(instances_of(tmp_path, files)))
    assert predict_lines(run_dir, tmp_path / "in.jsonl", tmp_path / "out.jsonl") == 0
    answers = read(tmp_path / "out.jsonl")
    assert [answer["instance"]["key"] for answer in answers] == files
    for answer, expected in zip(answers, predict(served_model, files), strict=True):
        assert not expected.error
        assert answer["prediction"]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


def test_too_many_failures_end_with_code_1_and_all_predictions(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"".join([*instances_of(tmp_path, [str(path) for path in photo_files["test"]]), b"broken\n"]))
    assert predict_lines(run_dir, source, output, "--max_failed_fraction", "0.1") == 0
    capfd.readouterr()
    assert predict_lines(run_dir, source, output, "--overwrite", "--max_failed_fraction", "0.09") == 1
    assert "error: 10.0% of the instances failed, and --max_failed_fraction is 0.09" in capfd.readouterr().err
    assert len(read(output)) == 10


def test_nothing_to_do_is_an_error(run_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"")
    assert predict_lines(run_dir, tmp_path / "in.jsonl", tmp_path / "out.jsonl") == 2
    assert "expected JSON lines of instances, one at least; this file is empty" in capfd.readouterr().err
    (tmp_path / "empty").mkdir()
    for flags in ((), ("--by_name",)):
        making = ["--make_instances", str(tmp_path / "empty"), "--output", str(tmp_path / "out.jsonl"), *flags]
        assert run_main(command.main, making) == 2
        assert "--make_instances: got " in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_output_and_the_next_one_clears_up(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, number: signal.Signals
) -> None:
    few = instances_of(tmp_path, [str(path) for path in photo_files["train"]])
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    # Minutes of work; it is ended as soon as there is anything to see.
    with open(source, "wb") as stream:
        stream.writelines(b"".join(few) for _ in range(5_000))
    arguments = ["--model_dir", str(run_dir), "--input", str(source), "--output", str(output)]
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.batch_predict", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # What starts the tests may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    pattern = f"{output.name}{BUILDING_PREFIX}*/*.jsonl"
    while process.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(pattern)):
        time.sleep(0.05)
    process.send_signal(number)
    printed = process.communicate()[0].decode()
    assert not output.exists()
    if number == signal.SIGKILL:
        assert process.returncode == -number, printed
        assert list(tmp_path.glob(pattern))
    else:
        assert process.returncode == 128 + number, printed
        word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
        assert printed.splitlines()[-1] == f"error: {word}; nothing was written; the same command begins anew"
        assert "Traceback" not in printed
        assert not list(tmp_path.glob(pattern))
    source.write_bytes(b"".join(few))
    assert predict_lines(run_dir, source, output) == 0
    assert len(read(output)) == len(few)
    assert not list(tmp_path.glob(f"*{BUILDING_PREFIX}*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "x"], "error: --model_dir: got None, expected a value"),
        (["--model_dir", "x"], "error: --input: got None, expected a value"),
        (["--model_dir", "x", "--input", "{made}"], "error: MODEL_DIR: got"),
        (["--model_dir", "x", "--input", "nowhere"], "expected a file that exists"),
        (["--make_instances", "x", "--input", "y"], "error: --input: got 'y', expected no such option"),
        (["--make_instances", "x", "--streaming"], "error: --streaming: got None, expected no such option"),
        (["--by_name", "--model_dir", "x"], "error: --by_name: got True"),
        (["--model_dir", "x", "--input", "y", "--inputt", "z"], "did you mean --input?"),
        (["--model_dir", "x", "--input", "y", "--batch_size", "0"], "error: --batch_size: got '0'"),
        (["--model_dir", "x", "--input", "y", "--output", "{made}"], "add --overwrite"),
        (["--model_dir", "x", "--input", "y", "--output", "{tmp}", "--overwrite"], "a file, and this is a folder"),
    ],
)
def test_mistakes_end_with_code_2_and_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    made = tmp_path / "made.jsonl"
    made.write_bytes(b"{}\n")
    given = [argument.format(made=made, tmp=tmp_path) for argument in arguments]
    assert call("--output", tmp_path / "out.jsonl", *given) == 2
    printed = capfd.readouterr().err
    assert message in printed.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["made.jsonl"]
