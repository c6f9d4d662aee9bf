"""The port: taken before the model is loaded, which takes long, and opened once it can answer."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from etl import interrupts
from etl.errors import ConfigError

if TYPE_CHECKING:
    from starlette.applications import Starlette

# Connections that wait to be accepted.
_BACKLOG = 2_048
# What a system refuses a port for, and what to do.
_MENDS = {
    errno.EADDRINUSE: "another process listens there: choose another --port, or end it",
    errno.EACCES: "this user may not take it: choose one from 1024 to 65535",
}


@contextmanager
def bind(host: str, port: int) -> Iterator[socket.socket]:
    """Takes an address; nobody is answered there before `serve`.

    Args:
        host: A name or an address, IPv6 too.
        port: From 1 to 65535.

    Raises:
        ConfigError: the port is in use or not for this user, or the host isn't this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError("--host", host, "a name or an address of this machine", _reason(error)) from error
    with socket.socket(family, kind, protocol) as listener:
        # Else a port is in use for a minute after a server that had it has ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _translate_errors(host, port):
            listener.bind(address)
        yield listener


def serve(app: Starlette, listener: socket.socket, host: str, port: int, ready: str) -> None:
    """Serves until a signal stops it; requests that have begun are answered.

    Args:
        app: The application.
        listener: What `bind` gave, for this host and port.
        host: For errors.
        port: For errors.
        ready: Printed once requests are answered.

    Raises:
        ConfigError: another process has come to listen there meanwhile.
    """

    class Server(uvicorn.Server):
        """Says when it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(ready, flush=True)

        async def on_tick(self, counter: int) -> bool:
            # It handles two signals itself, and not that of a closed terminal.
            return await super().on_tick(counter) or bool(interrupts.received())

    with _translate_errors(host, port):
        listener.listen(_BACKLOG)
    # It sends itself the signals once more when all requests are answered.
    with interrupts.noted():
        Server(uvicorn.Config(app, log_level="warning", backlog=_BACKLOG)).run([listener])
        # That is how a server ends.
        interrupts.settle()


@contextmanager
def _translate_errors(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _MENDS:
            raise ConfigError("--port", port, "a port that is free", _MENDS[error.errno]) from error
        raise ConfigError("--host", host, "a name or an address of this machine", _reason(error)) from error


def _reason(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error)
