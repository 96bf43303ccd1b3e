"""FRL2xx: what is wrong with the vectors, whatever is predicted from them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.candidates import Candidate
from frostline.diagnostics.evidence import Evidence, layer_name
from frostline.diagnostics.model import Check, NotApplicable, Verdict, issue, passed, tip
from frostline.diagnostics.perturb import ROUNDING
from frostline.numerics.metrics import mean_and_error
from frostline.numerics.neighbors import nearest
from frostline.numerics.smoothness import SmoothnessGap, neighbor_ratio, table_smoothness_gap
from frostline.selection import Trial

__all__ = ["CHECKS", "cka", "layer_gaps", "layer_trials"]

SAME = 1e-4
"""Distance, as a share of that between any two rows, under which two vectors are the same."""

COPIES, ALIKE = 0.9999, 0.98
"""Linear CKA from which two layers are copies, and from which they are alike."""

_ENOUGH = 20


def non_finite(evidence: Evidence) -> Verdict:
    """NaN and infinity."""
    vectors = evidence.unchecked_features(evidence.rows).columns
    bad = np.asarray(~np.isfinite(vectors).all(axis=1))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        return issue(
            f"{bad.sum()} of {len(bad)} vectors hold NaN or infinity (the first: row {first}).", float(bad.mean())
        )
    return passed(f"All {vectors.size:,} numbers are finite.", 0.0)


def collapse(evidence: Evidence) -> Verdict:
    """Different rows with one vector, or all vectors on one line."""
    Z, texts = _read(evidence).astype(np.float64), evidence.sampled.texts
    first = np.sort(list({text: i for i, text in enumerate(texts)}.values()))  # one row of each text
    if len(first) < _ENOUGH:
        raise NotApplicable(f"{len(first)} distinct rows are too few to see a collapse.")
    Z = Z[first] - Z[first].mean(axis=0)
    spread = np.sqrt(2 * np.einsum("nf,nf->", Z, Z) / len(Z))
    if not spread > 1e-6 * np.abs(_read(evidence)).max():
        return issue("All rows have the same vector.", 1.0)
    close = float((nearest(Z, Z, 1, skip_self=True)[1][:, 0] <= SAME * spread).mean())
    values = np.linalg.svd(Z[:1000], compute_uv=False) ** 2
    directions = float(values.sum() ** 2 / (values**2).sum())
    value = {"collapsed": close, "effective_dimensions": directions}
    if close >= 0.1:
        return issue(f"{close:.0%} of the distinct rows have a vector that another row has as well.", value)
    if directions < 1.5 and Z.shape[1] > 2:
        return issue(f"All vectors lie along {directions:.1f} direction of {Z.shape[1]}.", value)
    return passed(f"Distinct rows have distinct vectors, which fill about {directions:.0f} directions.", value)


def anisotropy(evidence: Evidence) -> Verdict:
    """Vectors that all point one way."""
    Z = _read(evidence).astype(np.float64)
    lengths = np.linalg.norm(Z, axis=1)
    if len(Z) < 2 or not lengths.all():
        raise NotApplicable("Cosines need two rows and no vector of zeros.")
    unit = Z / lengths[:, None]
    n = len(unit)
    cosine = float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1)))
    if cosine >= 0.9995:
        return issue(
            f"Two vectors have a cosine of {cosine:.4f} on average: what tells rows apart is lost in a common direction.",
            cosine,
        )
    if cosine >= 0.9:
        return tip(
            f"Two vectors have a cosine of {cosine:.2f} on average; center them before you compare by cosine. "
            "Heads here standardize columns anyway.",
            cosine,
        )
    return passed(f"Two vectors have a cosine of {cosine:.2f} on average.", cosine)


def dead_dimensions(evidence: Evidence) -> Verdict:
    """Coordinates that never change."""
    Z = _read(evidence).astype(np.float64)
    if len(Z) < _ENOUGH:
        raise NotApplicable(f"{len(Z)} rows are too few to call a dimension dead.")
    size = np.maximum(np.abs(Z).max(axis=0), 1e-12)
    dead = Z.std(axis=0) <= ROUNDING * size
    share = float(dead.mean())
    if not dead.any():
        return passed(f"All {Z.shape[1]} dimensions vary.", 0.0)
    message = f"{dead.sum()} of {Z.shape[1]} dimensions never change (the first: {int(np.flatnonzero(dead)[0])})."
    return (issue if share >= 0.01 else tip)(message, share)


def redundant_layers(evidence: Evidence) -> Verdict:
    """Layers that say what other layers say."""
    features, read = evidence.sampled, evidence.read
    taps = list(read.taps) if len(read.taps) > 1 else list(features.taps)
    if len(taps) < 2:
        raise NotApplicable("There is one layer only.")
    vectors = [features.fused((tap,), "concat")[:1000] for tap in taps]
    pairs = {
        f"{layer_name(a)}-{layer_name(b)}": cka(A, B) for (a, A), (b, B) in pairwise(zip(taps, vectors, strict=True))
    }
    value: dict[str, Any] = {"cka": pairs, "gain": _gains(evidence, taps)}
    which = "that are read" if len(read.taps) > 1 else "of the backbone"
    if copies := [pair for pair, alike in pairs.items() if alike >= COPIES]:
        return issue(f"Layers {which} are copies of one another up to turning and scaling: {', '.join(copies)}.", value)
    idle = [layer for layer, (gain, error) in value["gain"].items() if gain <= error]
    alike = [pair for pair, found in pairs.items() if found >= ALIKE]
    if len(read.taps) > 1 and idle:
        return tip(f"Adding these layers did not lower the loss by more than its error: {', '.join(idle)}.", value)
    if alike:
        return tip(f"Neighboring layers are nearly alike (CKA from {ALIKE}): {', '.join(alike)}.", value)
    return passed(f"Neighboring layers differ (largest CKA {max(pairs.values()):.2f}).", value)


def smoothness(evidence: Evidence) -> Verdict:
    """Whether near vectors have near targets, layer by layer, and beside the raw columns."""
    y = evidence.sampled_target
    if len(y) < _ENOUGH:
        raise NotApplicable(f"{len(y)} rows are too few to see how smooth the target is.")
    target = np.eye(int(y.max()) + 1)[y] if evidence.task == "classification" else y
    own = neighbor_ratio(_read(evidence), target)
    mean, error = mean_and_error(own)
    features = evidence.sampled
    value: dict[str, Any] = {
        "ratio": mean,
        "layers": {
            layer: float(neighbor_ratio(one.features(features), target).mean())
            for layer, one in evidence.layers.items()
        },
    }
    if mean + 2 * error >= 1 and mean > 0.95:
        return issue(
            f"Neighbors are as far apart in the target as any two rows (ratio {mean:.2f} ± {error:.2f}): near vectors do not "
            "have near targets.",
            value,
        )
    found = f"Neighbors differ in the target by {mean:.2f} ± {error:.2f} of what any two rows differ by."
    if evidence.task == "regression" and evidence.rows.table.num_columns > 1:
        gaps = layer_gaps(evidence)
        gap = gaps["read"]
        value["gap"] = {"z": gap.gap, "lower": gap.lower, "upper": gap.upper}
        value["gap"]["layers"] = {layer: own.gap for layer, own in gaps.items() if layer != "read"}
        if gap.upper < 0:
            return tip(
                f"{found} The target is smoother over the raw columns (Z = {gap.gap:.2f}, {gap.lower:.2f} to {gap.upper:.2f}): "
                "learn on them as well.",
                value,
            )
    return passed(found, value)


def best_layer(evidence: Evidence) -> Verdict:
    """Whether another layer alone would have served better than what is read."""
    singles = layer_trials(evidence)
    if len(singles) < 2:
        raise NotApplicable("There is one layer only.")
    own = evidence.trial(evidence.read)
    name = min(singles, key=lambda layer: float(singles[layer].losses.mean()))
    value = {"best": name, "loss": {layer: float(trial.losses.mean()) for layer, trial in singles.items()}}
    behind, error = own.behind(singles[name])
    if behind <= 2 * error:
        return passed(f"What is read is as good as the best single layer ({name}).", value)
    message = f"Layer {name} alone is better than what is read: its loss is lower by {behind:.3f} ± {error:.3f}."
    return (issue if behind >= 0.1 * float(own.losses.mean()) else tip)(message, value)


def layer_trials(evidence: Evidence) -> dict[str, Trial]:
    """A linear head on each layer alone, cross-validated."""
    return {layer: evidence.trial(one) for layer, one in evidence.layers.items()}


def layer_gaps(evidence: Evidence) -> dict[str, SmoothnessGap]:
    """Z of what is read and of each layer against the raw columns; regression only."""
    features, raw = evidence.sampled, evidence.raw[evidence.sample]
    y = evidence.sampled_target
    vectors = {"read": _read(evidence)} | {layer: one.features(features) for layer, one in evidence.layers.items()}
    wanted = vectors if len(features.taps) > 1 else {"read": vectors["read"]}
    return {name: table_smoothness_gap(raw, Z, y, n_boot=200, seed=evidence.seed) for name, Z in wanted.items()}


def cka(A: NDArray[Any], B: NDArray[Any]) -> float:
    """Linear centered kernel alignment: 1 where one set of vectors is the other, turned and scaled.

    Parameters
    ----------
    A : array of shape (n, F)
    B : array of shape (n, G)

    Returns
    -------
    float
        From 0 to 1; 0 where either does not vary.

    References
    ----------
    Kornblith et al., 2019, arXiv 1905.00414, section 3.
    """
    a, b = (np.asarray(M, dtype=np.float64) - np.mean(M, axis=0, dtype=np.float64) for M in (A, B))
    K, L = a @ a.T, b @ b.T
    size = float(np.linalg.norm(K) * np.linalg.norm(L))
    return float((K * L).sum()) / size if size > 0 else 0.0


def _gains(evidence: Evidence, taps: list[Any]) -> dict[str, tuple[float, float]]:
    """By how much the loss falls when each layer joins those above it, and the error of that."""
    gains = {}
    above = evidence.trial(Candidate((taps[-1],), "concat", evidence.read.pooling))
    for i in range(len(taps) - 2, -1, -1):
        joined = evidence.trial(Candidate(tuple(taps[i:]), "concat", evidence.read.pooling))
        gain, error = above.behind(joined)
        gains[layer_name(taps[i])] = gain, error
        above = joined
    return gains


def _read(evidence: Evidence) -> NDArray[np.float32]:
    return evidence.read.features(evidence.sampled)


CHECKS = (
    Check("FRL201", "Non-finite vectors", non_finite),
    Check("FRL202", "Collapsed vectors", collapse),
    Check("FRL203", "Anisotropic vectors", anisotropy),
    Check("FRL204", "Dead dimensions", dead_dimensions),
    Check("FRL205", "Redundant layers", redundant_layers),
    Check("FRL206", "Smoothness of the target", smoothness),
    Check("FRL207", "Best layer", best_layer),
)
