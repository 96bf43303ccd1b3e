"""The packed path: the reference path's numbers, faster on CPUs."""

from frostline.backbones.packed.choose import Runner, RunnerReport, choose_runner, time_paths
from frostline.backbones.packed.encoder import PackedEncoder

__all__ = ["PackedEncoder", "Runner", "RunnerReport", "choose_runner", "time_paths"]
