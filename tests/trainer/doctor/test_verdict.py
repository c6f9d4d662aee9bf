from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer.doctor.findings import Findings, Training
from trainer.doctor.verdict import make_verdict

MakeFindings = Callable[..., Findings]
MakeTraining = Callable[..., Training]


def test_the_slowest_stage_binds_and_the_pipeline_is_measured_against_the_limits(make_findings: MakeFindings) -> None:
    first, second, third = make_verdict(make_findings())
    assert first == (
        "Decoding the images binds the input: alone, it gives 4,000 images/s, and is 85 % of the host's work for an "
        "image."
    )
    assert second == (
        "The whole pipeline gives 3,600 images/s: 90 % of a bare decode on 4 threads (4,000), 6.0 % of a bare read and "
        "copy of the same bytes (60,000)."
    )
    assert "page cache" in third


def test_more_than_a_whole_decode_is_explained(make_findings: MakeFindings) -> None:
    sentence = make_verdict(make_findings(pipeline=5_000.0))[1]
    assert "125 % of a bare decode" in sentence
    assert "not only a window of each" in sentence


def test_pixels_are_measured_against_a_copy_alone(make_findings: MakeFindings) -> None:
    sentences = make_verdict(
        make_findings(encoding="raw", bare_decode=None, stages={"read": 9e4, "parse": 3e4, "decode": 8e4})
    )
    assert sentences[0].startswith("Parsing the examples binds the input: alone, it gives 30,000 images/s")
    assert sentences[1].endswith("6.0 % of a bare read and copy of the same bytes on 4 threads (60,000).")


def test_a_transfer_is_no_part_of_the_hosts_work(make_findings: MakeFindings) -> None:
    findings = make_findings(stages={"read": 9e4, "decode": 4e3, "transfer": 1e3}, is_accelerated=True, device="GPU")
    assert make_verdict(findings)[0] == "Copying batches to the device binds the input: alone, it gives 1,000 images/s."


def test_a_model_that_never_waits_binds(make_findings: MakeFindings, make_training: MakeTraining) -> None:
    findings = make_findings(training=make_training(0.001))
    assert findings.bottleneck == "step"
    assert make_verdict(findings)[2] == (
        "In training, cnn waits for its input 1.0 % of the time (a step of 64 images takes 100 ms alone): the model "
        "binds, and the input keeps up."
    )


@pytest.mark.parametrize(
    ("is_accelerated", "end"), [(True, "the input binds."), (False, "here both share the same cores.")]
)
def test_a_model_that_waits_is_bound_by_its_input(
    is_accelerated: bool, end: str, make_findings: MakeFindings, make_training: MakeTraining
) -> None:
    findings = make_findings(training=make_training(0.1), is_accelerated=is_accelerated)
    assert findings.bottleneck == "decode"
    (sentence,) = [sentence for sentence in make_verdict(findings) if "waits" in sentence]
    assert "50 % of the time" in sentence
    assert sentence.endswith(end)


@pytest.mark.parametrize(("wait", "binds"), [(0.0052, "step"), (0.0053, "decode")])
def test_five_per_cent_are_the_border(
    wait: float, binds: str, make_findings: MakeFindings, make_training: MakeTraining
) -> None:
    assert make_findings(training=make_training(wait)).bottleneck == binds


def test_slow_augmentation_is_named_where_no_model_was_tried(
    make_findings: MakeFindings, make_training: MakeTraining
) -> None:
    slow = {"read": 5e4, "parse": 4e4, "decode": 4e3, "augment": 2e3}
    (sentence,) = [sentence for sentence in make_verdict(make_findings(stages=slow)) if "Augmenting" in sentence]
    assert "slower than the input on this CPU (2,000 images/s)" in sentence
    assert not any("Augmenting" in sentence for sentence in make_verdict(make_findings()))
    trained = make_findings(stages=slow, training=make_training(0.0))
    assert not any("Augmenting" in sentence for sentence in make_verdict(trained))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cached_share": 0.95}, "(600 MB) were in the page cache already"),
        ({"cached_share": 0.5}, "50 % of the shards (600 MB) were in the page cache"),
        ({"cached_share": 0.0}, "(600 MB) were not in the page cache"),
        ({"cached_share": None, "is_remote": True}, "on an object store"),
    ],
)
def test_where_the_shards_were_is_said(changes: dict[str, object], words: str, make_findings: MakeFindings) -> None:
    assert sum(words in sentence for sentence in make_verdict(make_findings(**changes))) == 1


def test_what_is_not_known_is_not_said(make_findings: MakeFindings) -> None:
    assert not any("shards" in sentence for sentence in make_verdict(make_findings(cached_share=None)))


@pytest.mark.parametrize(("load", "is_said"), [(2.9, False), (3.1, True)])
def test_a_busy_machine_is_named(load: float, is_said: bool, make_findings: MakeFindings) -> None:
    assert any("Other programs" in sentence for sentence in make_verdict(make_findings(load=load))) == is_said


def test_a_late_first_batch_is_explained(make_findings: MakeFindings) -> None:
    assert make_verdict(make_findings(first_batch_seconds=3.0, shuffle_buffer=100_000))[-1] == (
        "The first batch came after 3.0 s: a shuffle buffer of 100,000 records is filled before it."
    )
    # 4,000 records are read in 0.08 s.
    assert make_verdict(make_findings(first_batch_seconds=3.0))[-1] == "The first batch came after 3.0 s."
