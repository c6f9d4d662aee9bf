"""Schedules trials in an order that is always the same, however many run at once and whichever ends first.

Trial n is proposed when exactly the trials up to n - P are known, P being the file's `parallelTrialCount`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl.errors import DatasetError, PetalstreamError
from etl.words import quantity
from trainer.tune import results
from trainer.tune.parameters import Value
from trainer.tune.results import FAILED, Result
from trainer.tune.search import Search
from trainer.tune.spec import Spec

# With `maxFailedTrialCount` 0, trials in a row: then what is wrong isn't the parameters.
_MAX_FAILED_IN_A_ROW = 3


class StudyFailedError(PetalstreamError):
    """Too many trials failed, or none was completed."""


class Schedule:
    """Proposes trials and takes their results, which may come in any order.

    Args:
        spec: The study.
        seed: Of the search.
        max_trials: Trials in all.
        known: Number to result, of trials that have ended before.

    Raises:
        DatasetError: one of those has other parameters than would be proposed.
        StudyFailedError: too many of those failed.
    """

    def __init__(self, spec: Spec, seed: int, max_trials: int, known: Mapping[int, Result]) -> None:
        self._spec, self._max_trials = spec, max_trials
        self._search = Search(spec, seed)
        self._results = dict(known)
        self._asked: list[dict[str, Value]] = []
        self._num_told = 0
        self._is_exhausted = False
        self._advance()

    @property
    def results(self) -> list[Result]:
        """All trials that have ended, in the order of their numbers."""
        return [self._results[trial] for trial in sorted(self._results)]

    def waiting(self) -> dict[int, Mapping[str, Value]]:
        """Returns the trials that are proposed and have not ended: number to parameters."""
        proposed = enumerate(self._asked, 1)
        return {trial: values for trial, values in proposed if trial not in self._results}

    def results_before(self, trial: int) -> Sequence[Result]:
        """Returns what was known when a trial was proposed: what came in since has no say in it."""
        return [self._results[each] for each in range(1, trial - self._spec.parallel_trials + 1)]

    def end(self, result: Result) -> None:
        """Takes a result, and proposes what can be proposed with it.

        Raises:
            DatasetError: a trial that is known from before has other parameters than would be proposed.
            StudyFailedError: too many trials failed.
        """
        self._results[result.trial] = result
        self._advance()

    def _advance(self) -> None:
        # Asking first: one result more would make another proposal.
        while True:
            lead = self._num_told + self._spec.parallel_trials
            if not self._is_exhausted and len(self._asked) < min(self._max_trials, lead):
                self._ask()
            elif self._num_told < len(self._asked) and self._num_told + 1 in self._results:
                self._tell(self._results[self._num_told + 1])
            else:
                return

    def _ask(self) -> None:
        values = self._search.ask()
        if values is None:
            self._is_exhausted = True
            return
        self._asked.append(values)
        kept = self._results.get(len(self._asked))
        if kept is not None and dict(kept.parameters) != values:
            raise DatasetError(
                f"{results.FILE_NAME}: trial {kept.trial} has other parameters than would be proposed now, as if the "
                "file had been changed; --overwrite begins the study anew"
            )

    def _tell(self, result: Result) -> None:
        self._search.tell(result)
        self._num_told = result.trial
        states = [self._results[trial].state for trial in range(1, self._num_told + 1)]
        limit = self._spec.max_failed
        if limit and states.count(FAILED) >= limit:
            raise StudyFailedError(
                f"{quantity(limit, 'trial')} failed (maxFailedTrialCount); the last one: {result.message}"
            )
        if not limit and states[-_MAX_FAILED_IN_A_ROW:] == [FAILED] * _MAX_FAILED_IN_A_ROW:
            raise StudyFailedError(f"{_MAX_FAILED_IN_A_ROW} trials in a row failed; the last one: {result.message}")
