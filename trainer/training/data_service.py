"""Training on the batches of a tf.data service: what can't be exact there, and what its failures say."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.cli import note, seconds_of
from etl.errors import ConfigError, PetalstreamError
from trainer.ingest import managed, service
from trainer.ingest.config import host_port

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.training.progress import TrainingProgress

# How long a step may wait for its batch, which in the first one is also the time in which its graph is made.
SECONDS_VARIABLE = "PETALSTREAM_SERVICE_SECONDS"
_SECONDS = 300.0
_NOTICE_SECONDS = 60.0
# What a data set says that gave fewer batches than its epoch has.
_FEWER = re.compile(r"expected to contain (\d+) elements? but contained (?:only|at least) (\d+)")


class LostServiceError(PetalstreamError):
    """The tf.data service has gone, or a part of an epoch with one of its workers."""


def check(config: TrainConfig) -> None:
    """Checks that the service answers and can read the data set.

    Raises:
        ConfigError: nobody listens there, or the data set is one that only this process has.
    """
    if config.data_service is None:
        return
    if managed.is_managed(config.data_dir):
        expected = "none with JSON lines, of which each process makes shards of its own"
        raise ConfigError("--data_service", config.data_service, expected, "etl.run makes a data set of them")
    service.check_reachable("--data_service", config.data_service)


def check_place(config: TrainConfig, progress: TrainingProgress) -> None:
    """Checks that a run goes on where an epoch of the data begins: no other place can be found again there.

    Raises:
        ConfigError: the checkpoint was made within an epoch, without a service.
    """
    if config.data_service is not None and progress.data_step:
        where = f"the backup was made {progress.data_step} steps into an epoch"
        hint = "a service's batches come in no fixed order; go on without it, or begin anew with --overwrite"
        raise ConfigError("--data_service", config.data_service, f"none, since {where}", hint)


@contextmanager
def reading(config: TrainConfig, progress: TrainingProgress, num_steps: int = 1) -> Iterator[None]:
    """Makes one line of a service that fails while the block takes batches from it in a `tf.function`.

    TensorFlow waits for ever for the part of an epoch that a lost worker had: such a wait is cancelled.

    Args:
        config: The run's.
        progress: Where the block begins.
        num_steps: How many it trains.

    Raises:
        LostServiceError: the service can't be reached, gave an epoch that isn't whole, or gives nothing any more.
    """
    if config.data_service is None:
        yield
        return
    import tensorflow as tf

    # TensorFlow's own, and no part of its documented interface: nothing else ends a wait for a batch.
    from tensorflow.python.eager.cancellation import CancellationManager, CancellationManagerContext

    patience = seconds_of(SECONDS_VARIABLE, _SECONDS)
    manager = CancellationManager()
    timers = [
        threading.Timer(min(_NOTICE_SECONDS, patience / 2) * num_steps, note, [_describe_wait(config.data_service)]),
        threading.Timer(patience * num_steps, manager.start_cancel),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        with CancellationManagerContext(manager):
            yield
    except tf.errors.OpError as error:
        problem = f"gave no batch for {patience:g} s" if manager.is_cancelled else _describe(error.message)
        if problem is None:
            raise
        raise LostServiceError(
            f"the tf.data service at {config.data_service} {problem}, in epoch {progress.data_epoch + 1}; once it runs "
            "again, the same command with --resume trains that epoch anew"
        ) from error
    finally:
        for timer in timers:
            timer.cancel()


def _describe_wait(address: str) -> str:
    join = f"python -m {service.PROG} --dispatcher {host_port(address)}"
    return (
        f"waiting for the tf.data service at {address}: where it has no worker, {join} adds one; a part of the epoch "
        "that a lost worker had doesn't come back"
    )


def _describe(message: str) -> str | None:
    """Returns what a failure of TensorFlow says of the service; None where it is about something else."""
    fewer = _FEWER.search(message)
    if fewer:
        return f"gave {fewer[2]} of {fewer[1]} batches"
    if service.EXPECTED in message or "dispatcher" in message.lower():
        return "can't be reached"
    return None
