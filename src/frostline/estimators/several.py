"""Several targets: a regressor for each of them, over features that are read once for all."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frostline.candidates import union
from frostline.embedder import layers_of
from frostline.errors import UserError
from frostline.estimators.reading import whole_embedder
from frostline.features import Features, PlainTexts
from frostline.rendering import RowReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frostline.estimators.regressor import TextRegressor

__all__ = ["fit_each", "gather", "reader_of_each", "refuse_several"]


def fit_each(estimator: TextRegressor, features: Features, y: NDArray[np.float64], groups: Any) -> None:
    """Fit a regressor for each target, with the settings of `estimator`, and keep them in it.

    Parameters
    ----------
    estimator : TextRegressor
        Prepared: it knows its columns.
    features : Features
        Of the n rows.
    y : float64 array of shape (n, n_targets)
    groups : sequence of length n, or None
    """
    parts = [copy(estimator).fit_features(features, column, groups) for column in y.T]
    estimator.n_train_, estimator.target_ = len(y), None
    gather(estimator, parts)
    varied = [part.cv_metrics_ for part, spread in zip(parts, np.ptp(y, axis=0), strict=True) if spread > 0]
    known = varied or [part.cv_metrics_ for part in parts]  # whoever knows a constant has learnt nothing
    names = known[0] if all(known) else {}
    estimator.cv_metrics_ = {name: float(np.mean([one[name] for one in known])) for name in names}


def gather(estimator: TextRegressor, parts: Sequence[TextRegressor]) -> None:
    """Let `estimator` stand for several fitted ones, each of its own target."""
    estimator.each_ = list(parts)
    estimator.arms_ = [arm for part in parts for arm in part.arms_]
    estimator.pool_, estimator.intervals_, estimator.rows_, estimator.fold_heads_ = None, None, None, []
    estimator.selection_ = []
    reading = [part for part in parts if part.embedding_ is not None]
    estimator.layers_ = layers_of(_taps(reading)) if reading else []
    estimator.backbones_ = reading[0].backbones_ if reading else []
    estimator.embedder_ = whole_embedder(estimator.embedder_)


def reader_of_each(estimator: TextRegressor) -> RowReader:
    """What reads everything that the regressors of all targets read, in one pass.

    Raises
    ------
    ArtifactError
        The backbone found now is not the one of the fit.
    """
    reading = [part for part in estimator.each_ if part.embedding_ is not None]
    for part in reading:
        part.extractor()  # refuses a backbone that has changed
    if not reading:
        return RowReader(PlainTexts())
    fields = [arm.fields for part in reading for arm in part.arms_ if arm.fields is not None]
    columns = tuple(dict.fromkeys(name for one in fields for name in one.columns))
    cells = estimator.embedder_.extractor(list(dict.fromkeys(one.tap for one in fields))) if fields else None
    return RowReader(estimator.embedder_.extractor(_taps(reading)), cells, columns)


def refuse_several(estimator: Any, what: str) -> None:
    """Refuse what is answered for one target only.

    Raises
    ------
    UserError
    """
    if each := getattr(estimator, "each_", ()):
        raise UserError(
            f"This predictor has {len(each)} targets, and {what} is of one target.",
            hint="ask the regressor of one target: est.each_[0]",
        )


def _taps(parts: Sequence[TextRegressor]) -> list[Any]:
    found = [part.embedding_.candidate for part in parts if part.embedding_ is not None]
    return union([candidate for candidate in found if candidate is not None])
