"""`python -m trainer.ingest.service`: the dispatcher and the workers of a tf.data service, for `distribute="service"`.

With no options it starts both on this machine. On further machines `--dispatcher HOST:PORT` adds workers; they read the
shards themselves, so every machine must reach the data set under the same path. A worker uses all cores.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

from etl import interrupts
from etl.cli import Parser, load_tensorflow, number, say_loading, show_line
from etl.errors import EXIT_OK, ConfigError, one_line
from etl.process import lifecycle
from etl.words import quantity
from trainer.ingest import heap
from trainer.ingest.config import MAX_PORT, host_port

PROG = "trainer.ingest.service"
_MAX_WORKERS = 64
_CONNECT_SECONDS = 5.0
# Between two looks at whether it is told to stop.
_LOOK_SECONDS = 0.1
# Of an address at which nobody answers.
EXPECTED = "a tf.data service that runs"
# How long a dispatcher waits for a silent worker before it hands the worker's part of an epoch to nobody.
_WORKER_TIMEOUT_MS = 20_000
_HEARTBEAT_MS = 1_000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line until a signal stops it; returns its exit code, 0 then."""
    parser = Parser(
        prog=PROG,
        description="Starts a tf.data service: a dispatcher and workers that read and decode for trainers elsewhere.",
    )
    count = number(
        "--num_workers", int, minimum=0, maximum=_MAX_WORKERS, what=f"a number of workers, 0 to {_MAX_WORKERS}"
    )
    port = number("--port", int, minimum=0, maximum=MAX_PORT, what=f"a port, 0 to {MAX_PORT}")
    parser.add_argument("--port", type=port, default=0, help="of the dispatcher; 0 for any that is free")
    parser.add_argument("--num_workers", type=count, default=1, help="workers on this machine; each uses all cores")
    parser.add_argument("--dispatcher", metavar="HOST:PORT", help="join this dispatcher instead of starting one")
    parser.add_argument(
        "--host", default="localhost", help="this machine's name or address, as the others and the trainers reach it"
    )
    arguments = parser.parse_args(argv)
    if arguments.dispatcher:
        if arguments.port:
            raise ConfigError("--port", arguments.port, "no port, since --dispatcher names one that runs already")
        if not arguments.num_workers:
            raise ConfigError("--num_workers", 0, "1 or more, since no dispatcher is started")
        check_reachable("--dispatcher", arguments.dispatcher)
    say_loading("tensorflow")
    load_tensorflow()
    with interrupts.noted() as received_signal:
        servers, address = start(arguments.host, arguments.port, arguments.num_workers, arguments.dispatcher)
        workers = quantity(arguments.num_workers, "worker")
        show_line(f"tf.data service at {address}: {workers} here; for trainers and --dispatcher")
        while not received_signal():
            time.sleep(_LOOK_SECONDS)
        # Workers first: one that has lost its dispatcher would try to reach it for a while.
        for server in reversed(servers):
            server._stop()
        # That is how a service ends.
        interrupts.settle()
    return EXIT_OK


def start(host: str, port: int, num_workers: int, dispatcher: str | None) -> tuple[list[Any], str]:
    """Starts servers in this process.

    Args:
        host: This machine, as others reach it.
        port: Of the dispatcher, 0 for any that is free.
        num_workers: How many workers to start.
        dispatcher: `host:port` of one that runs already; None to start one.

    Returns:
        The servers, which stop when they are deleted, and the dispatcher's `host:port`.

    Raises:
        ConfigError: the port can't be had.
    """
    import tensorflow as tf

    service = tf.data.experimental.service
    heap.keep_freed_memory()
    servers: list[Any] = []
    if dispatcher is None:
        config = service.DispatcherConfig(port=port, worker_timeout_ms=_WORKER_TIMEOUT_MS)
        try:
            servers.append(service.DispatchServer(config))
        except (tf.errors.OpError, RuntimeError) as error:
            raise ConfigError("--port", port, "a port that is free", one_line(error)[:200]) from error
        dispatcher = f"{host}:{servers[0].target.rpartition(':')[2]}"
    for _ in range(num_workers):
        # The worker's own port is any that is free; %port% is TensorFlow's word for it.
        servers.append(
            service.WorkerServer(
                service.WorkerConfig(
                    dispatcher_address=dispatcher,
                    worker_address=f"{host}:%port%",
                    heartbeat_interval_ms=_HEARTBEAT_MS,
                )
            )
        )
    return servers, dispatcher


def check_reachable(field: str, address: str) -> None:
    """Checks that something listens, because TensorFlow would try again for minutes without a word.

    Args:
        field: The option's name, for the message.
        address: `host:port`, with `grpc://` before it or without.

    Raises:
        ConfigError: it is no such address, or nobody answers there.
    """
    found = host_port(address)
    if found is None:
        raise ConfigError(field, address, "the dispatcher's host:port")
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        hint = f"{error.strerror or error}; start one with python -m {PROG}"
        raise ConfigError(field, address, EXPECTED, hint) from error


if __name__ == "__main__":
    lifecycle.end_with(main)
