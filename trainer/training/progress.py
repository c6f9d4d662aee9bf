"""The progress of a run: arithmetic of steps, epochs of the data, and the epochs that are reported."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from trainer.ingest import shares


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """A step of a run; all workers are at the same one.

    Attributes:
        step: Steps done, of the whole run.
        num_epochs: Epochs of the run: passes over the data, or virtual ones.
        steps_per_epoch: Of these.
        epoch_examples: Examples of one of them, of all workers.
        data_steps: Steps of one pass over the data: as many as the worker with the most batches has.
        own_steps: Batches that this worker has in a pass: those, or one less.
        is_ragged: Whether some worker has one less.
    """

    step: int
    num_epochs: int
    steps_per_epoch: int
    epoch_examples: int
    data_steps: int
    own_steps: int
    is_ragged: bool

    @classmethod
    def begin(
        cls,
        *,
        num_examples: int,
        batch_size: int,
        num_workers: int,
        own_steps: int,
        num_epochs: int,
        virtual_examples: int | None = None,
    ) -> TrainingProgress:
        """Returns the beginning of a run.

        Args:
            num_examples: Of the training split.
            batch_size: Of a step of all workers; a multiple of their number.
            num_workers: Among whom the examples are shared.
            own_steps: Batches that this worker's share has.
            num_epochs: Of the run.
            virtual_examples: Examples of an epoch that is no pass over the data; None for one that is.
        """
        own_batch = batch_size // num_workers
        least, most = (shares.num_batches(size, own_batch) for size in shares.sizes(num_examples, num_workers))
        return cls(
            step=0,
            num_epochs=num_epochs,
            steps_per_epoch=most if virtual_examples is None else shares.num_batches(virtual_examples, batch_size),
            epoch_examples=virtual_examples or num_examples,
            data_steps=most,
            own_steps=own_steps,
            is_ragged=most != least,
        )

    @property
    def num_steps(self) -> int:
        """Of the whole run."""
        return self.num_epochs * self.steps_per_epoch

    @property
    def num_epochs_done(self) -> int:
        """Whole epochs behind this step."""
        return self.step // self.steps_per_epoch

    @property
    def data_epoch(self) -> int:
        """The pass over the data that the next step belongs to, from 0."""
        return self.step // self.data_steps

    @property
    def data_step(self) -> int:
        """Batches of this worker's own that are done in that pass."""
        return min(self.step % self.data_steps, self.own_steps)

    @property
    def has_own_batch(self) -> bool:
        """Whether this worker has a batch for the next step."""
        return self.step % self.data_steps < self.own_steps

    def at(self, step: int) -> TrainingProgress:
        """Returns another step of the same run."""
        return dataclasses.replace(self, step=step)

    def count_steps(self, at_most: int, backup_steps: int | None) -> int:
        """Returns how many steps may run as one: to the epoch's end or the next checkpoint, and all with own batches.

        Args:
            at_most: The largest number.
            backup_steps: Steps between two checkpoints; None for none within an epoch.
        """
        ends = [at_most, self.steps_per_epoch - self.step % self.steps_per_epoch]
        if backup_steps is not None:
            ends.append(backup_steps - self.step % backup_steps)
        if self.is_ragged:
            # The last step of a pass is one of its own, for every worker: they must all call the same.
            place = self.step % self.data_steps
            ends.append(max(1, self.data_steps - 1 - place))
        return min(ends)
