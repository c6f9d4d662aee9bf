"""The ASGI application: requests in, the model's answers out."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainer.environment import DEFAULT_HEALTH_ROUTE
from trainer.serving import about
from trainer.serving.instances import BadRequestError, read_request
from trainer.serving.signatures import INPUTS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from trainer.serving.served_model import ServedModel

# Of a request's body; Vertex AI itself passes on 1.5 MB at most.
MAX_BODY_BYTES = 64 << 20
# In which a body must have arrived.
BODY_SECONDS = 60.0
METADATA_ROUTE = f"{DEFAULT_HEALTH_ROUTE}/metadata"
# Instances a call of the model: what a network needs beside its weights grows with them.
_BATCH_SIZE = 32
_SIDE = 64


class NoAnswerError(Exception):
    """The model has no answer, to whatever it is asked; the message says why."""


def make_app(
    signatures: Mapping[str, ServedModel], predict_route: str, health_route: str, body_seconds: float = BODY_SECONDS
) -> Starlette:
    """Makes the ASGI application.

    Args:
        signatures: The model's, by name. May be asked from several threads at once.
        predict_route: Path of requests.
        health_route: Path that answers 200 as soon as the model is loaded, which it is.
        body_seconds: Within which a body must have arrived.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    described = about.describe(signatures, predict_route, METADATA_ROUTE)

    async def predict(request: Request) -> Response:
        try:
            body = await asyncio.wait_for(_read_body(request), body_seconds)
            # TensorFlow leaves the interpreter while it works, so others are listened to.
            return JSONResponse({"predictions": await run_in_threadpool(_predict, body, signatures)})
        except BadRequestError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except NoAnswerError as error:
            return JSONResponse({"error": str(error)}, status_code=500)
        except asyncio.TimeoutError:
            message = f"the body did not arrive within {body_seconds:g} s"
            return JSONResponse({"error": message}, status_code=408, headers={"Connection": "close"})
        except ClientDisconnect:
            # Nobody reads it.
            return Response(status_code=400)

    async def health(_: Request) -> Response:
        status = {"error_code": "OK", "error_message": ""}
        return JSONResponse({"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]})

    async def metadata(_: Request) -> Response:
        return JSONResponse(about.metadata(signatures))

    async def root(request: Request) -> Response:
        is_browser = "text/html" in request.headers.get("accept", "")
        return HTMLResponse(about.page(described)) if is_browser else JSONResponse(described)

    return Starlette(
        routes=[
            Route(predict_route, predict, methods=["POST"]),
            Route(health_route, health, methods=["GET"]),
            Route(METADATA_ROUTE, metadata, methods=["GET"]),
            Route("/", root, methods=["GET"]),
        ]
    )


def warm_up(signatures: Mapping[str, ServedModel]) -> None:
    """Asks each signature once: its first call takes many times as long as those after it."""
    import tempfile

    import numpy as np
    import tensorflow as tf

    png = tf.io.encode_png(np.full((_SIDE, _SIDE, 3), 127, np.uint8)).numpy()
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(png)
        file.flush()
        for model in signatures.values():
            sides = [size or _SIDE for size in model.inputs[model.takes].shape.as_list()[1:]]
            pixels = np.full(sides, 127, np.uint8)
            made = {INPUTS["from_bytes"]: png, INPUTS["from_filenames"]: file.name, INPUTS["from_pixels"]: pixels}
            model.predict([made[model.takes]])


def answer(model: ServedModel, items: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Asks the model.

    Args:
        model: What to ask.
        items: What should be whole files, or whatever else it takes.

    Returns:
        For each image the values by output name, in JSON's types; of a model of colours the PNG file alone.

    Raises:
        BadRequestError: any of them can't be decoded, as TensorFlow Serving has it: the whole request is refused.
        NoAnswerError: the model's probabilities are no numbers.
    """
    predictions: list[Mapping[str, Any]] = []
    for start in range(0, len(items), _BATCH_SIZE):
        for index, values in enumerate(model.predict(items[start : start + _BATCH_SIZE]), start):
            if isinstance(values, str):
                raise BadRequestError(f"instance {index}: {values}")
            if not math.isfinite(values.get("probability", 0)):
                raise NoAnswerError(f"instance {index}: the model's probabilities are no numbers")
            predictions.append({name: _to_json(value) for name, value in values.items() if name != "pixels"})
    return predictions


def _predict(body: bytes, signatures: Mapping[str, ServedModel]) -> list[Mapping[str, Any]]:
    return answer(*read_request(body, signatures))


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
