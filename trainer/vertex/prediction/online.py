"""`python -m trainer.vertex predict FILE…`: asks an endpoint about images."""

from __future__ import annotations

import argparse
import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.cli import Parser
from etl.errors import EXIT_OK, ConfigError
from etl.format.parsing import parse_json
from etl.images import messages
from etl.words import quantity
from trainer.listing import list_files, read_file
from trainer.serving.answers import add_image_arguments, print_answers
from trainer.serving.predictions import BATCH_SIZE
from trainer.serving.signatures import COLOUR_OUTPUTS, INPUTS
from trainer.vertex.api import naming, options, requests
from trainer.vertex.api.calls import Call, Session, print_calls
from trainer.vertex.api.failures import server_message, status_of
from trainer.vertex.deployment import endpoints
from trainer.vertex.deployment import options as deployment

# The service refuses larger requests.
MAX_REQUEST_BYTES = 1_500_000
_INPUT = INPUTS["from_bytes"]
# Of an image's base64 in --dry_run, in characters.
_SHOWN_LENGTH = 24
# What an image costs beside its base64, and a request beside its images.
_INSTANCE_BYTES = 64
_REQUEST_BYTES = 1_000
# How trainer.server says which image it was; TensorFlow Serving doesn't.
_INSTANCE = re.compile(r"instance (\d+): (.+)", re.DOTALL)


def add_arguments(parser: Parser) -> None:
    """Adds the command's options."""
    add_image_arguments(parser)
    options.add_cloud_arguments(parser)
    deployment.add_endpoint_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns 0 where every file got an answer, else 1.

    Raises:
        ConfigError: there is no such endpoint, or nothing is deployed to it.
        CloudError: it doesn't answer.
    """
    cloud = options.cloud(arguments)
    files = list(list_files(arguments.files))
    if arguments.dry_run:
        name = f"{cloud.parent}/endpoints/ENDPOINT"
        for start in range(0, len(files), BATCH_SIZE):
            images = [_read(file) for file in files[start : start + BATCH_SIZE]]
            print_calls([_shorten(predict_call(name, batch)) for batch in make_batches(images) if fits(batch[0])])
        return EXIT_OK
    session = Session(cloud)
    endpoint = endpoints.find_existing(session, "--endpoint", arguments.endpoint)
    _check(arguments.endpoint, endpoint)
    # An endpoint doesn't say what its model gives; whoever wants images says where to put them.
    gives = "classes" if arguments.output_dir is None else "colours"
    return print_answers(EndpointModel(session, endpoint.name, gives), files, arguments)


class EndpointModel:
    """An endpoint that is asked as a loaded model is.

    Args:
        session: The connection.
        endpoint: Resource name.
        gives: `classes` or `colours`, what its model gives.
    """

    def __init__(self, session: Session, endpoint: str, gives: str) -> None:
        self._session = session
        self._endpoint = endpoint
        self.gives = gives
        # It doesn't say them.
        self.class_names: Sequence[str] = ()

    def predict(self, images: Sequence[bytes]) -> list[Mapping[str, Any] | str]:
        """Asks about images, in as few requests as their size allows.

        Args:
            images: What should be whole files.

        Returns:
            For each image the values by output name, or why there are none, in one line.

        Raises:
            ConfigError, CloudError: the endpoint itself refuses or fails.
        """
        answers: list[Mapping[str, Any] | str] = []
        for batch in make_batches(images):
            if fits(batch[0]):
                answers += self._send(batch)
            else:
                size = (
                    f"{len(batch[0]):,} bytes are too many for a request, which takes {MAX_REQUEST_BYTES:,} of base64"
                )
                answers.append(f"{size}: make the photograph smaller, or use batch-predict")
        return answers

    def _send(self, images: Sequence[bytes]) -> list[Mapping[str, Any] | str]:
        try:
            answer = self._session.send(predict_call(self._endpoint, images))
        except ConfigError as error:
            if error.__cause__ is None or status_of(error.__cause__) != "INVALID_ARGUMENT":
                raise
            return self._send_apart(images, _unwrap(server_message(error.__cause__)))
        predictions = requests.to_dict(answer).get("predictions", [])
        if len(predictions) != len(images):
            return [f"{quantity(len(predictions), 'answer')} to {quantity(len(images), 'image')}"] * len(images)
        return [read_answer(prediction, self.gives) for prediction in predictions]

    def _send_apart(self, images: Sequence[bytes], message: str) -> list[Mapping[str, Any] | str]:
        """Asks again about images that were refused together, without the bad one, or if that isn't named in halves."""
        named = _INSTANCE.match(message)
        if named and int(named[1]) < len(images):
            index = int(named[1])
            rest = [*images[:index], *images[index + 1 :]]
            answers = self._send(rest) if rest else []
            return [*answers[:index], named[2], *answers[index:]]
        if len(images) == 1:
            return [messages.explain(message)]
        middle = len(images) // 2
        return self._send(images[:middle]) + self._send(images[middle:])


def _unwrap(message: str) -> str:
    """Returns what a serving container said, which is JSON with one field."""
    try:
        return str(parse_json(message)["error"])
    except (ValueError, KeyError, TypeError):
        return message


def predict_call(endpoint: str, images: Sequence[bytes]) -> Call:
    """Asks an endpoint about images."""
    body = {"endpoint": endpoint, "instances": [make_instance(image) for image in images]}
    return Call("predict", body, f"asking endpoint {naming.last(endpoint)}")


def _shorten(call: Call) -> Call:
    """Returns a call to look at: of each image's base64 the beginning and the length."""

    def shorten(instance: Mapping[str, Any]) -> dict[str, Any]:
        text = instance[_INPUT]["b64"]
        return {_INPUT: {"b64": f"{text[:_SHOWN_LENGTH]}... ({len(text):,} characters)"}}

    instances = [shorten(instance) for instance in call.body["instances"]]
    return Call(call.method, {**call.body, "instances": instances}, call.what)


def make_instance(image: bytes) -> dict[str, Any]:
    """Returns what a model takes: an image file as base64."""
    return {_INPUT: {"b64": base64.b64encode(image).decode()}}


def make_batches(images: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Divides images into what goes into one request each, in order; one that is too large alone is alone."""
    batch: list[bytes] = []
    size = _REQUEST_BYTES
    for image in images:
        if batch and size + _cost(image) > MAX_REQUEST_BYTES:
            yield batch
            batch, size = [], _REQUEST_BYTES
        batch.append(image)
        size += _cost(image)
    if batch:
        yield batch


def fits(image: bytes) -> bool:
    """Tells whether an image alone fits into a request."""
    return _REQUEST_BYTES + _cost(image) <= MAX_REQUEST_BYTES


def _cost(image: bytes) -> int:
    return -(-len(image) // 3) * 4 + _INSTANCE_BYTES


def read_answer(prediction: Any, gives: str) -> Mapping[str, Any] | str:
    """Reads one answer of a serving container.

    Args:
        prediction: As JSON has it.
        gives: `classes` or `colours`.

    Returns:
        The values by output name, as a loaded model gives them, or why there are none.
    """
    try:
        if gives == "colours":
            return {"image_png": _read_image(prediction)}
        return {
            "class_str": str(prediction["class_str"]).encode(),
            "class_int": int(prediction["class_int"]),
            "probability": float(prediction["probability"]),
            "probabilities": [float(share) for share in prediction.get("probabilities", ())],
        }
    except (KeyError, TypeError, ValueError, OverflowError):
        names = ", ".join(sorted(prediction)) if isinstance(prediction, dict) else str(prediction)[:80]
        is_coloriser = isinstance(prediction, dict) and not set(COLOUR_OUTPUTS).isdisjoint(prediction)
        hint = "; a model of colours needs --output_dir" if gives == "classes" and is_coloriser else ""
        return f"the endpoint answered {names}, and no {gives}{hint}"


def _read_image(prediction: Mapping[str, Any]) -> bytes:
    """Returns the PNG file of an answer that has one, or whose pixels make one."""
    image = prediction.get("image_png")
    if isinstance(image, dict):
        return base64.b64decode(image["b64"])
    import numpy as np
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.asarray(prediction["pixels"]).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _check(given: str, endpoint: Any) -> None:
    if not endpoint.deployed_models:
        hint = "python -m trainer.vertex deploy deploys one"
        raise ConfigError("--endpoint", given, "an endpoint with a model", hint)
    # Old SDKs don't know of such endpoints.
    if getattr(endpoint, "dedicated_endpoint_enabled", False):
        dns = endpoint.dedicated_endpoint_dns
        raise ConfigError("--endpoint", given, "a shared endpoint", f"this one answers only at https://{dns}")


def _read(file: str) -> bytes:
    try:
        return read_file(file)
    except OSError as error:
        raise ConfigError("FILE", file, "files that can be read", str(error)) from error
