"""Targets that are missing: refused by default, left out when asked, never taken for a class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fakes import tiny_bert
from frostline import TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.estimators.labeled import labeled_rows, missing_rows


@pytest.fixture
def embedder(tmp_path, store_path):
    return TextEmbedder(str(tiny_bert(tmp_path / "m")), store=store_path, progress=False)


def rows(n=40):
    rng = np.random.default_rng(0)
    y = [("good", "bad")[i % 2] for i in range(n)]
    letters = {"good": list("abcde "), "bad": list("vwxyz ")}
    return ["".join(rng.choice(letters[label], 12)) + f"{i}" for i, label in enumerate(y)], y


def with_gaps(y, kind):
    y = [None if i % 4 == 3 else label for i, label in enumerate(y)]
    if kind == "nan in a list":
        return [float("nan") if label is None else label for label in y]
    return {"list": y, "series": pd.Series(y), "array": np.array(y, dtype=object), "NA": pd.array(y, dtype="string")}[
        kind
    ]


@pytest.mark.parametrize("kind", ["list", "nan in a list", "series", "array", "NA"])
def test_left_out_or_refused(embedder, kind):
    texts, y = rows()
    y = with_gaps(y, kind)
    with pytest.raises(UserError, match="10 of 40 targets are missing .* the first in row 3"):
        TextClassifier(embedder=embedder).fit(texts, y)
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y, unlabeled="skip")
    assert (clf.n_unlabeled_, clf.n_train_) == (10, 30)
    assert clf.classes_.tolist() == ["bad", "good"]
    kept = [i for i in range(40) if i % 4 != 3]
    plain = TextClassifier(embedder=embedder, features="embedding").fit([texts[i] for i in kept], [y[i] for i in kept])
    np.testing.assert_array_equal(plain.predict_proba(texts), clf.predict_proba(texts))
    assert [line[0] for line in clf.neighbors([texts[i] for i in kept], 1).rows] == kept


def test_numbers_and_groups(embedder):
    texts = rows()[0]
    y = np.arange(40.0)
    y[5:9] = np.nan
    reg = TextRegressor(embedder=embedder, features="embedding").fit(texts, y, list(range(40)), unlabeled="skip")
    assert (reg.n_unlabeled_, reg.n_train_) == (4, 36)
    assert TextRegressor(embedder=embedder).fit(texts, np.arange(40.0)).n_unlabeled_ == 0


def test_refused(embedder):
    texts, y = rows()
    with pytest.raises(UserError, match="None of the 40 rows"):
        TextClassifier(embedder=embedder).fit(texts, [None] * 40, unlabeled="skip")
    with pytest.raises(UserError, match="'error', 'skip'"):
        TextClassifier(embedder=embedder).fit(texts, y, unlabeled="drop")
    with pytest.raises(UserError, match="inconsistent numbers"):
        TextClassifier(embedder=embedder).fit(texts, y[:-1], unlabeled="skip")


def test_the_word_nan_is_a_label():
    assert missing_rows(["nan", "a"]).tolist() == []
    assert missing_rows(np.array(["nan", "a"])).tolist() == []
    assert labeled_rows(["nan", None], 2, "skip").tolist() == [0]
