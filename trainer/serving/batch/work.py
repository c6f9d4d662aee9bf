"""One unit of work: read its lines, ask the model, write its file."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

from etl import progress, storage
from etl.parallel import ordered_map
from trainer.serving.batch.instances import encode_prediction, parse
from trainer.serving.batch.job import Job, Unit, UnitResult
from trainer.serving.batch.lines import RangeLines
from trainer.serving.served_model import ServedModel

# A batch ends here too, so that large images bound what is in memory: eight batches a thread are.
_BATCH_BYTES = 4 << 20

_Answered = list[tuple[bytes, str]]


def predict_unit(job: Job, unit: Unit, model: ServedModel) -> UnitResult:
    """Answers one unit's lines, in order, in a file under a name that no other attempt has.

    Args:
        job: What it is part of.
        unit: Its range of the input.
        model: The model; called from several threads at once.
    """
    lines = RangeLines(job.input, unit.start, unit.end)
    path = f"{job.building_dir}/{unit.index:06d}.{uuid.uuid4().hex}.jsonl"
    failed: Counter[str] = Counter()
    num_instances = 0
    num_threads = job.num_threads or os.cpu_count() or 1
    with storage.create(path) as stream:
        batches = _batches(lines, job.batch_size)
        for answered in ordered_map(lambda batch: _answer(model, batch), batches, num_threads):
            stream.writelines(line for line, _ in answered)
            failed.update(reason for _, reason in answered if reason)
            num_instances += len(answered)
            progress.advance(len(answered))
    return UnitResult(unit.index, path, lines.start, lines.end, num_instances, dict(failed))


def _batches(lines: Iterable[bytes | None], batch_size: int) -> Iterator[list[bytes | None]]:
    batch: list[bytes | None] = []
    num_bytes = 0
    for line in lines:
        batch.append(line)
        num_bytes += len(line or b"")
        if len(batch) == batch_size or num_bytes >= _BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch


def _answer(model: ServedModel, lines: list[bytes | None]) -> _Answered:
    """Answers a batch; what is no instance never reaches the model, what it can't decode stays alone."""
    instances = [parse(line) for line in lines]
    answers = iter(model.predict([instance.data for instance in instances if instance.data is not None]))
    return [encode_prediction(instance, None if instance.data is None else next(answers)) for instance in instances]
