"""What an explainer answers: text, scores and controls together, never the text alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from frostline.elm.probes import Claim

__all__ = ["Explanation", "Neighbor", "Outlier"]


@dataclass(frozen=True)
class Neighbor:
    """A training row near the vector.

    Attributes
    ----------
    id : str
    cosine : float
    text : str
        Empty where the folder was saved without texts.
    """

    id: str
    cosine: float
    text: str


@dataclass(frozen=True)
class Outlier:
    """How far a vector lies from the training rows.

    Attributes
    ----------
    flag : bool
        Whether fewer than one in twenty calibration rows lie as far away.
    distance : float
        Mean distance to the five nearest training rows, in standard deviations a dimension.
    p : float
        Share of calibration rows that lie as far away (conformal).
    """

    flag: bool
    distance: float
    p: float

    def __str__(self) -> str:
        if not self.flag:
            return f"within what was learnt (p {self.p:.2f})"
        return f"far from everything that was learnt (p {self.p:.3f}): the text may be about the language model, not the vector"


@dataclass(frozen=True)
class Explanation:
    """An answer and how far it can be trusted.

    Attributes
    ----------
    text : str
    scores : mapping of str to float
        ``consistency``: cosine of the vector and the text's own vector; over two vectors ``first`` and ``second``.
    controls : mapping of str to float or None
        The same score of other texts: ``shuffled`` (the same question about other rows), ``mean`` (about the mean vector),
        ``none`` (about no vector), ``neighbor`` (the nearest training row's own text; None where texts were not kept).
    neighbors : sequence of Neighbor
    claims : sequence of Claim
    outlier : Outlier
    id : str, default=""
        Of the row, where it has one.
    note : str, default=""
        How the score was read.
    """

    text: str
    scores: Mapping[str, float]
    controls: Mapping[str, float | None]
    neighbors: Sequence[Neighbor]
    claims: Sequence[Claim]
    outlier: Outlier
    id: str = ""
    note: str = field(default="")

    def __str__(self) -> str:
        lines = [f"{claim.attribute}: {claim.value} ({claim.probability:.2f}, {claim.text})" for claim in self.claims]
        scores = ", ".join(f"{name} {value:.2f}" for name, value in self.scores.items()) or "no score"
        controls = ", ".join(
            f"{name} {'-' if value is None else f'{value:.2f}'}" for name, value in self.controls.items()
        )
        lines += [self.text or "(nothing was written)", f"{scores}   controls: {controls}", f"vector: {self.outlier}"]
        lines += [f"near: {n.id} ({n.cosine:.2f}) {n.text[:80]}".rstrip() for n in self.neighbors[:1]]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As plain values: `id`, `text`, `scores`, `controls`, `claims`, `outlier`, `neighbors`."""
        return {
            "id": self.id or None,
            "text": self.text,
            "scores": dict(self.scores),
            "controls": dict(self.controls),
            "claims": [asdict(claim) for claim in self.claims],
            "outlier": {**asdict(self.outlier), "message": str(self.outlier)},
            "neighbors": [asdict(neighbor) for neighbor in self.neighbors],
        }
