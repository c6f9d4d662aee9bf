"""Trains one model on one data set, survives a crash, and keeps the best epoch's weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from etl import interrupts
from etl.cli import note
from etl.errors import ConfigError, DatasetError, InterruptionError, PetalstreamError
from trainer import models
from trainer.config import binding_flags
from trainer.files import is_remote
from trainer.training import checkpoint, damage, data_service, hypertune
from trainer.training.callbacks import BestWeights, Display, Stopwatch, display, epoch_line, line_columns
from trainer.training.objective import make_objective
from trainer.training.progress import TrainingProgress
from trainer.training.setup import make_model, make_optimizer, make_progress
from trainer.training.steps import Steps, Totals
from trainer.training.strategy import Distribution
from trainer.training.tensorboard import Board, describe
from trainer.training.threads import fix_threads
from trainer.training.throughput import ThroughputMeter, steps_between_readings

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.data import Data

# Hyperparameters that put a penalty on weights, where they aren't 0.
_PENALTIES = ("l1", "l2")


class InterruptedRunError(InterruptionError):
    """The run was told to stop, and left a checkpoint from which it goes on."""


class LostWorkerError(PetalstreamError):
    """A worker has gone, and the others can't go on without it."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training gives.

    Attributes:
        model: With the weights of the best epoch.
        history: Metric to one value an epoch: `epoch` (from 1), `loss`, `accuracy` of models that give classes, the
            same with `val_` where there is a validation split, `penalty` of models with penalties on weights, which no
            loss holds, `lrate` at the epoch's end, `seconds`, and of the training part `images_per_second` and
            `input_wait_share` (0 to 1).
        best_epoch: Counted from 1.
        board: Still open, for the evaluation.
        state: From which a longer run goes on.
    """

    model: keras.Model
    history: Mapping[str, list[float]]
    best_epoch: int
    board: Board
    state: checkpoint.State


def train(
    config: TrainConfig,
    data: Data,
    distribution: Distribution,
    saved: checkpoint.State | None = None,
    check: Callable[[], None] = lambda: None,
) -> TrainingResult:
    """Builds and trains the model that a configuration asks for.

    Equal configurations on equal data give equal weights, bit for bit, on one machine's CPU with one number of threads
    and `TF_ENABLE_ONEDNN_OPTS=0`: the seed decides the first weights, the order of the images and whatever the layers
    draw. A run that goes on from a checkpoint gives those too. oneDNN splits reductions by calling thread, so that with
    it results can differ in the last bits: often with several workers, rarely with one.

    Args:
        config: What to train.
        data: On what.
        distribution: On which devices.
        saved: The checkpoint to go on from, None to begin.
        check: Called before a checkpoint is written; raises where another run has taken over the output.

    Raises:
        ConfigError: Keras runs on another backend than TensorFlow, the checkpoint is one of another run, or the batch
            can't be divided among the workers.
        DivergedError: the loss became infinite or no number.
        InterruptedRunError: the process was told to stop.
        LostWorkerError: another worker has gone.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("KERAS_BACKEND", keras.backend.backend(), "tensorflow, which data sets and exports need")
    # Not also `enable_op_determinism`: on CPUs the bits were the same without it, on an idle and on a busy machine, and
    # it holds for the whole process, where from then on every operation without a seed fails.
    keras.utils.set_random_seed(config.seed)
    progress = make_progress(config, data, distribution)
    with distribution.strategy.scope():
        model = make_model(config, data)
        optimizer = make_optimizer(config, model, progress.num_steps)
    run = _Run(config, data, distribution, model, optimizer, progress, check)
    if saved is not None:
        run.restore(saved)
    elif distribution.is_chief:
        checkpoint.remove(config.folders.checkpoint_dir)
    return run.finish()


class _Run:
    """A run in progress: everything that a checkpoint holds, and what moves it on."""

    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        distribution: Distribution,
        model: keras.Model,
        optimizer: keras.Optimizer,
        progress: TrainingProgress,
        check: Callable[[], None],
    ) -> None:
        self._check = check
        self._config, self._data, self._distribution = config, data, distribution
        self._model, self._optimizer, self._progress = model, optimizer, progress
        self._objective = make_objective(models.find(config.model).gives)
        self._steps = Steps(model, optimizer, self._objective, distribution, is_looped=config.steps_per_execution > 1)
        self._totals = Totals(self._objective.metrics)
        self._best = BestWeights(config.monitor, config.patience)
        self._history: dict[str, list[float]] = {}
        self._threads = fix_threads()
        self._is_validation_due = False
        log_dir = config.folders.log_dir if config.tensorboard and distribution.is_chief else None
        self._board = Board(log_dir, config.profile_steps)
        self._reading_steps = steps_between_readings(
            progress.steps_per_epoch, progress.num_steps, is_remote=is_remote(config.folders.log_dir)
        )

    def restore(self, saved: checkpoint.State) -> None:
        """Goes to where a checkpoint was made, and says where that is."""
        facts = saved.facts
        checkpoint.check_same(facts, self._flags(), self._data.fingerprint)
        num_done, num_epochs = len(facts["history"].get("epoch", ())), self._config.num_epochs
        if num_epochs < num_done:
            raise ConfigError("--num_epochs", num_epochs, f"{num_done} or more, which the backup has done already")
        checkpoint.assign(self._model.variables, saved.variables, "weights")
        checkpoint.assign(self._optimizer.variables, saved.optimizer, "optimizer's variables")
        if saved.totals.shape != self._totals.sums.shape:
            raise DatasetError("the backup is one of another version of Petalstream; add --overwrite to begin anew")
        self._totals = Totals(self._objective.metrics, saved.totals)
        self._best.restore(facts["best"], list(saved.best_weights))
        self._history = {name: list(values) for name, values in facts["history"].items()}
        self._progress = self._progress.at(facts["step"])
        data_service.check_place(self._config, self._progress)
        self._is_validation_due = facts["is_validation_due"]
        place = f"step {self._progress.step}, {self._progress.num_epochs_done} of {num_epochs} epochs"
        planned = facts["num_epochs"]
        changed = f"; it was to end after {planned}" if planned != num_epochs else ""
        if changed and self._config.lrate_decay != "none":
            changed += f", and the learning rate now falls until {num_epochs}"
        if self._distribution.is_chief and not self._is_finished:
            note(f"going on at {place}{changed}")

    def finish(self) -> TrainingResult:
        """Trains to the end.

        Raises:
            DatasetError: a shard is damaged, or an image that the data set only names isn't there, or is none.
            LostWorkerError: another worker has gone.
        """
        try:
            with damage.reading(self._config, self._data, "train"):
                if self._config.tensorboard and self._distribution.is_chief:
                    note(describe(self._config.folders.log_dir))
                    with data_service.reading(self._config, self._progress):
                        batch = tf.function(lambda spares: next(spares), autograph=False)(self._spares)
                    self._board.start(self._model, self._objective.prepare(*batch)[0])
                with display(self._progress.epoch_examples) as shown, interrupts.noted() as received_signal:
                    self._train_all(shown, received_signal)
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
            # What the collective operations raise, each version of TensorFlow another one.
            if self._distribution.num_workers == 1:
                raise
            raise LostWorkerError(
                f"another worker has gone at step {self._progress.step}; start all of them again with --resume"
            ) from error
        state = self._state()
        self._model.set_weights(self._best.weights)
        return TrainingResult(self._model, self._history, self._best.epoch, self._board, state)

    def _train_all(self, shown: Display, received_signal: Callable[[], int]) -> None:
        validation = self._data.load("validation", self._config) if "validation" in self._data.num_examples else None
        batches = iter(self._load_training(self._progress))
        while self._is_validation_due or not self._is_finished:
            watch = Stopwatch()
            watch.start()
            before = self._totals.sums
            if not self._is_validation_due:
                self._train_epoch(batches, shown, received_signal)
            watch.end_training()
            self._end_epoch(validation, shown, watch, self._totals.since(before))
            self._save_checkpoint_if_due(received_signal, is_epochs_end=True)

    @property
    def _is_finished(self) -> bool:
        return self._progress.num_epochs_done >= self._config.num_epochs or self._best.should_stop

    def _train_epoch(self, batches: Iterator[Any], shown: Display, received_signal: Callable[[], int]) -> None:
        """Trains to the end of the epoch."""
        epoch = self._progress.num_epochs_done
        meter = ThroughputMeter(self._progress.step, self._totals, self._reading_steps)
        while self._progress.num_epochs_done == epoch:
            self._board.profile(self._progress.step)
            number = self._progress.count_steps(self._config.steps_per_execution, self._config.backup_steps)
            is_own = self._progress.has_own_batch
            source = batches if is_own else self._spares
            place = self._progress
            with data_service.reading(self._config, place, number), self._board.marking(place.step):
                self._totals.add(self._steps.train(source, number, 1.0 if is_own else 0.0))
            self._progress = self._progress.at(self._progress.step + number)
            shown.advance(epoch + 1, self._totals.num_examples)
            if (measured := meter.read(self._progress.step, self._totals)) is not None:
                self._board.steps(self._progress.step, {**measured, "lrate": float(self._optimizer.learning_rate)})
            if self._progress.num_epochs_done == epoch:
                self._save_checkpoint_if_due(received_signal, is_epochs_end=False)

    @functools.cached_property
    def _spares(self) -> Iterator[Any]:
        """Batches that count for nothing, for a worker that has one less than the others.

        From the same pipeline as the others: with another signature this worker would trace its step anew, and wait for
        the others in another collective operation than they are in.
        """
        return iter(self._load_training(self._progress.at(0)))

    def _load_training(self, progress: TrainingProgress) -> tf.data.Dataset:
        return self._data.load_training(self._config, self._distribution.shard, progress.data_epoch, progress.data_step)

    def _end_epoch(self, validation: Any, shown: Display, watch: Stopwatch, own: Totals) -> None:
        """Validates, and takes note of the epoch; `own` is what this process did of it."""
        epoch = self._progress.num_epochs_done
        if self._config.num_training_examples is None:
            expected = self._progress.epoch_examples
            damage.check_count(self._config, self._data, "train", self._totals.num_examples, expected)
        metrics = self._totals.means()
        if any(self._config.hyperparameters.get(name) for name in _PENALTIES):
            metrics["penalty"] = self._totals.penalty
        self._steps.synchronise()
        if validation is not None:
            shown.validate(epoch)
            metrics |= {f"val_{name}": value for name, value in self._validate(validation).items()}
        metrics["lrate"] = float(self._optimizer.learning_rate)
        metrics |= watch.read(own.num_examples, own.wait_seconds)
        self._totals = Totals(self._objective.metrics)
        is_best = self._best.update(epoch, metrics, self._model.get_weights())
        for name, value in {"epoch": epoch, **metrics}.items():
            self._history.setdefault(name, []).append(value)
        self._board.epoch(epoch, metrics, self._model)
        if self._distribution.is_chief:
            watched = self._config.monitor
            hypertune.report(watched, metrics.get(f"val_{watched}", metrics[watched]), epoch)
        line = epoch_line(epoch, self._config.num_epochs, metrics, is_best=is_best, columns=line_columns())
        shown.end_epoch(line)

    def _validate(self, validation: Any) -> dict[str, float]:
        """Evaluates on the validation split; where it can't be read, what was trained before is kept."""
        self._is_validation_due = True
        try:
            with damage.reading(self._config, self._data, "validation"):
                scores = self._steps.evaluate(validation)
        except DatasetError:
            self._save_checkpoint()
            raise
        self._is_validation_due = False
        return scores

    def _save_checkpoint_if_due(self, received_signal: Callable[[], int], *, is_epochs_end: bool) -> None:
        """Writes a checkpoint where one is due, or where the process was told to stop, which it then does.

        Raises:
            InterruptedRunError: the process was told to stop.
        """
        every = self._config.backup_steps
        is_due = is_epochs_end if every is None else self._progress.step % every == 0
        if is_due and not is_epochs_end:
            # At an epoch's end it is done. Not when told to stop: the others may not have been.
            self._steps.synchronise()
        # Asked once: told between two questions, it would name a step of which there is no checkpoint.
        number = received_signal()
        # The rest of an epoch is known only where its order is.
        can_go_on = is_epochs_end or self._config.data_service is None
        if is_due or (number and can_go_on):
            self._save_checkpoint()
        if number:
            then = "goes on from there" if can_go_on else "trains this epoch anew"
            raise InterruptedRunError(
                f"told to stop after step {self._progress.step}; the same command with --resume {then}", number
            )

    def _save_checkpoint(self) -> None:
        if self._distribution.is_chief:
            self._check()
            checkpoint.save(self._config.folders.checkpoint_dir, self._state())

    def _state(self) -> checkpoint.State:
        facts = {
            "step": self._progress.step,
            "best": self._best.to_facts(),
            "history": self._history,
            "threads": self._threads,
            "flags": self._flags(),
            "fingerprint": self._data.fingerprint,
            "num_epochs": self._config.num_epochs,
            "is_validation_due": self._is_validation_due,
            "missing": [],
        }
        return checkpoint.State(
            variables=checkpoint.arrays_of(self._model.variables),
            optimizer=checkpoint.arrays_of(self._optimizer.variables),
            totals=self._totals.sums,
            best_weights=self._best.weights,
            facts=facts,
        )

    def _flags(self) -> dict[str, Any]:
        return {**binding_flags(self._config), "num_workers": self._distribution.num_workers}
