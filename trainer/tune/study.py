"""Runs a study's trials side by side, stops the hopeless ones, and keeps what is known of them on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl import interrupts
from etl.errors import InterruptionError
from trainer import layout, options
from trainer.tune import folder, metrics, results
from trainer.tune.display import Display
from trainer.tune.parameters import Value
from trainer.tune.process import Process, inherit, share_cores
from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result
from trainer.tune.schedule import Schedule
from trainer.tune.spec import BEST, Spec
from trainer.tune.stopping import MedianRule

_POLL_SECONDS = 0.1


class InterruptedStudyError(InterruptionError):
    """The tuner was told to stop; `--resume` goes on."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is run.

    Attributes:
        output_dir: The study's folder, locked.
        lock: The descriptor that locks it.
        arguments: Of `trainer.task`, for all trials.
        seed: Of the search.
        max_trials: Trials in all.
        at_once: Trials that run at once, at most.
        num_threads: Cores, and so threads, of each.
        identity: All that decides which trials there are and what comes of them, for `trials.json`.
    """

    output_dir: Path
    lock: int
    arguments: Sequence[str]
    seed: int
    max_trials: int
    at_once: int
    num_threads: int
    identity: Mapping[str, Any]


@dataclass(slots=True)
class _Running:
    process: Process
    rule: MedianRule | None
    parameters: Mapping[str, Value]
    num_judged: int = 0
    hopeless: int | None = None

    def find_stop_epoch(self, values: Mapping[int, float]) -> int | None:
        """Returns the epoch at which it is hopeless, None where it isn't; asks only when there is something new."""
        if self.rule is not None and len(values) > self.num_judged:
            self.num_judged, self.hopeless = len(values), self.rule.find(values)
        return self.hopeless


class Study:
    """A study in progress.

    Args:
        spec: What it is.
        settings: How it is run.
        known: Trials that have ended before.
        display: Where it is shown.
    """

    def __init__(self, spec: Spec, settings: Settings, known: Mapping[int, Result], display: Display) -> None:
        self._spec, self._settings, self._display = spec, settings, display
        self._schedule = Schedule(spec, settings.seed, settings.max_trials, known)
        self._running: dict[int, _Running] = {}
        shares = share_cores(settings.num_threads)
        # Where cores can't be had of one's own, or there are fewer than asked for, trials share them.
        self._free = [shares[index % len(shares)] for index in range(settings.at_once)]

    def run(self) -> list[Result]:
        """Runs it to its end.

        Returns:
            All trials.

        Raises:
            StudyFailedError: too many trials failed.
            InterruptedStudyError: the process was told to stop.
        """
        with interrupts.noted() as received_signal:
            try:
                while self._schedule.waiting():
                    self._start()
                    time.sleep(_POLL_SECONDS)
                    if received_signal():
                        done, of = len(self._schedule.results), self._settings.max_trials
                        raise InterruptedStudyError(
                            f"told to stop after {done} of {of} trials; the same command with --resume goes on",
                            received_signal(),
                        )
                    self._watch()
            finally:
                self._stop_all()
        return self._schedule.results

    def _start(self) -> None:
        for trial, values in self._schedule.waiting().items():
            if trial in self._running or not self._free:
                continue
            own = self._trial_dir(trial)
            arguments = trial_arguments(self._spec, self._settings.arguments, values, own)
            num_epochs = options.parse(arguments, inherit({})).config.num_epochs
            rule = None
            if self._spec.stopping is not None:
                known = self._schedule.results_before(trial)
                rule = MedianRule(self._spec.stopping, known, num_epochs, is_maximised=self._spec.is_maximised)
            process = Process(arguments, self._free.pop(0), trial, own, self._settings.lock)
            self._running[trial] = _Running(process, rule, values)
            self._display.begin(trial, values, num_epochs)

    def _trial_dir(self, trial: int) -> Path:
        return self._settings.output_dir / folder.TRIALS_NAME / str(trial)

    def _watch(self) -> None:
        """Reads what the trials that run have reported, stops hopeless ones, and takes note of those that ended."""
        for trial, running in list(self._running.items()):
            # Before the file is read: what a trial reports last isn't missed.
            code = running.process.poll()
            values = metrics.read(running.process.metric_file, self._spec.metric)
            hopeless = running.find_stop_epoch(values)
            self._display.advance(trial, values)
            if hopeless is not None:
                # What it does until it has ended is none of the study's business.
                values = {epoch: value for epoch, value in values.items() if epoch <= hopeless}
                running.process.stop()
            if code is not None:
                self._free.append(running.process.cores)
                del self._running[trial]
                self._end(self._make_result(trial, running, code, values, is_hopeless=hopeless is not None))

    def _make_result(
        self, trial: int, running: _Running, code: int, values: Mapping[int, float], *, is_hopeless: bool
    ) -> Result:
        """Says what has become of a trial whose process has ended."""
        state, message, value = STOPPED if is_hopeless else COMPLETED, "", None
        if not is_hopeless and (code or not values):
            state, log = FAILED, running.process.log
            message = (
                running.process.explain_failure(code) if code else f"it reported no {self._spec.metric}; see {log}"
            )
        if state != FAILED:
            is_best = self._spec.selection == BEST
            value = metrics.select(values, is_best=is_best, is_maximised=self._spec.is_maximised)
        return Result(trial, running.parameters, state, value, values, round(running.process.seconds, 1), message)

    def _end(self, result: Result) -> None:
        if result.state == STOPPED:
            folder.remove(self._trial_dir(result.trial) / layout.CHECKPOINT_NAME)
        everything = [*self._schedule.results, result]
        best = results.find_best(everything, is_maximised=self._spec.is_maximised)
        results.save(self._settings.output_dir, self._settings.identity, everything, best.trial if best else None)
        self._display.end(result, is_best=best is result)
        self._schedule.end(result)

    def _stop_all(self) -> None:
        for running in self._running.values():
            running.process.stop()
        for running in self._running.values():
            running.process.wait()


def trial_arguments(spec: Spec, arguments: Sequence[str], values: Mapping[str, Value], own: Path) -> list[str]:
    """Returns the arguments of `trainer.task` for one trial.

    Args:
        spec: The study.
        arguments: The same for all trials.
        values: Parameter to value.
        own: The trial's folder.
    """
    flags = [parameter.flag(values[parameter.name]) for parameter in spec.parameters]
    # Does nothing for a trial that had ended, and begins one that hadn't begun.
    return [*arguments, *flags, f"--output_dir={own}", "--resume"]
