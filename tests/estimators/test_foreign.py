from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from frostline.errors import ArtifactError, UserError
from frostline.estimators.foreign import dump_foreign, load_foreign

X, y = make_classification(80, 6, random_state=0)


@pytest.mark.parametrize(
    "head",
    [
        RandomForestClassifier(5), HistGradientBoostingRegressor(max_iter=3), SVC(), KNeighborsClassifier(), GaussianNB(),
        CalibratedClassifierCV(LinearSVC()), make_pipeline(StandardScaler(), PCA(3), Ridge()),
        GridSearchCV(Ridge(), {"alpha": [1, 2]}), GaussianProcessRegressor(),
    ],
    ids=lambda head: type(head).__name__,
)  # fmt: skip
def test_round_trip(head):
    head.fit(X, y)
    np.testing.assert_array_equal(load_foreign(dump_foreign(head)).predict(X), head.predict(X))


class Mine(BaseEstimator):
    def __setstate__(self, state):
        raise RuntimeError("code ran")


def test_types_outside_the_list_are_refused_both_ways():
    for head in (Mine(), make_pipeline(FunctionTransformer(np.fft.fft), Ridge())):
        with pytest.raises(UserError, match="not trusted|without pickle"):
            dump_foreign(head)
    blob = np.frombuffer(skops.io.dumps(Mine()), dtype=np.uint8)
    with pytest.raises(ArtifactError, match="Mine"):
        load_foreign(blob)
