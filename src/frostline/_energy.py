"""Seconds and joules that a stretch of work took, the latter where the kernel counts them."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["EnergyMeter"]

_RAPL = Path("/sys/class/powercap")


class EnergyMeter:
    """Read the processor's energy counters before and after a block of code.

    Parameters
    ----------
    root : Path, optional
        Where the kernel shows its power capping zones (Intel's and AMD's RAPL).

    Attributes
    ----------
    seconds : float
    joules : float or None
        Of all processor packages, whoever used them; None where they cannot be read.
    method : str
        How this was measured, for reports.
    """

    def __init__(self, root: Path = _RAPL) -> None:
        self._zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self.seconds = 0.0
        self.joules: float | None = None
        self.method = "not measurable here"

    def __enter__(self) -> Self:
        self._began, self._before = time.perf_counter(), self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds, after = time.perf_counter() - self._began, self._read()
        if self._before and after and len(after) == len(self._before):
            spent = [(b - a) % wrap for a, b, wrap in zip(self._before, after, self._wraps(), strict=True)]
            self.joules, self.method = sum(spent) / 1e6, "processor packages (RAPL)"

    def _read(self) -> list[int]:
        try:
            return [int((zone / "energy_uj").read_text()) for zone in self._zones]
        except (OSError, ValueError):
            return []

    def _wraps(self) -> list[int]:
        """Where each counter starts again from zero."""
        return [int((zone / "max_energy_range_uj").read_text()) + 1 for zone in self._zones]
