"""Training rates of known accelerators on ResNet-50, the common measure of the input that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from etl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Accelerator:
    """An accelerator, or what an operator called one.

    Attributes:
        name: As on the command line.
        images_per_second: That it trains on, above 0.
        source: Where that figure is from.
    """

    name: str
    images_per_second: float
    source: str


def _read(*accelerators: Accelerator) -> Mapping[str, Accelerator]:
    return MappingProxyType({accelerator.name: accelerator for accelerator in accelerators})


# ResNet-50 on ImageNet at 224x224 in mixed precision, from the logs that the vendors handed in to MLPerf Training,
# rounded to three digits. These are tuned runs: what a model of one's own reaches is less, and its input needs less.
ACCELERATORS = _read(
    # github.com/mlcommons/training_results_v0.6, NVIDIA/results/dgx1_ngc19.05_mxnet/resnet/result_0.txt: "Speed:
    # 11225.37 samples/sec" on eight.
    Accelerator("v100", 1_400, "MLPerf Training v0.6, NVIDIA DGX-1, an eighth"),
    # github.com/mlcommons/training_results_v2.0, NVIDIA/results/dgxa100_ngc22.04_mxnet/resnet/result_0.txt:
    # "throughput" 27171.7 on eight.
    Accelerator("a100", 3_400, "MLPerf Training v2.0, NVIDIA DGX A100, an eighth"),
    # github.com/mlcommons/training_results_v3.0, NVIDIA/results/dgxh100_ngc23.04_mxnet/resnet/result_0.txt:
    # "throughput" 56047.6 on eight.
    Accelerator("h100", 7_010, "MLPerf Training v3.0, NVIDIA DGX H100, an eighth"),
    # github.com/mlcommons/training_results_v0.5, v0.5.0/google/cloud_v2.8/resnet-tpuv2-8/results/tpu/resnet/
    # result_4.txt: four epochs of 1,281,167 images take 1,145.9 s (epochs 20 to 24, between two evaluations).
    Accelerator("tpu-v2-8", 4_470, "MLPerf Training v0.5, Google Cloud TPU v2-8"),
    # The same round, cloud_v3.8/resnet-tpuv3-8/results/tpu/resnet/result_0.txt: four epochs in 687.7 s.
    Accelerator("tpu-v3-8", 7_450, "MLPerf Training v0.5, Google Cloud TPU v3-8"),
    # github.com/mlcommons/training_results_v1.0, Google/results/tpu-v4-128-TF/resnet/result_0.txt: four epochs and an
    # evaluation in 23.2 s on 16 hosts of four chips (Google/systems/tpu-v4-128-TF.json); one host is what Google
    # Cloud calls v4-8.
    Accelerator("tpu-v4-8", 13_800, "MLPerf Training v1.0, Google TPU v4, one host of 16"),
)


def parse_accelerator(text: str) -> Accelerator:
    """Parses `--accelerator`: a name, or the images a second that one's own trains on.

    Raises:
        ConfigError: neither.
    """
    known = ACCELERATORS.get(text.lower())
    if known:
        return known
    try:
        rate = float(text.replace(",", ""))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        names = ", ".join(ACCELERATORS)
        raise ConfigError("--accelerator", text, f"one of {names}, or images a second such as 2500")
    return Accelerator("yours", rate, "given with --accelerator")
