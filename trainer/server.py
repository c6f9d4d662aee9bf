"""`python -m trainer.server`: an exported model behind HTTP, in the words of TensorFlow Serving's REST interface.

Not TensorFlow Serving itself, whose releases lack operations that the model's decoders may have: this serves with the
TensorFlow that the model was exported with, so a photograph becomes the same pixels as in training.

POST the predict route {"instances": [{"image_bytes": {"b64": "…"}}, …]} -> {"predictions": [{…}, …]}
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etl.cli import Parser, number
from etl.errors import EXIT_OK, ConfigError, run_main
from trainer.export import INPUTS
from trainer.vertex import contract

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from trainer.served import Serve

PROG = "trainer.server"

# Of a request's body; Vertex AI itself passes on 1.5 MB at most.
MAX_BODY_BYTES = 64 << 20
_INPUT = INPUTS["from_bytes"]


class BadRequestError(Exception):
    """What was sent can't be answered; its message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit code."""
    told = contract.read_serving()
    arguments = _parser(told).parse_args(argv)
    model_dir = arguments.model_dir or told.model_dir
    if model_dir is None:
        raise ConfigError("--model_dir", None, "an exported model", f"${contract.STORAGE_URI} may say it too")
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigError(PROG, str(error), "uvicorn and starlette", "pip install 'petalstream[serve]'") from error
    from trainer.served import load

    app = make_app(load(model_dir), told.predict_route, told.health_route)
    print(f"serving {model_dir} at http://{arguments.host}:{arguments.port}{told.predict_route}", flush=True)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")
    return EXIT_OK


def _parser(told: contract.Serving) -> Parser:
    made = Parser(prog=PROG, description="Serves an exported model over HTTP.", formatter_class=argparse.HelpFormatter)
    made.add_argument(
        "--model_dir", metavar="DIR", help=f"a SavedModel, or a run's --output_dir (${contract.STORAGE_URI})"
    )
    made.add_argument("--host", default="0.0.0.0", help="address to listen on (default: 0.0.0.0)")
    made.add_argument(
        "--port",
        type=number("--port", int, minimum=1, maximum=65_535, what="a port, from 1 to 65535"),
        default=told.port,
        help=f"port to listen on (default: ${contract.HTTP_PORT}, {told.port})",
    )
    return made


def make_app(model: Serve, predict_route: str, health_route: str) -> Starlette:
    """Makes the ASGI application.

    Args:
        model: May be asked from several threads at once.
        predict_route: Path of requests.
        health_route: Path that answers 200 as soon as the model is loaded, which it is.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def predict(request: Request) -> Response:
        try:
            images = read_instances(await _read_body(request))
            # TensorFlow leaves the interpreter while it works, so others are listened to.
            return JSONResponse({"predictions": await run_in_threadpool(answer, model, images)})
        except BadRequestError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    async def health(_: Request) -> Response:
        status = {"error_code": "OK", "error_message": ""}
        return JSONResponse({"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]})

    routes = [Route(predict_route, predict, methods=["POST"]), Route(health_route, health, methods=["GET"])]
    return Starlette(routes=routes)


def read_instances(body: bytes) -> list[bytes]:
    """Reads a request.

    Args:
        body: JSON: `instances`, each `{"image_bytes": {"b64": …}}`, or `{"b64": …}` alone. What else an instance holds
            is passed over.

    Returns:
        Their image files.

    Raises:
        BadRequestError: it is something else.
    """
    try:
        content = json.loads(body)
        instances = content["instances"]
        if not isinstance(instances, list):
            raise TypeError(f"a list was expected, not {type(instances).__name__}")
    except (ValueError, KeyError, TypeError) as error:
        expected = f'{{"instances": [{{"{_INPUT}": {{"b64": "…"}}}}]}}'
        raise BadRequestError(f"the body is not {expected}: {error}") from error
    return [_read_instance(index, instance) for index, instance in enumerate(instances)]


def _read_instance(index: int, instance: Any) -> bytes:
    try:
        value = instance.get(_INPUT, instance)
        return base64.b64decode(value["b64"], validate=True)
    except (AttributeError, KeyError, TypeError, binascii.Error, ValueError) as error:
        raise BadRequestError(f'instance {index}: no {{"{_INPUT}": {{"b64": "…"}}}} with base64 in it') from error


def answer(model: Serve, images: Sequence[bytes]) -> list[Mapping[str, Any]]:
    """Asks the model.

    Args:
        model: What to ask.
        images: What should be whole files.

    Returns:
        For each image the values by output name, in JSON's types; of a model of colours the PNG file alone.

    Raises:
        BadRequestError: any of them can't be decoded, as TensorFlow Serving has it: the whole request is refused.
    """
    predictions: list[Mapping[str, Any]] = []
    for index, values in enumerate(model.ask(images)):
        if isinstance(values, str):
            raise BadRequestError(f"instance {index}: {values}")
        predictions.append({name: _to_json(value) for name, value in values.items() if name != "pixels"})
    return predictions


def _to_json(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value.tolist()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError(f"the body is larger than {MAX_BODY_BYTES:,} bytes")
    return bytes(body)


if __name__ == "__main__":
    sys.exit(run_main(main))
