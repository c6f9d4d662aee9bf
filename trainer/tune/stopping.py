"""Stops hopeless trials: the median rule, by Optuna's pruner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainer.tune import search
from trainer.tune.results import COMPLETED, Result
from trainer.tune.spec import Stopping

# Before that a median says little.
_MIN_COMPLETED = 4

# Share of the epochs after which a trial may be stopped: a small learning rate starts slowly.
_SHARE = 0.25


class MedianRule:
    """Says at which epoch a trial is hopeless: the first one after which its best value is worse than the median of
    what other trials had reported for that epoch.

    Of the other trials those count that had been completed when this one was proposed, no later ones: so the answer
    doesn't depend on what else happens to be running.

    Args:
        stopping: The rule's settings.
        known: The trials that had ended when this one was proposed.
        num_epochs: What the trial would train.
        is_maximised: Whether more is better.
    """

    def __init__(self, stopping: Stopping, known: Sequence[Result], num_epochs: int, *, is_maximised: bool) -> None:
        import optuna

        search.quiet_optuna()
        self._study = optuna.create_study(direction="maximize" if is_maximised else "minimize")
        for result in known:
            if result.state == COMPLETED:
                self._study.add_trial(
                    optuna.trial.create_trial(value=result.value, intermediate_values=dict(result.measurements))
                )
        min_epochs, min_completed = stopping.min_epochs, stopping.min_completed
        self._pruner = optuna.pruners.MedianPruner(
            n_startup_trials=_MIN_COMPLETED if min_completed is None else min_completed,
            n_warmup_steps=max(1, round(_SHARE * num_epochs)) if min_epochs is None else min_epochs,
        )

    def find(self, values: Mapping[int, float]) -> int | None:
        """Returns the epoch at which a trial is hopeless, None where it isn't.

        Args:
            values: Epoch to value so far. More of them give the same answer, once there is one.
        """
        import optuna

        seen: dict[int, float] = {}
        for epoch, value in values.items():
            seen[epoch] = value
            running = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(seen))
            if self._pruner.prune(self._study, running):
                return epoch
        return None
