"""`tensorboard`: finds or creates the TensorBoard instance that jobs show themselves in."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from etl.cli import Parser
from etl.errors import EXIT_OK
from trainer.vertex.api import clients, naming, requests
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.options import add_cloud_arguments, add_label_argument, cloud, parse_labels

_SECONDS = 600.0


def add_arguments(parser: Parser) -> None:
    """Adds the options of `tensorboard`."""
    add_cloud_arguments(parser)
    parser.add_argument("--display_name", default="petalstream", metavar="NAME", help="of the instance")
    add_label_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the instance's name, which --tensorboard of train and tune takes; makes it if it isn't there."""
    where = cloud(arguments)
    name = naming.check("--display_name", arguments.display_name)
    body: dict[str, Any] = {"displayName": name, "labels": {**naming.LABELS, **parse_labels(arguments.label)}}
    message = requests.parse("Tensorboard", body)
    if arguments.dry_run:
        print(f"# unless there is one called {name}:\n{requests.to_yaml(body)}", end="")
        return EXIT_OK
    kind = KINDS["tensorboards"]
    found = naming.pick("--display_name", name, kind.find(where, naming.make_filter(name)))
    if found is None:
        with translate_errors(f"creating the TensorBoard instance {name}", where):
            client = clients.make(kind.service, where)
            operation = client.create_tensorboard(parent=where.parent, tensorboard=message)
            found = clients.finish(operation, timeout_seconds=_SECONDS)
        print(f"created: {kind.url(found.name)}", file=sys.stderr)
    else:
        print(f"there already: {kind.url(found.name)}", file=sys.stderr)
    print(found.name)
    return EXIT_OK
