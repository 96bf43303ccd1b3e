"""What a cell computes: a head's scores, the smoothness of a target over vectors, how distances are warped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from frostline.baselines import RawColumns, boosting
from frostline.heads import KernelRegressor, LinearRegressor, MLPRegressor, fit_head, make_head
from frostline.numerics.metrics import regression_metrics, table_smoothness_gap
from frostline.numerics.smoothness import nlfd
from frostline.studies.regression.problems import Inputs, Problem

__all__ = ["HEADS", "measure_smoothness", "plane", "score", "warp_inputs", "warp_of"]

Floats = NDArray[np.float64]

HEADS = ("mlp", "boosting", "ridge", "kernel")
_QUICK_SWEEP: Mapping[str, Any] = {"lrs": (5e-4, 5e-3), "weight_decays": (0.0, 0.1), "epochs": 150, "patience": 15}
_RADII = 16
_DIRECTIONS = 4


def _make(head: str, seed: int, quick: bool) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "mlp": lambda: MLPRegressor(seed=seed, **(_QUICK_SWEEP if quick else {})),
        "boosting": lambda: make_head("boosting", "regression", seed),
        "ridge": lambda: LinearRegressor(seed=seed),
        "kernel": lambda: KernelRegressor(seed=seed),
    }
    return makers[head]()


def score(problem: Problem, X: NDArray[Any] | None, head: str, *, quick: bool, share: float = 1.0) -> dict[str, Any]:
    """Fit a head on the rows to learn from and score it on the test rows.

    Parameters
    ----------
    problem : Problem
    X : array of shape (n, F), or None
        Vectors; None = the columns as trees take them, with categories and gaps.
    head : str
        One of :data:`HEADS`.
    quick : bool
        Whether the MLP sweeps over 4 settings and up to 150 epochs, instead of the paper's 15 and 300.
    share : float, default=1.0
        Learn from the first rows only, this share of all and at least 20.

    Returns
    -------
    dict
        Metrics of :func:`frostline.metrics.regression_metrics`, ``n_train``, ``n_test``, ``fit_seconds``.
    """
    inputs, y = problem.inputs, problem.y
    rows = inputs.fit[: max(20, round(share * len(inputs.fit)))]
    began = time.perf_counter()
    if X is None:
        encoder = RawColumns().fit(inputs.table.take(rows))
        X, model = encoder.transform(inputs.table), boosting("regression", y, encoder.categorical_, problem.repetition)
    else:
        model = _make(head, problem.repetition, quick)
    with threadpool_limits(1, user_api="openmp") if head == "boosting" else contextlib.nullcontext():
        fit_head(model, X[rows], y[rows], inputs.groups[rows])
        predicted = np.asarray(model.predict(X[inputs.test]), dtype=np.float64)
    found = regression_metrics(y[inputs.test], predicted)
    seconds = round(time.perf_counter() - began, 3)
    return {**found, "n_train": len(rows), "n_test": len(inputs.test), "fit_seconds": seconds}


def measure_smoothness(problem: Problem, X: NDArray[Any], baseline: NDArray[Any] | None = None) -> dict[str, Any]:
    """Lipschitz factors of the target, brought to variance 1, over all rows.

    Parameters
    ----------
    problem : Problem
    X : array of shape (n, F)
    baseline : array of shape (n, G), optional
        Raw columns, for the gap of a table that cannot be queried anew: several neighbors and an interval.

    Returns
    -------
    dict
        ``multiply`` and ``divide``: mean and standard deviation of the factors so scaled; ``factors``, multiplied, to three
        digits; with a baseline ``gap``.
    """
    factors = nlfd(X, problem.y, standardize_y=True)
    literal = nlfd(X, problem.y, standardize_y=True, scaling="divide")
    found: dict[str, Any] = {
        "multiply": [float(factors.mean()), float(factors.std())],
        "divide": [float(literal.mean()), float(literal.std())],
        "factors": [float(f"{factor:.3g}") for factor in factors],
    }
    if baseline is None:
        return found
    gap = table_smoothness_gap(baseline, X, problem.y, n_boot=200, seed=problem.repetition)
    return {**found, "gap": [gap.gap, gap.lower, gap.upper]}


def warp_inputs(dof: int, repetition: int, make: Callable[[Floats], Inputs]) -> tuple[Inputs, Floats]:
    """A reference point, and points at growing distances from it in several directions, all within the box.

    Parameters
    ----------
    dof : int
    repetition : int
    make : callable
        Makes inputs of points of shape (n, dof).

    Returns
    -------
    inputs : Inputs
        The reference point first.
    radii : float64 array of shape (n - 1,)
        Distances to it, as shares of the largest.
    """
    rng = np.random.default_rng([1, dof, repetition])
    center = rng.uniform(-1, 1, dof)
    shares = np.tile(np.linspace(1 / _RADII, 1, _RADII), _DIRECTIONS)
    directions = np.repeat(rng.choice([-4.0, 4.0], (_DIRECTIONS, dof)), _RADII, axis=0)
    return make(np.vstack([center, center + shares[:, None] * directions])), shares


def warp_of(X: NDArray[Any], radii: Floats) -> dict[str, Any]:
    """How far vectors lie from the first one, beside how far the points do.

    Parameters
    ----------
    X : array of shape (n, F)
    radii : array of shape (n - 1,)

    Returns
    -------
    dict
        ``radii`` and ``distances``, each as shares of the largest; ``spearman``; ``linear_r2``, how much of the distances a
        straight line through the origin explains; ``plane``, see :func:`plane`.
    """
    Z = np.asarray(X, dtype=np.float64)
    apart = np.linalg.norm(Z[1:] - Z[0], axis=1)
    apart = apart / apart.max()
    slope = float(radii @ apart / (radii @ radii))
    unexplained = float(((apart - slope * radii) ** 2).sum() / ((apart - apart.mean()) ** 2).sum())
    return {
        "radii": radii.tolist(),
        "distances": apart.tolist(),
        "spearman": float(stats.spearmanr(radii, apart)[0]),
        "linear_r2": 1 - unexplained,
        **plane(Z),
    }


def plane(X: NDArray[Any]) -> dict[str, Any]:
    """Rows on their first two principal axes, and the share of the variance that these hold."""
    Z = np.asarray(X, dtype=np.float64)
    Z = Z - Z.mean(axis=0)
    U, s, _ = np.linalg.svd(Z, full_matrices=False)
    signs = np.sign(U[np.abs(U[:, :2]).argmax(axis=0), [0, 1]])  # the sign of an axis is arbitrary: fix it
    points = U[:, :2] * s[:2] * signs / s[0]
    return {"plane": np.round(points, 5).tolist(), "share": float((s[:2] ** 2).sum() / (s**2).sum())}
