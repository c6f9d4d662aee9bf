"""What a worker does with a job: runs its staged graph, by Beam's portable runner, in a process that has only the rest
of what was staged.

`python worker.py GRAPH PACKAGE`: GRAPH is the serialised pipeline, PACKAGE a folder or file under which all that the
graph imports of this project must lie.
"""

from __future__ import annotations

import sys
from pathlib import Path


def load_functions(graph: object) -> list[str]:
    """Unpickles every function of the graph, as a worker does; returns the names of the classes of ours among them."""
    from apache_beam.internal import pickler
    from apache_beam.portability.api import beam_runner_api_pb2

    names = []
    for transform in graph.components.transforms.values():  # type: ignore[attr-defined]
        if transform.spec.urn == "beam:transform:pardo:v1":
            payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
            function = pickler.loads(payload.do_fn.payload)[0]
            names.append(f"{type(function).__module__}.{type(function).__name__}")
    return sorted(name for name in names if name.startswith(("etl.", "trainer.")))


def run(path: str, package: str) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_runner_api_pb2
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    graph = beam_runner_api_pb2.Pipeline.FromString(Path(path).read_bytes())
    # This process is the container.
    for environment in graph.components.environments.values():
        environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
        del environment.dependencies[:]
    print("functions:", *load_functions(graph))
    import etl.run
    import etl.runners.pipeline

    for module in (etl, etl.runners.pipeline, etl.run):
        found = Path(module.__file__ or "").resolve()
        if not found.is_relative_to(Path(package).resolve()):
            raise RuntimeError(f"{found} is none of the staged files")
    FnApiRunner().run_via_runner_api(graph, PipelineOptions([])).wait_until_finish()


if __name__ == "__main__":
    # The folder of this file, which Python puts first, holds none of what was staged.
    del sys.path[0]
    run(sys.argv[1], sys.argv[2])
