"""Proposes trials, by Optuna's samplers; and the only place that imports Optuna, besides `stopping` and `parameters`.

The same seed and the same results, told in the same order, give the same proposals: so a study that was interrupted is
taken up by asking and telling all that is known once more, and no state of a sampler has to be kept.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from trainer.tune import spec as specs
from trainer.tune.parameters import Value
from trainer.tune.results import COMPLETED, STOPPED, Result
from trainer.tune.spec import Spec

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

# Drawn at random before there is something to learn from. Optuna's own ten would be nearly all of a short study.
_NUM_RANDOM = 5

# Proposals in a row that were all made before: then nearly everything has been.
_MAX_REPEATS = 100


def check_installed() -> None:
    """Checks that Optuna is there.

    Raises:
        ConfigError: it isn't.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("trainer.tune", None, "the package Optuna", "pip install 'petalstream[tune]'")


def quiet_optuna() -> None:
    """Keeps Optuna from telling of each study and trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


class Search:
    """The trials that an algorithm proposes, each only once: the trainer would give the same result again.

    Args:
        spec: The study.
        seed: Of all that is drawn.
    """

    def __init__(self, spec: Spec, seed: int) -> None:
        import optuna

        quiet_optuna()
        self._spec = spec
        sampler = _make_sampler(spec, seed)
        self._study = optuna.create_study(sampler=sampler, direction="maximize" if spec.is_maximised else "minimize")
        self._distributions = {parameter.name: parameter.distribution() for parameter in spec.parameters}
        self._asked: list[optuna.Trial] = []
        self._seen: set[tuple[Value, ...]] = set()

    def ask(self) -> dict[str, Value] | None:
        """Proposes the next trial.

        Returns:
            Parameter to value; None where there is nothing new.
        """
        import optuna

        if len(self._seen) == self._spec.num_combinations:
            return None
        for _ in range(_MAX_REPEATS):
            trial = self._study.ask(self._distributions)
            values = {each.name: each.to_value(trial.params[each.name]) for each in self._spec.parameters}
            if tuple(values.values()) not in self._seen:
                self._seen.add(tuple(values.values()))
                self._asked.append(trial)
                return values
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return None

    def tell(self, result: Result) -> None:
        """Takes note of how a trial ended.

        Args:
            result: Of a trial that was asked for: the first is number 1.
        """
        import optuna

        # The grid's order doesn't depend on results, and its sampler means to end a loop of Optuna's own.
        if self._spec.algorithm == specs.GRID:
            return
        trial, states = self._asked[result.trial - 1], optuna.trial.TrialState
        for epoch, value in result.measurements.items():
            trial.report(value, epoch)
        if result.state == COMPLETED:
            self._study.tell(trial, result.value)
        else:
            self._study.tell(trial, state=states.PRUNED if result.state == STOPPED else states.FAIL)


def _make_sampler(spec: Spec, seed: int) -> BaseSampler:
    from optuna import samplers

    if spec.algorithm == specs.GRID:
        return samplers.GridSampler({each.name: list(each.grid()) for each in spec.parameters}, seed=seed)
    if spec.algorithm == specs.RANDOM:
        return samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # Both settings are called experimental in Optuna 4; in 5 they are its own defaults.
        warnings.simplefilter("ignore")
        # A trial that still runs counts as a bad one, so that the next isn't proposed beside it.
        return samplers.TPESampler(seed=seed, n_startup_trials=_NUM_RANDOM, multivariate=True, constant_liar=True)
