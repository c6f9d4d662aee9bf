"""The names of Beam's runners."""

from __future__ import annotations

# Names under which a pipeline runs in this process, on all cores.
IN_PROCESS = (None, "DirectRunner")
PORTABLE = ("PrismRunner", "FlinkRunner", "SparkRunner", "PortableRunner")
NAMES = ("DirectRunner", "DaskRunner", *PORTABLE, "DataflowRunner")
