"""The ways to read a backbone, or several: layers with their pooling, a fusion, what that costs.

References
----------
LLMEmbed (Liu et al., 2024, arXiv 2406.03725): several layers of several backbones. The paper fixes them; here they are offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones import resolve_layers
from frostline.contracts import Layer, Tap
from frostline.features import Features

__all__ = ["LADDER", "Candidate", "candidates", "joint", "ladder", "together", "union"]

LADDER = 7
"""Depths that `auto` looks at, evenly spaced, so that a model of 80 layers costs no more than one of 6."""


@dataclass(frozen=True)
class Candidate:
    """One way to read the backbone, or several backbones.

    Attributes
    ----------
    taps : tuple of Tap
        Layers, with their pooling.
    fusion : str
    pooling : str
        As a user would write it; of several backbones whose poolings differ, those of each.
    usual : bool
        Whether this is what to take where the rows cannot tell.
    """

    taps: tuple[Tap, ...]
    fusion: str
    pooling: str
    usual: bool = field(default=False, compare=False)

    @property
    def layers(self) -> list[Layer]:
        """The layers alone."""
        return [tap.layer for tap in self.taps]

    @property
    def name(self) -> str:
        """For tables: ``layers 4+5+final, concat``, after the backbone's name where there are several."""
        fusion = f", {self.fusion}" if len(self.taps) > 1 else ""
        return " and ".join(self._reading(name) for name in self.backbones) + fusion

    @property
    def backbones(self) -> list[str]:
        """Names of the backbones that run, in order; one empty name where there is no choice of them."""
        return list(dict.fromkeys(tap.backbone for tap in self.taps))

    def _reading(self, backbone: str) -> str:
        layers = [str(tap.layer) for tap in self.taps if tap.backbone == backbone]
        return f"{backbone} layer{'s' * (len(layers) > 1)} {'+'.join(layers)}".strip()

    def blocks(self, features: Features) -> dict[str, tuple[int, int]]:
        """Of each backbone the blocks that run, and their width."""
        found: dict[str, tuple[int, int]] = {}
        for tap, width, depth in zip(features.taps, features.widths, features.depths, strict=True):
            if tap in self.taps:
                found[tap.backbone] = max(depth, found.get(tap.backbone, (0, 0))[0]), width
        return found

    def width(self, features: Features) -> int:
        """Columns of the fused vector."""
        widths = [features.widths[features.taps.index(tap)] for tap in self.taps]
        return sum(widths) if self.fusion == "concat" else widths[0]

    def cost(self, features: Features) -> tuple[int, int]:
        """Work of the blocks that run (a block's weights grow with the square of its width), and columns to learn on."""
        return sum(n * width**2 for n, width in self.blocks(features).values()), self.width(features)

    def layout(self, features: Features) -> list[list[int]]:
        """Of each backbone the widths of its layers in the concatenated vector."""
        widths = dict(zip(features.taps, features.widths, strict=True))
        return [[widths[tap] for tap in self.taps if tap.backbone == name] for name in self.backbones]

    def features(self, features: Features) -> NDArray[np.float32]:
        """The fused vectors of rows, shape (n, F)."""
        return features.fused(self.taps, self.fusion)


def candidates(n_layers: int, taps: Sequence[Tap], layers: Any, pooling: str, fusion: str) -> list[Candidate]:
    """List the ways to read a backbone that the user has left open.

    Parameters
    ----------
    n_layers : int
        Blocks of the backbone.
    taps : sequence of Tap
        What an embedder with these settings reads; their pooling is taken over.
    layers, pooling, fusion
        As the user wrote them; ``"auto"`` leaves the choice open.

    Returns
    -------
    list of Candidate
        Single layers of a ladder of depths, its upper three, and all of it; with ``fusion="auto"`` side by side, and
        all of it as a mean.
    """
    written = "recipe" if pooling == "auto" else pooling
    first = taps[0]
    groups: list[Sequence[Layer]] = [[tap.layer for tap in taps]]
    if layers == "auto":
        depths = resolve_layers(ladder(n_layers), n_layers)
        groups = [[layer] for layer in depths]
        groups += [part for part in (depths[-3:], depths) if len(part) > 1]
        groups = [list(part) for part in dict.fromkeys(map(tuple, groups))]
    found = []
    for i, group in enumerate(groups):
        own = tuple(replace(first, layer=layer) for layer in group)
        whole = i == len(groups) - 1 and len(group) > 1
        fusions = [fusion] if fusion != "auto" else ["concat", "mean"] if whole else ["concat"]
        is_usual = len(group) == min(3, len(groups[-1]))
        found += [Candidate(own, how, written, usual=is_usual and how == fusions[0]) for how in fusions]
    return found


def together(own: Sequence[Sequence[Candidate]], fusion: str) -> list[Candidate]:
    """List the ways to read several backbones, of which each may be read in its `own` ways.

    Parameters
    ----------
    own : sequence of sequences of Candidate
        What :func:`candidates` offers for each backbone.
    fusion : str
        As the user wrote it. ``"auto"`` leaves open whether one backbone is enough; any other joins all of them.

    Returns
    -------
    list of Candidate
        With ``"auto"`` every backbone in its own ways; then all of them, each as it is usually read and each as wide as
        it can be. All of them together are the usual choice: the user named them all.
    """
    if len(own) == 1:
        return list(own[0])
    single = [replace(one, usual=False) for one in chain.from_iterable(own)] if fusion == "auto" else []
    how = "concat" if fusion == "auto" else fusion
    usual = [next((one for one in found if one.usual), found[0]) for found in own]
    widest = [max((one for one in found if one.fusion == usual[0].fusion), key=lambda c: len(c.taps)) for found in own]
    return [*single, *dict.fromkeys([joint(usual, how, usual=True), joint(widest, how)])]


def joint(readings: Sequence[Candidate], how: str, *, usual: bool = False) -> Candidate:
    """One candidate that reads several backbones, each as it is read in `readings`."""
    taps = tuple(tap for one in readings for tap in one.taps)
    poolings = [one.pooling for one in readings]
    return Candidate(taps, how, poolings[0] if len(set(poolings)) == 1 else "+".join(poolings), usual=usual)


def union(found: Sequence[Candidate]) -> list[Tap]:
    """Everything that one pass must read for all candidates: one backbone after the other, shallow layers first."""
    taps = dict.fromkeys(tap for candidate in found for tap in candidate.taps)
    names = list(dict.fromkeys(tap.backbone for tap in taps))
    depths = {tap: np.inf if tap.layer == "final" else float(tap.layer) for tap in taps}
    return sorted(taps, key=lambda tap: (names.index(tap.backbone), depths[tap]))


def ladder(n_layers: int) -> list[Layer]:
    """Depths that are looked at, embeddings and final layer among them."""
    depths = np.unique(np.round(np.linspace(0, n_layers, min(LADDER, n_layers + 1))).astype(int))
    return ["final" if depth == n_layers else int(depth) for depth in depths]
