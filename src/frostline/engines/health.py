"""Look at this machine: what is installed, what runs, what would fail, and why."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frostline._version import __version__
from frostline.backbones import resolve
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import FrostlineError
from frostline.store import Store, default_store_path

__all__ = ["Check", "doctor"]

_PACKAGES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy", "pyarrow", "safetensors", "skops")
_TEXTS = ["A frozen model reads this.", "So it does that, at some length, and then once more.", "Yes"]


@dataclass(frozen=True)
class Check:
    """One look: `outcome` is ``"ok"``, ``"tip"`` or ``"problem"``."""

    name: str
    outcome: str
    message: str


def doctor(
    backbone: str = "minilm", *, store: Any = "default", device: str = "auto", trust_remote_code: str | None = None
) -> dict[str, Any]:
    """Check packages, processor, backbone and store.

    Parameters
    ----------
    backbone : str, default="minilm"
    store : str, path or None, default="default"
    device : str, default="auto"
    trust_remote_code : str, optional

    Returns
    -------
    dict
        ``ok`` (no problem found), ``versions`` and ``checks``: a list of ``{"name", "outcome", "message"}``.
    """
    spec = BackboneSpec(backbone, device=device, trust_remote_code=trust_remote_code)
    checks = [
        _processor(),
        *_backbone(spec),
        *([] if store is None else [_store(store)]),
    ]
    return {
        "ok": all(check.outcome != "problem" for check in checks),
        "versions": {"frostline": __version__, "python": platform.python_version(), **_versions()},
        "checks": [asdict(check) for check in checks],
    }


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _processor() -> Check:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        flags = []
    known = [
        flag for flag in ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags
    ]
    return Check(
        "processor", "ok", f"{threads} cores, {platform.machine()}, {' '.join(known) or 'no vector flags known'}"
    )


def _backbone(spec: BackboneSpec) -> list[Check]:
    try:
        found: Any = resolve(spec)
        layers: list[Any] = [*range(found.n_layers), "final"]
        ids = found.tokenize(_TEXTS, found.max_length).ids
        together = found.forward(ids, [Tap(layer) for layer in layers])
        alone = np.concatenate([found.forward([one], [Tap(layer) for layer in layers]) for one in ids])
    except FrostlineError as error:
        return [Check(f"backbone {spec.name}", "problem", str(error).replace("\n", " "))]
    report = found.runner_report
    spread = float(np.abs(together - alone).max() / max(1.0, float(np.abs(alone).max())))
    size = f"{found.n_layers} blocks, width {found.dim}, window {found.max_length} tokens"
    return [
        Check(f"backbone {spec.name}", "ok" if np.isfinite(together).all() else "problem", size),
        Check("path", "tip" if report.path == "reference" else "ok", _path(report, found.path_times())),
        Check(
            "padding",
            "ok" if spread <= 1e-5 else "problem",
            f"a text alone and in a batch of {len(_TEXTS)} differ by {spread:.1e} (allowed 1e-05)",
        ),
        *([_fast(spec)] if report.path == "packed" else []),
    ]


def _fast(spec: BackboneSpec) -> Check:
    """What ``precision="fast"`` comes to here."""
    try:
        found: Any = resolve(replace(spec, precision="fast"))
        return Check("fast path", "ok", _path(found.runner_report, {}))
    except FrostlineError as error:
        return Check("fast path", "problem", str(error).replace("\n", " "))


def _path(report: Any, times: Mapping[str, float]) -> str:
    """Say which path runs, why, and what was measured."""
    said = [f"{report.path} in {report.numerics}: {report.reason}"]
    if times:
        said.append(f"packed {times['packed']:.1f} ms, reference {times['reference']:.1f} ms on the probe")
    if report.difference is not None:
        said.append(f"largest difference {report.difference:.1e}, smallest cosine {report.cosine:.6f}")
    said.extend(f"{role} by {kernel}" for role, kernel in report.kernels.items())
    return "; ".join(said)


def _store(path: Any) -> Check:
    place = default_store_path() if path == "default" else Path(path).expanduser()
    if not place.exists():
        return Check("store", "ok", f"{place}: not there yet; it is made when the first vector is stored")
    try:
        info = Store(path, read_only=True).info()
    except FrostlineError as error:
        return Check("store", "problem", str(error).replace("\n", " "))
    return Check("store", "ok", f"{info['path']}: {info['n_vectors']} vectors, {info['bytes'] / 1e6:.1f} MB")
