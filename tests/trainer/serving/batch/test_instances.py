"""Lines of JSON: what is an instance, what isn't, and what comes back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.serving.batch.instances import Instance, encode_prediction, parse, write_instances
from trainer.serving.batch.job import REASONS


def encode(**content: Any) -> bytes:
    return json.dumps(content).encode() + b"\n"


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


@given(st.binary(max_size=100), st.text(max_size=20))
def test_an_image_is_what_was_encoded(data: bytes, key: str) -> None:
    instance = parse(encode(key=key, image_bytes=b64(data), more=[1, {"a": None}]))
    assert instance.data == data
    assert json.loads(instance.echo) == {"key": key, "more": [1, {"a": None}]}


@given(st.binary(max_size=60))
def test_any_line_is_an_instance_or_says_why_not(line: bytes) -> None:
    instance = parse(line)
    assert (instance.data is None) == (instance.reason in REASONS) == bool(instance.message)
    written, reason = encode_prediction(instance, None)
    assert written.count(b"\n") == 1
    assert reason == instance.reason
    json.loads(written)


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (None, "not_json", "longer than 67,108,864 bytes"),
        (b"\n", "not_json", "the line is empty"),
        (b"{", "not_json", "no JSON: Expecting property name"),
        (b"\xff{}", "not_json", "no JSON: "),
        (b"[" * 100_000, "not_json", "no JSON: "),
        (b"[1]", "not_json", "not a JSON object"),
        (b'{"key": NaN}', "not_json", "NaN is no JSON"),
        (b'{"key": 1e999}', "not_json", "no JSON: "),
        (b'{"key": 1}', "no_input", "expected one of image_bytes and filenames, got neither"),
        (encode(image_bytes=b64(b""), filenames="x"), "no_input", "got image_bytes and filenames"),
        (encode(image_bytes="aaaa"), "no_input", 'image_bytes is not {"b64": "…"}'),
        (encode(image_bytes={"b64": 1}), "no_input", 'image_bytes is not {"b64": "…"}'),
        (encode(filenames=["x"]), "no_input", "filenames is no path"),
        (encode(image_bytes={"b64": "a-b_"}), "bad_base64", "image_bytes is no base64: "),
        (encode(image_bytes={"b64": "abc"}), "bad_base64", "image_bytes is no base64: "),
        (encode(image_bytes={"b64": "ä"}), "bad_base64", "image_bytes is no base64: "),
        (encode(filenames="/nowhere/x.jpg"), "unreadable", "No such file or directory"),
        (encode(filenames="a\0b"), "unreadable", "embedded null byte"),
        (encode(filenames="/"), "unreadable", "Is a directory"),
    ],
)
def test_what_is_no_instance_says_why(line: bytes | None, reason: str, message: str) -> None:
    instance = parse(line)
    assert instance.data is None
    assert instance.reason == reason
    assert message in instance.message
    assert "\n" not in instance.message


def test_of_what_is_no_json_the_beginning_comes_back() -> None:
    line = ("no JSON, " + "ä" * 100_000).encode()
    assert json.loads(parse(line).echo) == ("no JSON, " + "ä" * 200)[:200]
    assert json.loads(parse(encode(key="k", image_bytes=1)).echo) == {"key": "k"}


def test_a_prediction_is_one_line_of_json() -> None:
    shares = np.array([0.25, 0.75], np.float32)
    answer = {
        "class_str": "röse".encode(),
        "class_int": np.int64(1),
        "probability": shares[1],
        "probabilities": shares,
    }
    line, reason = encode_prediction(Instance('{"key": 1}', b""), answer)
    assert reason == ""
    assert json.loads(line) == {
        "instance": {"key": 1},
        "prediction": {"class_str": "röse", "class_int": 1, "probability": 0.75, "probabilities": [0.25, 0.75]},
    }
    line, _ = encode_prediction(Instance("{}", b""), {"image_png": b"png", "pixels": np.zeros((1, 1, 3))})
    assert json.loads(line) == {"instance": {}, "prediction": {"image_png": b64(b"png")}}


def test_an_answer_that_is_no_number_is_an_error() -> None:
    shares = np.array([np.nan, np.nan], np.float32)
    answer = {"class_str": b"a", "class_int": 0, "probability": shares[0], "probabilities": shares}
    line, reason = encode_prediction(Instance("{}", b""), answer)
    assert reason == "no_number"
    assert json.loads(line) == {"instance": {}, "error": "the model's probabilities are no numbers"}


def test_instances_are_made_of_files(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a/1.jpg", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    output = tmp_path / "out" / "instances.jsonl"
    assert write_instances([str(tmp_path / "*/*.jpg"), str(tmp_path / "c.png")], str(output), by_name=False) == 3
    made = [parse(line) for line in output.read_bytes().splitlines()]
    paths = [str(tmp_path / name) for name in ("a/1.jpg", "b/2.jpg", "c.png")]
    assert [json.loads(instance.echo) for instance in made] == [{"key": path} for path in paths]
    assert [instance.data for instance in made] == [b"a/1.jpg", b"b/2.jpg", b"c.png"]


def test_instances_can_name_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.jpg").write_bytes(b"one")
    monkeypatch.chdir(tmp_path)
    assert write_instances(["1.jpg"], "named.jsonl", by_name=True) == 1
    line = Path("named.jsonl").read_bytes()
    assert json.loads(line) == {"key": "1.jpg", "filenames": str(tmp_path / "1.jpg")}
    assert parse(line).data == b"one"


@pytest.mark.parametrize("by_name", [False, True])
def test_a_file_that_is_missing_leaves_no_instances(tmp_path: Path, by_name: bool) -> None:
    (tmp_path / "1.jpg").write_bytes(b"one")
    paths = [str(tmp_path / "1.jpg"), str(tmp_path / "2.jpg")]
    with pytest.raises(ConfigError, match=r"--make_instances: got '.*2.jpg', expected files"):
        write_instances(paths, str(tmp_path / "out.jsonl"), by_name=by_name)
    assert [path.name for path in tmp_path.iterdir()] == ["1.jpg"]
