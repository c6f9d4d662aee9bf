"""`python -m trainer.server`: an exported model behind HTTP, in the words of TensorFlow Serving's REST interface.

Not TensorFlow Serving itself, whose releases lack operations that the model's decoders may have: this serves with the
TensorFlow that the model was exported with, so an image becomes the same pixels as in training.

POST the predict route {"instances": [{"image_bytes": {"b64": "…"}}, …]} -> {"predictions": [{…}, …]}
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from etl import paths
from etl.cli import Parser, number
from etl.errors import EXIT_OK, ConfigError
from etl.process import lifecycle
from trainer import environment

PROG = "trainer.server"


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit code."""
    serving = environment.read_serving()
    arguments = _parser(serving).parse_args(argv)
    model_dir = arguments.model_dir or serving.model_dir
    if model_dir is None:
        raise ConfigError("--model_dir", None, "an exported model", f"${environment.STORAGE_URI} may say it too")
    model_dir = paths.check("--model_dir", model_dir)
    # Before the model, which takes long to load.
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401

    from trainer.serving import app, listening
    from trainer.serving.served_model import load_signatures

    host, port = arguments.host, arguments.port
    with listening.bind(host, port) as listener:
        signatures = load_signatures(model_dir)
        app.warm_up(signatures)
        shown = f"[{host}]" if ":" in host else host
        ready = f"serving {model_dir} at http://{shown}:{port}{serving.predict_route}"
        listening.serve(
            app.make_app(signatures, serving.predict_route, serving.health_route), listener, host, port, ready
        )
    return EXIT_OK


def _parser(serving: environment.ServingEnvironment) -> Parser:
    made = Parser(prog=PROG, description="Serves an exported model over HTTP.", formatter_class=argparse.HelpFormatter)
    made.add_argument(
        "--model_dir", metavar="DIR", help=f"a SavedModel, or a run's --output_dir (${environment.STORAGE_URI})"
    )
    made.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1, for this machine alone; 0.0.0.0 is for all that reach it)",
    )
    made.add_argument(
        "--port",
        type=number("--port", int, minimum=1, maximum=65_535, what="a port, from 1 to 65535"),
        default=serving.port,
        help=f"port to listen on (default: ${environment.HTTP_PORT}, {serving.port})",
    )
    return made


if __name__ == "__main__":
    lifecycle.end_with(main)
