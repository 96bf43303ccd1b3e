"""scikit-learn's own estimators as heads, to bytes and back without pickle.

skops writes an estimator as JSON and arrays and trusts scikit-learn's public types. The private ones that popular
estimators hold besides are listed here by name, after looking at what each does when it is built: none runs code that a
file could choose. Any other type is refused, on saving and on loading.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray

from frostline.errors import ArtifactError, UserError

__all__ = ["TRUSTED", "dump_foreign", "load_foreign"]

TRUSTED = frozenset(
    {
        "frostline.baselines.trees.TreesClassifier",
        "frostline.baselines.trees.TreesRegressor",
        "functools.partial",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._dist_metrics.EuclideanDistance32",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils.validation.check_array",
    }
)
"""Types that a head may hold besides those that skops trusts by itself. A partial runs nothing when it is built, and the
function that it would call has to be trusted under its own name."""


def dump_foreign(head: Any) -> NDArray[np.uint8]:
    """Write an estimator as bytes in an array, so that it fits into the safetensors file.

    Raises
    ------
    UserError
        It holds a type that is not trusted, or that skops cannot write.
    """
    name = type(head).__name__
    try:
        blob: bytes = skops.io.dumps(head)
    except Exception as error:
        # skops raises whatever the foreign object's own attributes raise.
        raise UserError(
            f"The head {name} cannot be saved without pickle: {type(error).__name__}: {error}.",
            hint="use 'linear', 'mlp' or a plain scikit-learn estimator as the head",
        ) from error
    if strange := _strange(blob):
        raise UserError(
            f"The head {name} cannot be saved: it holds types that are not trusted on loading: {', '.join(strange)}.",
            hint="use 'linear', 'mlp' or a plain scikit-learn estimator as the head",
        )
    return np.frombuffer(blob, dtype=np.uint8)


def load_foreign(array: NDArray[np.uint8]) -> Any:
    """Read an estimator back.

    Raises
    ------
    ArtifactError
        The bytes hold a type that is not trusted.
    """
    blob = array.tobytes()
    if strange := _strange(blob):
        raise ArtifactError(f"The head holds types that are not trusted: {', '.join(strange)}.", hint="fit again")
    return skops.io.loads(blob, trusted=sorted(TRUSTED))


def _strange(blob: bytes) -> list[str]:
    return sorted(set(skops.io.get_untrusted_types(data=blob)) - TRUSTED)
