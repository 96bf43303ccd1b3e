"""The packed path: the reference path's numbers, faster on CPUs."""

from frostline.backbones.packed.calibration import Samples, read_samples
from frostline.backbones.packed.choose import Runner, RunnerReport, choose_runner, time_paths
from frostline.backbones.packed.encoder import PackedEncoder
from frostline.backbones.packed.int8 import int8_here
from frostline.backbones.packed.weights import unsupported

__all__ = [
    "PackedEncoder",
    "Runner",
    "RunnerReport",
    "Samples",
    "choose_runner",
    "int8_here",
    "read_samples",
    "time_paths",
    "unsupported",
]
