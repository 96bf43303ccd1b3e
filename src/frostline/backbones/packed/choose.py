"""Which path runs: the packed one where it gives the reference's numbers, else the reference.

The choice is made on this machine each time a model is loaded, on a fixed handful of token sequences, and never read off
the name of a processor. It must come out alike in every process of a resumed job, so numbers alone decide; a clock is read
only where `fast` may choose between float32 and bfloat16. Where the processor multiplies bytes fast and has no half precision,
`fast` tries 8 bits instead, on sequences of real texts as well, and keeps float32 where they come out too far off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from frostline.backbones.packed.calibration import Samples
from frostline.backbones.packed.encoder import PackedEncoder
from frostline.backbones.packed.routed import Int8Encoder
from frostline.backbones.packed.timing import best_ms, preferred
from frostline.backbones.packed.weights import read_weights
from frostline.contracts import IntArray, Tap

__all__ = [
    "EXACT_DIFFERENCE",
    "FAST_COSINE",
    "INT8_COSINE",
    "Runner",
    "RunnerReport",
    "choose_runner",
    "time_paths",
]

EXACT_DIFFERENCE = 1e-5
"""Largest difference from the reference that ``exact`` allows, in units of max(1, largest reference entry)."""

FAST_COSINE = 0.999
"""Smallest cosine to the reference that ``fast`` allows, for every text and layer."""

INT8_COSINE = 0.9992
"""The same for 8 bits on the probe: more than ``fast`` promises, since texts may be worse than those that were tried."""

_ALLOWED = {"exact": ("float32",), "fast": ("float32", "bfloat16")}

_LENGTHS = (3, 5, 9, 9, 9, 16, 24, 24, 24, 37, 64, 96)


class Runner(Protocol):
    """What turns a batch of token ids into pooled vectors."""

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Run one batch; returns shape (B, len(taps), D)."""
        ...


class Reference(Runner, Protocol):
    """The reference path, with the float32 model that it runs."""

    n_layers: int
    max_positions: int | None

    @property
    def model(self) -> nn.Module:
        """The model."""
        ...


@dataclass(frozen=True)
class RunnerReport:
    """What was tried at load and what came of it.

    Attributes
    ----------
    path : {"packed", "reference"}
    numerics : str
        What the path computes in.
    reason : str
        Why this path, as a clause.
    kernels : mapping
        Kernel of each linear map of a block; empty on the reference path.
    difference, cosine : float or None
        Largest difference in units of max(1, largest reference entry), and smallest cosine over texts and layers, of
        the packed path on the probe; None where nothing was packed.
    """

    path: str
    numerics: str
    reason: str
    kernels: Mapping[str, str] = field(default_factory=dict)
    difference: float | None = None
    cosine: float | None = None


def choose_runner(reference: Reference, precision: str, samples: Samples | None = None) -> tuple[Runner, RunnerReport]:
    """Pack the model in every way that `precision` allows, and check each against the reference.

    Parameters
    ----------
    reference : Reference
        The reference path with its model in float32 on the CPU.
    precision : {"exact", "fast"}
        ``exact`` may pack in float32 only; ``fast`` in bfloat16 too, which wins where the CPU has instructions for it.
    samples : Samples, optional
        Given where 8 bits are to be tried as well, see :func:`frostline.backbones.packed.int8.int8_here`.

    Returns
    -------
    Runner
        `reference` itself, or a packed encoder, which does not need the model's own linear weights any more.
    RunnerReport
        Of the path that was taken; on the reference path, of the packed path that came nearest.
    """
    model: Any = reference.model
    if (reason := PackedEncoder.supports(model.config)) is not None:
        return reference, RunnerReport("reference", "float32", reason)
    probe, taps = _probe(reference, model.config), [Tap(layer) for layer in range(reference.n_layers + 1)]
    expected = reference.forward(probe, taps)
    allowed = _ALLOWED["exact" if samples is not None else precision]
    try:
        encoders = [PackedEncoder.from_model(model, model.config, numerics) for numerics in allowed]
        found = [encoder.forward(probe, taps) for encoder in encoders]
    except (AttributeError, RuntimeError) as error:  # a model of a known type, built otherwise than its family
        return reference, RunnerReport("reference", "float32", f"packing failed: {error}")
    reports = [_judge(encoder, vectors, expected, precision) for encoder, vectors in zip(encoders, found, strict=True)]
    passed = {i: encoder for i, encoder in enumerate(encoders) if reports[i].path == "packed"}
    if not passed:
        return reference, reports[0]
    best = next(iter(passed))
    if samples is not None and best == 0:
        return _int8_or(encoders[0], reports[0], reference, samples)
    if len(passed) > 1:
        best = int(preferred(best_ms({str(i): partial(one.forward, probe, taps) for i, one in passed.items()})))
    return encoders[best], reports[best]


def _int8_or(
    single: PackedEncoder, report: RunnerReport, reference: Reference, samples: Samples
) -> tuple[Runner, RunnerReport]:
    """The encoder in 8 bits where it keeps the cosine, else that in float32, with the cause."""
    model: Any = reference.model
    probe = [*_probe(reference, model.config), *samples.tried_on]
    taps = [Tap(layer, how) for layer in range(reference.n_layers + 1) for how in ("mean", "first_token")]
    try:
        encoder = Int8Encoder(single, read_weights(model, model.config), samples.fitted_on)
        found = _judge(encoder, encoder.forward(probe, taps), single.forward(probe, taps), "fast", INT8_COSINE)
    except (AttributeError, RuntimeError) as error:
        return single, replace(report, reason=f"{report.reason}; 8 bits failed: {error}")
    if found.path == "packed":
        return encoder, replace(found, reason=f"8 bits keep the cosine on {len(probe)} texts")
    return single, replace(report, reason=f"{report.reason}; not in 8 bits: {found.reason}")


def time_paths(runner: Runner, reference: Reference) -> dict[str, float]:
    """Best processor milliseconds of both paths on the probe, under ``packed`` and ``reference``; for people to read."""
    probe, taps = _probe(reference, reference.model.config), [Tap(layer) for layer in range(reference.n_layers + 1)]
    calls = {"packed": partial(runner.forward, probe, taps), "reference": partial(reference.forward, probe, taps)}
    for call in calls.values():
        call()
    return best_ms(calls)


def _probe(reference: Reference, config: Any) -> list[IntArray]:
    rng = np.random.default_rng(0)
    longest = reference.max_positions or max(_LENGTHS)
    return [rng.integers(0, config.vocab_size, min(length, longest), dtype=np.int32) for length in _LENGTHS]


def _judge(
    encoder: PackedEncoder | Int8Encoder,
    vectors: NDArray[np.float32],
    expected: NDArray[np.float32],
    precision: str,
    least: float = FAST_COSINE,
) -> RunnerReport:
    """Accept or refuse a packed encoder by its vectors."""
    difference = float(np.abs(vectors - expected).max() / max(1.0, np.abs(expected).max()))
    norms = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(expected, axis=-1)
    cosine = float(((vectors * expected).sum(-1) / norms).min())
    # Negated, so that a difference or a cosine which is not a number is refused.
    if precision == "exact" and not difference <= EXACT_DIFFERENCE:
        refusal = f"the packed path differs by {difference:.1e}, allowed are {EXACT_DIFFERENCE:.0e}"
    elif not cosine >= least:
        refusal = f"the packed path's cosine to the reference is {cosine:.5f}, at least {least} is needed"
    else:
        refusal = ""
    return RunnerReport(
        path="reference" if refusal else "packed",
        numerics="float32" if refusal else encoder.numerics,
        reason=refusal or "the reference's numbers",
        kernels={} if refusal else encoder.kernels,
        difference=difference,
        cosine=cosine,
    )
