"""Says in plain words what was found: what binds, how far it is from the limit, and what to know about the figures."""

from __future__ import annotations

from etl.words import quantity
from trainer.doctor.findings import MAX_WAIT_SHARE, Findings
from trainer.doctor.wording import STAGE_WORDS, bytes_text, rate_text, seconds_text, share_text

# Of the files, how much has to lie in the page cache to call them cached, or not.
_CACHED, _UNCACHED = 0.9, 0.1
# Of the cores, how much may be taken before the figures mean less; starting TensorFlow adds to the load too.
_BUSY_SHARE = 0.75
# A shuffle buffer is worth a word where one waits for it.
_SLOW_FIRST_BATCH_SECONDS = 1.0


def make_verdict(findings: Findings) -> list[str]:
    """Returns the sentences, the most important first."""
    return [
        sentence
        for sentence in (
            _describe_bottleneck(findings),
            _describe_limit(findings),
            _describe_training(findings) or _describe_augmentation(findings),
            _describe_load(findings),
            _describe_page_cache(findings),
            _describe_first_batch(findings),
        )
        if sentence
    ]


def _describe_bottleneck(findings: Findings) -> str:
    stage = findings.slowest_input
    alone = f"alone, it gives {rate_text(findings.medians[stage])} images/s"
    if stage in findings.host_shares and len(findings.host_shares) > 1:
        alone += f", and is {share_text(findings.host_shares[stage])} of the host's work for an image"
    return f"{STAGE_WORDS[stage]} binds the input: {alone}."


def _describe_limit(findings: Findings) -> str:
    threads = f"{quantity(findings.machine.num_threads, 'thread')}"
    copied = findings.bare_copy.median
    text = f"The whole pipeline gives {rate_text(findings.pipeline.median)} images/s: "
    of_copy = f"{share_text(findings.pipeline.median / copied)} of a bare read and copy of the same bytes"
    if findings.bare_decode is None:
        return f"{text}{of_copy} on {threads} ({rate_text(copied)})."
    decoded = findings.bare_decode.median
    text += f"{share_text(findings.limit_share)} of a bare decode on {threads} ({rate_text(decoded)})"
    if findings.limit_share > 1 and findings.data.is_windowed:
        text += ", which decodes the whole images and not only a window of each"
    return f"{text}, {of_copy} ({rate_text(copied)})."


def _describe_training(findings: Findings) -> str:
    training = findings.training
    if training is None:
        return ""
    step = training.batch_size / training.alone.median
    text = (
        f"In training, {training.model} waits for its input {share_text(training.wait_share)} of the time "
        f"(a step of {training.batch_size:,} images takes {seconds_text(step)} alone): "
    )
    if training.wait_share < MAX_WAIT_SHARE:
        return text + "the model binds, and the input keeps up."
    text += "the input binds."
    return text if findings.machine.is_accelerated else text[:-1] + "; here both share the same cores."


def _describe_augmentation(findings: Findings) -> str:
    rate = findings.medians.get("augment")
    if rate is None or rate > findings.pipeline.median:
        return ""
    where = findings.machine.device if findings.machine.is_accelerated else "this CPU"
    return (
        f"Augmenting, which the model does, is slower than the input on {where} ({rate_text(rate)} images/s): a model "
        f"trained there would not wait for its input."
    )


def _describe_load(findings: Findings) -> str:
    machine = findings.machine
    if machine.load < _BUSY_SHARE * machine.num_cores:
        return ""
    cores = f"{quantity(machine.num_cores, 'core')}"
    return (
        f"Other programs were using this machine (load {machine.load:.1f} on {cores} before the measurements): left "
        "alone, it is faster than these figures."
    )


def _describe_page_cache(findings: Findings) -> str:
    share, size = findings.machine.cached_share, bytes_text(findings.data.num_bytes)
    if findings.data.is_remote:
        return f"The shards ({size}) are on an object store: the reading rate is that of the network."
    if share is None:
        return ""
    if share >= _CACHED:
        return f"The shards ({size}) were in the page cache already: the first epoch from the disk will be slower."
    if share <= _UNCACHED:
        return f"The shards ({size}) were not in the page cache: a second run reads faster if they fit into memory."
    return f"{share_text(share)} of the shards ({size}) were in the page cache: the rest was read from the disk."


def _describe_first_batch(findings: Findings) -> str:
    seconds, buffer = findings.first_batch_seconds, findings.data.shuffle_buffer
    if seconds < _SLOW_FIRST_BATCH_SECONDS:
        return ""
    why = (
        f": a shuffle buffer of {buffer:,} records is filled before it" if findings.is_first_batch_shuffle_bound else ""
    )
    return f"The first batch came after {seconds_text(seconds)}{why}."
