"""The linear head for few rows: what it computes, and when it is taken."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from frostline.errors import UserError
from frostline.heads import LinearClassifier, UnitClassifier
from frostline.heads.blend import LogPool


@parametrize_with_checks([UnitClassifier()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def rows(n=60, n_classes=3, seed=0):
    """Two layers of width 4; the second one tells the classes apart, whatever its length."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    centers = np.eye(4)[:n_classes]
    second = (centers[y] + rng.normal(scale=0.3, size=(n, 4))) * rng.uniform(0.1, 10, size=(n, 1))
    return np.hstack([rng.normal(size=(n, 4)), second]), y


def units(X):
    return np.hstack([part / np.linalg.norm(part, axis=1, keepdims=True) for part in (X[:, :4], X[:, 4:])])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_a_weighted_product_of_two_regressions(n_classes):
    X, y = rows(n_classes=n_classes)
    head = UnitClassifier([[4, 4]]).fit(X, y)
    both = [LinearClassifier().fit(part, y) for part in (units(X), units(X)[:, 4:])]
    pool = LogPool.fit([one.oof_proba_ for one in both], y)
    expected = pool([both[0].predict_proba(units(X)), both[1].predict_proba(units(X)[:, 4:])])
    np.testing.assert_allclose(head.predict_proba(X), expected, atol=1e-4)  # a pool takes nothing for impossible
    np.testing.assert_allclose(head.oof_proba_, pool([one.oof_proba_ for one in both]))


def test_lengths_do_not_count():
    X, y = rows()
    head = UnitClassifier([[4], [4]]).fit(X, y)
    stretched = X * np.repeat(np.random.default_rng(1).uniform(0.01, 100, size=(len(X), 2)), 4, axis=1)
    np.testing.assert_allclose(head.predict_proba(stretched), head.predict_proba(X), atol=1e-9)
    plain = LinearClassifier().fit(X, y)
    assert np.abs(plain.predict_proba(stretched) - plain.predict_proba(X)).max() > 0.1


def test_one_layer_has_nothing_to_join():
    X, y = rows()
    head, plain = UnitClassifier().fit(X, y), LinearClassifier()
    plain.fit(X / np.linalg.norm(X, axis=1, keepdims=True), y)
    weight = head.coef_[0, 0] / plain.coef_[0, 0]  # calibrated
    np.testing.assert_allclose(head.coef_, weight * plain.coef_)
    assert weight > 0


def test_the_last_layer_of_each_backbone_is_looked_at_alone():
    X, y = rows()
    joined, apart = (UnitClassifier(layers).fit(X, y) for layers in ([[4, 4]], [[4], [4]]))
    assert not np.allclose(joined.coef_, apart.coef_)  # two backbones of one layer each have no other layers


def test_rows_that_allow_no_folds_and_vectors_of_zeros():
    head = UnitClassifier([[1, 2]]).fit(np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]]), ["a", "b"])
    assert not hasattr(head, "oof_proba_")
    assert head.predict([[0, 1, 2], [1, 0, 0]]).tolist() == ["a", "b"]
    assert np.isfinite(head.predict_proba(np.zeros((1, 3)))).all()
    assert head.tune(np.eye(3)[:2], ["a", "b"]) is None


def test_tuning_holds_all_rows_out():
    X, y = rows()
    found, proba = UnitClassifier([[4, 4]]).tune(X, y)
    assert found.tolist() == list(range(60))
    np.testing.assert_array_equal(proba, UnitClassifier([[4, 4]]).fit(X, y).oof_proba_)


def test_saved_and_restored():
    X, y = rows()
    head = UnitClassifier([[4, 4]]).fit(X, y)
    again = UnitClassifier.from_state(*head.get_state())
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.layers == [[4, 4]]


def test_layers_that_do_not_fit():
    X, y = rows()
    with pytest.raises(UserError, match=r"\[\[4, 5\]\] do not add up to the 8 columns"):
        UnitClassifier([[4, 5]]).fit(X, y)
