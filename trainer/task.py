"""`python -m trainer.task`: a data set in, a trained, evaluated and exported model out."""

from __future__ import annotations

import json
import os
import platform
import posixpath
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import etl
from etl import interrupts, progress
from etl.cli import import_tensorflow, load_tensorflow, note, say_loading
from etl.errors import EXIT_OK
from etl.errors.limits import name_file
from etl.process import lifecycle
from trainer import layout, models
from trainer.config import binding_flags
from trainer.data import Data, load_manifest, resolve
from trainer.options import RESOLVED, parse
from trainer.training import checkpoint, data_service, output
from trainer.training.optional_files import OptionalFiles
from trainer.training.report import print_summary
from trainer.training.strategy import is_first_worker, make_distribution
from trainer.training.threads import fix_threads

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.training.run import TrainingResult


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    command = parse(sys.argv[1:] if argv is None else argv)
    # Of a run that ends before its first checkpoint nothing is kept, and with it nothing is to be replaced.
    hint = interrupts.hinting(lambda: "the same command with --resume goes on")
    with command.source.naming(), hint:
        run(command.config, overwrite=command.overwrite, resume=command.resume)
    return EXIT_OK


def run(config: TrainConfig, *, overwrite: bool = False, resume: bool = False) -> dict[str, Any] | None:
    """Trains, evaluates, exports, and says so.

    Args:
        config: What to train, on what.
        overwrite: Whether a model in the output folder may be replaced, once the new one is done.
        resume: Whether to go on from a checkpoint in the output folder, where there is one, and to do nothing where the
            run is finished.

    Returns:
        The evaluation on the test split; None where there is no such split, and on workers other than the first.

    Raises:
        ConfigError: configuration, data set and output folder don't go together; before anything is trained.
        DatasetError: there is no complete data set, or a checkpoint is damaged.
        DivergedError: the loss became infinite or no number.
        InterruptedRunError: the process was told to stop; `resume` goes on.
        LostLockError: this process gave no sign of life for so long that another run has taken over.
        LostWorkerError: another worker has gone; `resume` goes on.
        IncompleteRunError: the model is there, but not all that belongs to it; `resume` makes the rest.
    """
    if not is_first_worker(config.distribute):
        return _run(config, overwrite=overwrite, resume=resume, check=lambda: None)
    with output.holding(config.folders, resume=resume) as check:
        return _run(config, overwrite=overwrite, resume=resume, check=check)


def _run(config: TrainConfig, *, overwrite: bool, resume: bool, check: Callable[[], None]) -> dict[str, Any] | None:
    """Does what `run` says; `check` raises where another run has taken over the output."""
    from trainer.serving.signatures import load_formats

    folders = config.folders
    saved = _find_finished(folders) if resume and not overwrite else None
    if resume and not overwrite and output.is_finished(folders) and _is_done(config, saved):
        note(f"{folders.model_dir}: finished already; --overwrite would train anew")
        return None
    data = resolve(config, load_manifest(config.data_dir))
    models.check_weights(config.model, config.hyperparameters, data.embedding)
    if config.init_from is not None:
        models.check_init_from(config.init_from)
    data_service.check(config)
    if is_first_worker(config.distribute):
        output.check(folders, overwrite=overwrite, resume=resume, other=_describe_unfinished(config))
        _say_missing(data)
    say_loading("tensorflow")
    import_tensorflow()
    load_formats(config.serving_formats)
    from trainer.training.run import train

    started = time.monotonic()
    saved = (checkpoint.load(folders.checkpoint_dir) if resume else None) or saved
    # Both before TensorFlow starts.
    fix_threads(saved.facts["threads"] if saved else None)
    distribution = make_distribution(config.distribute)
    load_tensorflow()
    trained = train(config, data, distribution, saved, check)
    if not distribution.is_chief:
        return None
    with output.publishing(folders, check) as folder:
        note("exporting the model")
        _write_model(folder, config, data, trained)
        optional_files = OptionalFiles(folder)
        evaluation = _write_optional_files(folder, config, data, trained, optional_files)
        state = replace(trained.state, facts={**trained.state.facts, "missing": optional_files.missing})
        checkpoint.write_file(folder / layout.STATE_NAME, state)
        names = [name for name in layout.FILES if (folder / name).exists()]
    checkpoint.remove(folders.checkpoint_dir)
    print_summary(config, data, trained, evaluation, time.monotonic() - started, names)
    optional_files.check(folders.model_dir)
    return evaluation


def _describe_unfinished(config: TrainConfig) -> str:
    """Says how an unfinished run in the output folder differs from this one; "" where there is none like that."""
    facts = checkpoint.read_facts(config.folders.checkpoint_dir)
    if "flags" not in facts:
        return ""
    found = checkpoint.differences(facts, {**binding_flags(config), "num_workers": facts["flags"].get("num_workers")})
    return ", ".join(f"with --{name} {theirs}, not {own}" for name, (own, theirs) in list(found.items())[:3])


def _find_finished(folders: layout.RunFolders) -> checkpoint.State | None:
    """Returns the state that a finished run left, where no unfinished one is newer."""
    if checkpoint.exists(folders.checkpoint_dir):
        return None
    return checkpoint.read_file(posixpath.join(folders.output_dir, layout.STATE_NAME))


def _is_done(config: TrainConfig, saved: checkpoint.State | None) -> bool:
    if saved is None:
        return not checkpoint.exists(config.folders.checkpoint_dir)
    return checkpoint.is_done(saved.facts, config.num_epochs)


def _say_missing(data: Data) -> None:
    if "validation" not in data.num_examples:
        print("no validation split: the last epoch's model is kept, --patience does nothing", file=sys.stderr)
    if "test" not in data.num_examples:
        print(f"no test split: not evaluated, there will be no {layout.EVALUATION_NAME}", file=sys.stderr)


def _write_optional_files(
    folder: Path, config: TrainConfig, data: Data, trained: TrainingResult, optional_files: OptionalFiles
) -> dict[str, Any] | None:
    """Draws the curves, evaluates the kept model on the test split, on no other, and draws what there is to see."""
    from trainer.training import damage
    from trainer.training.objective import make_objective

    with optional_files.attempting(layout.CURVES_NAME):
        # Within the block, as below: a plotting library that can't be loaded costs no model.
        from trainer.evaluation.curves import CLASSES, COLOURS, draw_curves

        title = f"{config.model} on {data.dataset} ({data.variant}, {data.image_size[0]}x{data.image_size[1]})"
        metrics = COLOURS if data.gives == "colours" else CLASSES
        draw_curves(trained.history, trained.best_epoch, title, folder / layout.CURVES_NAME, metrics)
    evaluation = None
    if "test" in data.num_examples:
        prepare = make_objective(data.gives).prepare
        with optional_files.attempting(layout.EVALUATION_NAME), damage.reading(config, data, "test"):
            from trainer.evaluation.evaluate import evaluate_run

            test = data.load("test", config)
            keys = data.load_keys("test", config)
            with progress.step("evaluate", data.num_examples["test"], "examples", "drawing"):
                scores = evaluate_run(
                    trained.model, test, data.gives, data.class_names, folder, prepare, optional_files.attempting, keys
                )
            damage.check_count(config, data, "test", scores["num_examples"], data.num_examples["test"])
            evaluation = {"split": "test", **scores, "best_epoch": trained.best_epoch, "fingerprint": data.fingerprint}
            _write_json(folder / layout.EVALUATION_NAME, evaluation)
    with optional_files.attempting(layout.TENSORBOARD_NAME):
        trained.board.evaluation(evaluation or {}, folder)
        trained.board.close()
    return evaluation


def _write_model(folder: Path, config: TrainConfig, data: Data, trained: TrainingResult) -> None:
    """Writes the model and what belongs to it."""
    from trainer.serving.export import export_model, save_keras

    resolved = describe(config, data)
    (folder / layout.CONFIG_NAME).write_text(to_yaml(resolved), encoding="utf-8")
    _write_json(folder / layout.HISTORY_NAME, trained.history)
    save_keras(trained.model, folder / layout.KERAS_NAME)
    facts = {"model": config.model, "best_epoch": trained.best_epoch, "software": resolved[RESOLVED]["software"]}
    served = models.with_images(config.model, trained.model, config.hyperparameters, data.embedding)
    export_model(
        served,
        data,
        folder / layout.MODEL_NAME,
        facts,
        serving_input=config.serving_input,
        serving_formats=config.serving_formats,
    )


def describe(config: TrainConfig, data: Data) -> dict[str, Any]:
    """Returns the resolved configuration: every flag, and under `resolved` what no flag sets.

    Written as YAML it can be given to `--config`, which reads over the latter.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    height, width = data.image_size
    return {
        **config.to_dict(),
        "variant": data.variant,
        "image_size": f"{height}x{width}",
        RESOLVED: {
            "dataset": data.dataset,
            "fingerprint": data.fingerprint,
            "class_names": list(data.class_names),
            "num_examples": dict(data.num_examples),
            "resize": data.resize,
            "software": {
                "petalstream": etl.__version__,
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "numpy": np.__version__,
            },
            "machine": {"architecture": platform.machine(), "num_cpus": os.cpu_count()},
        },
    }


def to_yaml(content: Mapping[str, Any]) -> str:
    """Formats as YAML, in the order given."""
    import yaml

    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with name_file(str(path)):
        path.write_text(json.dumps(dict(content), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    lifecycle.end_with(main)
