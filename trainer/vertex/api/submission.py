"""Starting a job once: also where the answer to the request was lost on the way."""

from __future__ import annotations

import shlex
import time
from typing import Any

from etl import interrupts
from trainer.vertex.api import clients
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.kinds import KINDS, Kind
from trainer.vertex.api.options import Cloud

# How often a request is sent whose fate isn't known.
NUM_TRIES = 4


def submit(kind: Kind, message: Any, cloud: Cloud) -> Any:
    """Starts a job.

    An answer of 503, or none at all, doesn't say whether there is a job now, and each costs money. So what has this
    display name is listed before, and again after such an answer: only where nothing came is the request sent again.

    Args:
        kind: Of the job.
        message: The job, in the SDK's type.
        cloud: Where.

    Returns:
        The job that was made.

    Raises:
        ConfigError: the request is refused.
        CloudError: quota, or the service is unavailable for longer.
    """
    from google.api_core import exceptions
    from requests import exceptions as http

    create = getattr(clients.make(kind.service, cloud), f"create_{kind.method}")
    same_name = f'display_name="{message.display_name}"'
    before = {job.name for job in kind.find(cloud, same_name)}
    num_tries, pause = 0, clients.FIRST_PAUSE_SECONDS
    starting = f"starting the {kind.what} {message.display_name}"
    with translate_errors(starting, cloud), interrupts.hinting(lambda: _unknown(kind, same_name, cloud)):
        while True:
            num_tries += 1
            try:
                return create(**{"parent": cloud.parent, kind.method: message})
            except (exceptions.ServiceUnavailable, exceptions.GatewayTimeout, http.ConnectionError, http.Timeout):
                time.sleep(pause)
                pause = min(2 * pause, clients.LONGEST_PAUSE_SECONDS)
                made = [job for job in kind.find(cloud, same_name) if job.name not in before]
                if made:
                    return made[0]
                if num_tries == NUM_TRIES:
                    raise


def _unknown(kind: Kind, same_name: str, cloud: Cloud) -> str:
    listed = next(name for name, each in KINDS.items() if each is kind)
    place = f"--project {cloud.project} --region {cloud.region}"
    command = f"python -m trainer.vertex list {listed} --filter {shlex.quote(same_name)} {place}"
    return f"it may have been started; {command} says whether"
