"""`python -m trainer.predict MODEL_DIR FILE…`: asks an exported model about photographs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from etl.cli import Parser, console, hushed, load_tensorflow
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError, one_line, run_main
from trainer.export import INPUT_NAME, OUTPUT_NAMES, SIGNATURE
from trainer.output import find_model

# Files a call. More only cost memory: decoding is most of the work, and is done image by image.
_BATCH_SIZE = 32

# What is of use to a person in TensorFlow's messages: the words of an `Assert`, else the line before the node's name.
_ASSERTION = re.compile(r"assertion failed: \[(.+?)\]$", re.MULTILINE)
_DETAIL = re.compile(r"^(.+)\n\s*\[\[\{\{node ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one file, or why it says nothing.

    Attributes:
        file: As it was given.
        class_str: Name of the likeliest class.
        class_int: Its number.
        probability: Of that class, 0 to 1.
        error: Why there is no answer, in one line; "" where there is one.
    """

    file: str
    class_str: str = ""
    class_int: int = -1
    probability: float = 0.0
    error: str = ""


Serve = Callable[[Sequence[bytes]], Mapping[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 where every file got an answer, else 1."""
    parser = Parser(prog="trainer.predict", description="Asks an exported model what is on photographs.")
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="a SavedModel, or the --output_dir of trainer.task")
    parser.add_argument("files", metavar="FILE", nargs="+", help="image files, or folders of them")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="json: one line an image")
    arguments = parser.parse_args(argv)
    serve = load(arguments.model_dir)
    show = _print_json if arguments.format == "json" else _print_table
    failed = show(predict(serve, list_files(arguments.files)))
    return EXIT_FAILED if failed else EXIT_OK


def load(model_dir: str) -> Serve:
    """Loads an exported model.

    Args:
        model_dir: A SavedModel, or a folder in which `trainer.task` left one.

    Returns:
        A function from image files' bytes to NumPy arrays by output name, one value an image. It raises TensorFlow's
        `InvalidArgumentError` where any of them can't be decoded.

    Raises:
        ConfigError: there is no SavedModel, it can't be read, or takes something else.
    """
    folder = find_model(model_dir)
    load_tensorflow()
    import tensorflow as tf

    expected = f"a SavedModel whose {SIGNATURE} takes {INPUT_NAME}"
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise ConfigError("MODEL_DIR", model_dir, expected, one_line(error)[:200]) from error
    signature = model.signatures.get(SIGNATURE)
    if signature is None or INPUT_NAME not in signature.structured_input_signature[1]:
        raise ConfigError("MODEL_DIR", model_dir, expected)
    if not set(OUTPUT_NAMES) <= set(signature.structured_outputs):
        raise ConfigError("MODEL_DIR", model_dir, f"one that returns {', '.join(OUTPUT_NAMES)}")

    def serve(images: Sequence[bytes]) -> Mapping[str, Any]:
        # `model` is kept alive by this line alone: without it TensorFlow drops the variables.
        _ = model
        outputs = signature(**{INPUT_NAME: tf.constant(list(images), tf.string)})
        return {name: outputs[name].numpy() for name in OUTPUT_NAMES}

    return serve


def list_files(paths: Iterable[str]) -> Iterator[str]:
    """Lists files: those given, and for a folder all in it and below, sorted, but for hidden ones."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (os.path.join(folder, name) for name in sorted(files) if not name.startswith("."))


def predict(serve: Serve, files: Iterable[str]) -> Iterator[Prediction]:
    """Asks a model about files, in their order.

    Args:
        serve: As `load` returns it.
        files: Paths.

    Yields:
        One prediction a file; one that can't be read or decoded doesn't touch the others.
    """
    rest = iter(files)
    while batch := list(islice(rest, _BATCH_SIZE)):
        read = {file: _read(file) for file in batch}
        good = {file: data for file, data in read.items() if isinstance(data, bytes)}
        answers = dict(zip(good, _ask(serve, list(good.items())), strict=True))
        for file in batch:
            data = read[file]
            yield answers[file] if isinstance(data, bytes) else Prediction(file, error=data)


def _read(file: str) -> bytes | str:
    """Returns a file's bytes, or why they can't be had."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        return error.strerror or str(error)


def _ask(serve: Serve, images: Sequence[tuple[str, bytes]]) -> list[Prediction]:
    """Asks about all images at once; where that fails, about one at a time, to find out which can't be decoded."""
    import tensorflow as tf

    if not images:
        return []
    with hushed():
        try:
            outputs = serve([data for _, data in images])
        except tf.errors.OpError as error:
            if len(images) == 1:
                return [Prediction(images[0][0], error=_reason(error.message))]
            return [prediction for image in images for prediction in _ask(serve, [image])]
    return [
        Prediction(
            file,
            class_str=outputs["class_str"][index].decode(),
            class_int=int(outputs["class_int"][index]),
            probability=float(outputs["probability"][index]),
        )
        for index, (file, _) in enumerate(images)
    ]


def _reason(message: str) -> str:
    """Takes from TensorFlow's message what is wrong with the file, without node names and stacks of functions."""
    found = _ASSERTION.search(message)
    if found:
        return one_line(found[1])
    found = _DETAIL.search(message)
    return f"can't be decoded: {one_line(found[1] if found else message)}"


def _print_json(predictions: Iterable[Prediction]) -> int:
    """Prints one line an answer, as it comes; returns how many files got none."""
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
            _print_error(prediction)
            continue
        line = {
            "file": prediction.file,
            "class_str": prediction.class_str,
            "class_int": prediction.class_int,
            "probability": prediction.probability,
        }
        print(json.dumps(line), flush=True)
    return failed


def _print_table(predictions: Iterable[Prediction]) -> int:
    """Prints a table of all answers; returns how many files got none."""
    from rich.table import Table
    from rich.text import Text

    table = Table("file", "class", "probability")
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
            _print_error(prediction)
        else:
            # As text: a file's name may hold what rich takes for markup.
            table.add_row(Text(prediction.file), Text(prediction.class_str), f"{prediction.probability:.4f}")
    if table.rows:
        console().print(table)
    return failed


def _print_error(prediction: Prediction) -> None:
    print(f"error: {prediction.file}: {prediction.error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main))
