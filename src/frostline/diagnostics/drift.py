"""FRL308: whether rows come from where the others came from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import stats

from frostline.contracts import FloatArray
from frostline.diagnostics.evidence import Evidence, raw_matrix
from frostline.diagnostics.model import NotApplicable, Verdict, issue, passed

__all__ = ["drift", "two_sample_test"]

ALPHA = 0.01
"""Chance of calling drift what is none: half of it is spent on the vectors, half on all columns together."""

ROWS = 500
"""Rows of each side that the test of vectors looks at."""

_FEWEST = 20
_MANY = 30  # distinct values from which a column is compared as numbers or lengths


def drift(evidence: Evidence) -> Verdict:
    """A two-sample test on the vectors, and one on each column, at a stated rate of false alarms in all."""
    here, there = evidence.rows, evidence.against
    if min(len(here), len(there)) < _FEWEST:
        raise NotApplicable(f"Both sides need {_FEWEST} rows; got {len(here)} and {len(there)}.")
    A: FloatArray
    B: FloatArray
    if evidence.reader is None:
        A, B = (raw_matrix(table, here.table, evidence.seed) for table in (here.table, there.table))
    else:
        A, B = (evidence.read.features(evidence.features(part)) for part in (here, there))
    chance = two_sample_test(A, B, seed=evidence.seed)
    columns = {
        name: _column_test(here.table.column(name), there.table.column(name))
        for name in here.table.column_names
        if name in there.table.column_names
    }
    moved = sorted((p, name) for name, p in columns.items() if p * len(columns) <= ALPHA / 2)
    value = {"p_vectors": chance, "p_columns": columns, "alpha": ALPHA}
    if chance > ALPHA / 2 and not moved:
        return passed(
            f"{len(there)} rows look like the {len(here)} others (p = {chance:.3f}; no column moved; false alarms: 1 in "
            f"{1 / ALPHA:.0f}).",
            value,
        )
    what = ["the vectors"] if chance <= ALPHA / 2 else []
    what += [f"{name} (p = {p:.1e})" for p, name in moved[:5]]
    return issue(
        f"The rows have drifted: {', '.join(what)}. Rows that have not are called so once in {1 / ALPHA:.0f} runs.",
        value,
    )


def two_sample_test(A: FloatArray, B: FloatArray, *, n_draws: int = 999, seed: int = 0) -> float:
    """Probability, were both samples of one kind, of so large a difference: maximum mean discrepancy under permutations.

    Parameters
    ----------
    A : array of shape (n, F)
    B : array of shape (m, F)
    n_draws : int, default=999
        Permutations; the smallest probability is 1 / (n_draws + 1).
    seed : int, default=0
        Of the permutations, and of the rows drawn where there are more than 500 on a side.

    Returns
    -------
    float
        Uniform, or a little larger, where there is no difference: exact at any sample size, since rows are exchangeable then.

    References
    ----------
    Gretton et al., 2012, JMLR 13 (kernel two-sample test), with a Gaussian kernel at the median distance.
    """
    rng = np.random.default_rng(seed)
    A, B = (M[rng.permutation(len(M))[:ROWS]] if len(M) > ROWS else M for M in (A, B))
    Z = np.concatenate([A, B]).astype(np.float64)
    spread = Z.std(axis=0)
    Z = (Z - Z.mean(axis=0)) / np.where(spread > 0, spread, 1)
    norms = np.einsum("nf,nf->n", Z, Z)
    squared = np.maximum(norms[:, None] + norms - 2 * Z @ Z.T, 0)
    off = squared[~np.eye(len(Z), dtype=bool)]
    K = np.exp(-squared / max(float(np.median(off)), 1e-300))
    weights = np.concatenate([np.full(len(A), 1 / len(A)), np.full(len(B), -1 / len(B))])
    W = np.column_stack([weights, *(rng.permutation(weights) for _ in range(n_draws))])
    found = np.einsum("nd,nd->d", W, K @ W)
    return float((found[0] <= found * (1 + 1e-12) + 1e-15).mean())


def _column_test(a: pa.ChunkedArray, b: pa.ChunkedArray) -> float:
    """Kolmogorov and Smirnov for numbers and lengths of texts, chi-square for categories; missing values are a category."""
    left, right = a.to_pylist(), b.to_pylist()
    known = [[v for v in values if v is not None and v == v] for values in (left, right)]
    both = [*known[0], *known[1]]
    if not both:
        return 1.0
    if len(set(map(repr, both))) >= _MANY and all(known):
        is_number = all(isinstance(v, int | float) for v in both)
        samples = [[float(v) if is_number else float(len(str(v))) for v in values] for values in known]
        found = float(stats.ks_2samp(*samples).pvalue)
        absent = [[v is None or v != v for v in values] for values in (left, right)]
        return min(1.0, 2 * min(found, _counts_test(*absent))) if any(map(any, absent)) else found
    return _counts_test([repr(v) for v in left], [repr(v) for v in right])


def _counts_test(left: list[object], right: list[object]) -> float:
    """Chi-square of two lists of categories, rare ones taken together so that its approximation holds."""
    names = sorted({*map(str, left), *map(str, right)})
    table = np.array(
        [[sum(str(v) == name for v in side) for name in names] for side in (left, right)], dtype=np.float64
    )
    rare = (table.sum(axis=0) * table.sum(axis=1).min() / table.sum()) < 5
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    table = table[:, table.sum(axis=0) > 0]
    return float(stats.chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
