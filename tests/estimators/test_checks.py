"""scikit-learn's own checks, with numbers written as strings; what cannot hold for strings is named below."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fakes import tiny_bert
from frostline import TextClassifier, TextEmbedder, TextRegressor

# "tiny" stands for a folder that the fixture makes: names of tests must not change from run to run.
EMBEDDER = TextEmbedder("tiny", progress=False)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    home = tmp_path_factory.mktemp("checks")
    return {"backbone": str(tiny_bert(home / "m", layers=1, width=8, window=192)), "store": str(home / "store")}


@parametrize_with_checks([EMBEDDER, TextClassifier(embedder=EMBEDDER), TextRegressor(embedder=EMBEDDER)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_compatible(estimator, check, places):
    prefix = "" if isinstance(estimator, TextEmbedder) else "embedder__"
    check(estimator.set_params(**{prefix + name: value for name, value in places.items()}))
