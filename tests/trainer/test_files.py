from __future__ import annotations

import os
import subprocess
import sys

# TensorFlow reads its variables when it first meets an object store, so it gets a process of its own.
READING = """
import sys
from trainer import files
files._PATIENCE_SECONDS = 0.1
try:
    files.read_text("gs://bucket/manifest.json")
except Exception as error:
    print(type(error).__name__, file=sys.stderr)
"""


def test_a_store_that_does_not_answer_is_waited_for_aloud() -> None:
    environment = {
        **os.environ,
        "https_proxy": "http://127.0.0.1:9",
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "x",
        "GCS_RETRY_CONFIG_MAX_RETRIES": "2",
        "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "300000",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    environment.pop("no_proxy", None)
    command = [sys.executable, "-c", READING]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.stderr.splitlines() == [
        "loading TensorFlow",
        "gs://bucket/manifest.json: no answer for 0.1 s; a store that can't be reached is asked again for minutes",
        "AbortedError",
    ]
