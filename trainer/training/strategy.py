"""Chooses the devices of a run: one device, the GPUs of a machine, several machines, or a TPU."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from trainer import environment

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Distribution:
    """One worker's view of all.

    Attributes:
        name: One of `trainer.config.DISTRIBUTIONS` but `auto`.
        strategy: TensorFlow's; its default one on a single device.
        worker: This worker's number, from 0.
        num_workers: Processes that train together, each with its own share of the records.
        num_local_replicas: Devices of this worker.
    """

    name: str
    strategy: tf.distribute.Strategy
    worker: int = 0
    num_workers: int = 1
    num_local_replicas: int = 1

    @property
    def num_replicas(self) -> int:
        """Devices of all workers."""
        return self.num_workers * self.num_local_replicas

    @property
    def shard(self) -> tuple[int, int]:
        """This worker's number, and the number of workers, as `IngestConfig.shard`."""
        return self.worker, self.num_workers

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes what a run leaves."""
        return self.worker == 0


def make_distribution(choice: str) -> Distribution:
    """Makes the strategy; before anything else of TensorFlow, since several workers must find each other first.

    Args:
        choice: One of `trainer.config.DISTRIBUTIONS`. `auto` takes several machines where `TF_CONFIG` names
            several workers, else a TPU where `TPU_NAME` names one, else all GPUs of this machine, else its CPU.

    Raises:
        ConfigError: there is nothing of that kind here.
    """
    import tensorflow as tf

    choice = _choose(tf) if choice == "auto" else choice
    if choice == "gpus_multiple_machines":
        return _several_machines(tf)
    if choice == "tpu":
        return _tpu(tf)
    gpus = tf.config.list_physical_devices("GPU")
    if choice == "gpus_one_machine":
        if not gpus:
            raise ConfigError("--distribute", choice, "a machine with a GPU that TensorFlow finds", "or try cpu")
        if len(gpus) > 1:
            strategy = tf.distribute.MirroredStrategy()
            return Distribution(choice, strategy, num_local_replicas=strategy.num_replicas_in_sync)
    elif gpus:
        tf.config.set_visible_devices([], "GPU")
    return Distribution(choice, tf.distribute.get_strategy())


def is_first_worker(choice: str) -> bool:
    """Returns whether this process is the one that writes what a run leaves; loads no TensorFlow.

    Args:
        choice: One of `trainer.config.DISTRIBUTIONS`.

    Raises:
        ConfigError: as for `environment.read_cluster`.
    """
    return choice not in ("auto", "gpus_multiple_machines") or environment.read_cluster()[0] == 0


def _choose(tf: Any) -> str:
    if environment.read_cluster()[1] > 1:
        return "gpus_multiple_machines"
    if os.environ.get("TPU_NAME"):
        return "tpu"
    return "gpus_one_machine" if tf.config.list_physical_devices("GPU") else "cpu"


def _several_machines(tf: Any) -> Distribution:
    worker, num_workers = environment.read_cluster()
    if num_workers < 2:
        hint = "set TF_CONFIG on each of them, or choose another --distribute"
        raise ConfigError("--distribute", "gpus_multiple_machines", "several workers in TF_CONFIG", hint)
    environment.configure_tensorflow()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    local = strategy.num_replicas_in_sync // num_workers
    return Distribution("gpus_multiple_machines", strategy, worker, num_workers, local)


def _tpu(tf: Any) -> Distribution:
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        hint = "TPU_NAME says which one"
        raise ConfigError("--distribute", "tpu", "a TPU that this machine can reach", hint) from error
    strategy = tf.distribute.TPUStrategy(resolver)
    return Distribution("tpu", strategy, num_local_replicas=strategy.num_replicas_in_sync)
