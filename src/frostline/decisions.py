"""From class probabilities to a label: the least expected cost, a threshold for one label, or no answer at all.

Probabilities stay what they are; only what is done with them changes. Everything that is chosen is chosen on
out-of-fold predictions of the training rows.

References
----------
Elkan, 2001, The foundations of cost-sensitive learning, IJCAI (expected cost). Chow, 1970, IEEE TIT 16 (the option to
reject). Geifman and El-Yaniv, 2017, arXiv 1705.08500, and Angelopoulos et al., 2021, arXiv 2110.01052 (a guaranteed
risk on the rows that are kept); we test a fixed grid of coverages and share the level out among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FloatArray
from frostline.errors import UserError, nearest
from frostline.numerics.proportions import lower_bound

__all__ = ["Cutoff", "Decided", "Decision", "Rule", "by_label", "check_decision", "find_cutoff", "make_rule"]

Doubles = NDArray[np.float64]

COVERAGES = np.arange(20, 0, -1) / 20
"""Shares of rows to keep that are tested for a precision; the level of the guarantee is divided by their number."""


@dataclass(frozen=True)
class Decision:
    """How probabilities become labels; at most one of `cost` and `threshold`.

    Parameters
    ----------
    cost : array of shape (n_classes, n_classes) or mapping, default=None
        What it costs to predict column j where row i is true, in the order of ``classes_``; or ``{true: {predicted: cost}}``,
        where pairs that are left out cost 1 and right answers 0. The label of least expected cost is predicted.
    threshold : mapping of one label to a number or "f1", default=None
        Predict this label wherever it is at least so probable, else the most probable other one; ``"f1"`` = where its
        out-of-fold F1 is highest. For rows with sets of labels: of any labels, or one value for all.
    precision : float, default=None
        Answer only where that many of the answers will be right; other rows are abstained from.
    level : float, default=0.95
        How sure that precision is.
    """

    cost: Any = None
    threshold: Mapping[Any, float | str] | float | str | None = None
    precision: float | None = None
    level: float = 0.95


@dataclass(frozen=True)
class Cutoff:
    """The confidence below which no answer is given, and what it rests on.

    Parameters
    ----------
    precision, level : float
        As asked.
    confidence : float
        Smallest probability of the predicted label that counts as an answer.
    n, kept, right : int
        Out-of-fold rows, those that were answered, and those answered rightly.
    bound : float
        What the true precision is at least, with probability `level`.
    """

    precision: float
    level: float
    confidence: float
    n: int
    kept: int
    right: int
    bound: float


@dataclass(frozen=True, eq=False)
class Decided:
    """What was decided for n rows.

    Attributes
    ----------
    labels : array of shape (n,)
        Also of rows that were abstained from.
    confidence : float array of shape (n,) or None
        Probability of the label; None of a head without probabilities.
    abstained : bool array of shape (n,)
    """

    labels: NDArray[Any]
    confidence: FloatArray | None
    abstained: NDArray[np.bool_]

    @property
    def answers(self) -> NDArray[Any]:
        """The labels, with None where no answer is given."""
        if not self.abstained.any():
            return self.labels
        answers = self.labels.astype(object)
        answers[self.abstained] = None
        return answers


@dataclass(frozen=True, eq=False)
class Rule:
    """A decision for known classes.

    Parameters
    ----------
    cost : float array of shape (n_classes, n_classes), optional
    label, threshold : int and float, optional
        Class number and the least probability at which it is predicted.
    cutoff : Cutoff, optional
    """

    cost: Doubles | None = None
    label: int | None = None
    threshold: float | None = None
    cutoff: Cutoff | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it just takes the most probable class."""
        return self.cost is None and self.label is None and self.cutoff is None

    def __call__(self, proba: FloatArray) -> NDArray[np.intp]:
        """Class numbers for probabilities of shape (n, n_classes)."""
        if self.cost is not None:
            return np.asarray((proba @ self.cost).argmin(axis=1))
        if self.label is None or self.threshold is None:
            return np.asarray(proba.argmax(axis=1))
        others = np.array(proba)
        others[:, self.label] = -1.0
        return np.where(proba[:, self.label] >= self.threshold, self.label, others.argmax(axis=1))

    def abstains(self, proba: FloatArray, codes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where no answer is given, shape (n,)."""
        if self.cutoff is None:
            return np.zeros(len(codes), dtype=bool)
        return np.asarray(proba[np.arange(len(codes)), codes] < self.cutoff.confidence)


def check_decision(decision: Any, classes: Sequence[Any] | None = None) -> None:
    """Refuse a decision that cannot be meant, before anything runs; with `classes` labels are checked too.

    Raises
    ------
    UserError
    """
    if decision is None:
        return
    if not isinstance(decision, Decision):
        raise UserError(
            f"decision must be a frostline.Decision or None, got {type(decision).__name__}.",
            hint="such as Decision(precision=0.95)",
        )
    if decision.cost is not None and decision.threshold is not None:
        raise UserError("Both a cost and a threshold are given; allowed is one of them.")
    for name in ("precision", "level"):
        value = getattr(decision, name)
        if value is not None and not 0 < value < 1:
            raise UserError(f"The {name} of a decision lies between 0 and 1, such as 0.95; got {value!r}.")
    if classes is not None:
        if decision.cost is not None:
            _cost_matrix(decision.cost, classes)
        if decision.threshold is not None:
            _one_threshold(decision.threshold, classes)


def by_label(mapping: Mapping[Any, Any], classes: Sequence[Any], what: str) -> dict[int, Any]:
    """Key a mapping by class number; a label is known by its value, or by its text where JSON has made it text.

    Raises
    ------
    UserError
        A label that is not among the classes.
    """
    texts = [str(label) for label in classes]
    found = {}
    for label, value in mapping.items():
        if label in classes:
            number = list(classes).index(label)
        elif isinstance(label, str) and texts.count(label) == 1:
            number = texts.index(label)
        else:
            raise UserError(
                f"{what} names the label {label!r}, which no training row has. Labels: {', '.join(texts[:20])}.",
                hint=nearest(str(label), texts) or None,
            )
        found[number] = value
    return found


def make_rule(
    decision: Decision | None,
    classes: Sequence[Any],
    class_weight: Doubles | None,
    codes: NDArray[np.intp],
    proba: FloatArray,
) -> Rule:
    """Choose what a decision leaves open on out-of-fold predictions.

    Parameters
    ----------
    decision : Decision or None
    classes : sequence of labels
    class_weight : array of shape (n_classes,) or None
        Without a cost or threshold, an error on a row of class i costs weight i: the weights' meaning.
    codes : int array of shape (n,)
        True classes of rows that were held out.
    proba : array of shape (n, n_classes)
        What was predicted for them.

    Returns
    -------
    Rule

    Raises
    ------
    UserError
        Nothing was held out, or no confidence reaches the precision.
    """
    decision = decision or Decision()
    rule = Rule()
    if decision.cost is not None:
        rule = Rule(cost=_cost_matrix(decision.cost, classes))
    elif decision.threshold is not None:
        label, threshold = _one_threshold(decision.threshold, classes)
        if threshold == "f1":
            _require_rows(codes, "A threshold of highest F1")
            threshold = best_f1(proba[:, label], codes == label)
        rule = Rule(label=label, threshold=float(threshold))
    elif class_weight is not None:
        rule = Rule(cost=class_weight[:, None] * (1 - np.eye(len(classes))))
    if decision.precision is None:
        return rule
    _require_rows(codes, f"Precision {decision.precision:g}")
    predicted = rule(proba)
    confidence = proba[np.arange(len(codes)), predicted]
    cutoff = find_cutoff(confidence, predicted == codes, decision.precision, decision.level)
    return Rule(rule.cost, rule.label, rule.threshold, cutoff)


def find_cutoff(confidence: FloatArray, right: NDArray[np.bool_], precision: float, level: float) -> Cutoff:
    """The lowest confidence at which answers have a guaranteed precision.

    The most confident 100 %, 95 %, ... 5 % of the rows are tested, each by the exact binomial bound at 1 - (1 - level) / 20,
    so that with probability `level` every bound holds (Bonferroni) and the largest share may be taken. Rows count as
    independent draws, and as predicted by the model that is kept; out-of-fold models saw fewer rows, so in practice they
    err a little more than it.

    Parameters
    ----------
    confidence : array of shape (n,)
        Probability of the predicted label.
    right : bool array of shape (n,)
        Whether it is the true one.
    precision, level : float

    Returns
    -------
    Cutoff

    Raises
    ------
    UserError
        No share reaches it.
    """
    ranked, n = np.sort(confidence)[::-1], len(confidence)
    bounds = []
    for share in COVERAGES:
        at = float(ranked[max(1, round(share * n)) - 1])
        kept, hits = int((confidence >= at).sum()), int(right[confidence >= at].sum())
        bound = lower_bound(hits, kept, 1 - (1 - level) / len(COVERAGES))
        if bound >= precision:
            return Cutoff(precision, level, at, n, kept, hits, bound)
        bounds.append((bound, kept / n))
    best, share = max(bounds)
    raise UserError(
        f"No confidence reaches precision {precision:g} with {level:.0%} certainty on the {n} out-of-fold predictions: "
        f"the best bound is {best:.3f}, with {share:.0%} of the rows answered.",
        hint=f"ask for at most {int(best * 1000) / 1000:g}, or give more rows" if best > 0 else "give more rows",
    )


def best_f1(proba: FloatArray, positive: NDArray[np.bool_]) -> float:
    """The threshold of highest F1 among midpoints between neighboring probabilities.

    Parameters
    ----------
    proba : array of shape (n,)
    positive : bool array of shape (n,)

    Returns
    -------
    float
    """
    order = np.argsort(-proba, kind="stable")
    ranked = proba[order]
    score = 2 * np.cumsum(positive[order]) / (np.arange(1, len(ranked) + 1) + max(1, int(positive.sum())))
    ends = np.append(ranked[1:] < ranked[:-1], True)  # rows of equal probability are taken together
    last = int(np.where(ends, score, -1.0).argmax())
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)


def _require_rows(codes: NDArray[np.intp], what: str) -> None:
    if not len(codes):
        raise UserError(
            f"{what} is chosen on out-of-fold predictions, and these training rows allow none.", hint="give more rows"
        )


def _cost_matrix(cost: Any, classes: Sequence[Any]) -> Doubles:
    k = len(classes)
    if isinstance(cost, Mapping):
        matrix = 1 - np.eye(k)
        for i, row in by_label(cost, classes, "cost").items():
            if not isinstance(row, Mapping):
                raise UserError(f"The cost of true {classes[i]!r} must be {{predicted: cost}}, got {row!r}.")
            for j, value in by_label(row, classes, "cost").items():
                matrix[i, j] = _number(value)
    else:
        rows = [list(row) if isinstance(row, Iterable) and not isinstance(row, str) else [row] for row in cost]
        if [len(row) for row in rows] != [k] * k:
            raise UserError(
                f"The cost must be a matrix of shape ({k}, {k}), true by predicted, got {len(rows)} rows of "
                f"{sorted({len(row) for row in rows})} numbers.",
                hint=f"the order is {', '.join(map(str, classes[:20]))}; or write {{true: {{predicted: cost}}}}",
            )
        matrix = np.array([[_number(value) for value in row] for row in rows])
    return np.asarray(matrix, dtype=np.float64)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise UserError(f"A cost must be a number, got {value!r}.")
    return float(value)


def _one_threshold(threshold: Any, classes: Sequence[Any]) -> tuple[int, float | str]:
    if not isinstance(threshold, Mapping) or len(threshold) != 1:
        raise UserError(
            f"The threshold must name one label, such as {{{classes[-1]!r}: 0.3}}, got {threshold!r}.",
            hint="for several labels give a cost instead",
        )
    ((label, value),) = by_label(threshold, classes, "threshold").items()
    if value != "f1" and (isinstance(value, bool | str) or not 0 <= float(value) <= 1):
        raise UserError(f"A threshold lies between 0 and 1, or is 'f1'; got {value!r}.")
    return label, value
