"""Small changes of rows: what moves, by how much, and what a predictor makes of another way of writing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import frostline
from fakes import tiny_bert
from frostline.diagnostics.evidence import Evidence
from frostline.diagnostics.perturb import Change, embedding_gradients, head_gradients, perturb, writing_matters
from frostline.diagnostics.readers import EmbedderReader, MatrixReader, make_part

from .cases import part

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3)) + 4
Y = 2 * X[:, 0] - X[:, 1]


def test_a_linear_model_moves_by_its_slope():
    fitted = LinearRegression().fit(X, Y)
    found = perturb(Evidence("regression", train=part(X, Y), estimator=fitted, reader=MatrixReader()), n_rows=80)
    by_name = {(change.change, change.column): change for change in found}
    assert set(by_name) == {(f"+{p} %", f"x{i}") for p in (1, 5, 20) for i in range(3)}
    one = by_name["+5 %", "x0"]
    assert one.prediction == pytest.approx(2 * 0.05 * X[:, 0].mean() / Y.std())
    assert by_name["+20 %", "x1"].prediction == pytest.approx(0.2 * X[:, 1].mean() / Y.std())
    assert by_name["+20 %", "x2"].prediction == pytest.approx(0, abs=1e-9)
    assert 0 < by_name["+1 %", "x0"].raw < one.raw < by_name["+20 %", "x0"].raw
    assert one.embedding == pytest.approx(4 * by_name["+5 %", "x0"].embedding / 4)
    assert one.n_rows == 80


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = str(tiny_bert(tmp_path_factory.mktemp("m") / "bert"))
    rows = [
        {"n": int(n), "kind": str(kind)}
        for n, kind in zip(rng.integers(1, 99, 60), rng.choice(list("abc"), 60), strict=True)
    ]
    y = np.array([row["n"] / 10 for row in rows])
    embedder = frostline.TextEmbedder(folder, layers="all", store=None, progress=False)
    fitted = frostline.TextRegressor(features="embedding", embedder=embedder).fit(rows, y)
    evidence = Evidence(
        "regression",
        train=make_part(rows, y, fitted, fitted.embedder_),
        estimator=fitted,
        reader=EmbedderReader(fitted.embedder_),
    )
    return fitted, evidence


def test_rows_that_are_only_written_otherwise(trained):
    _, evidence = trained
    found = perturb(evidence, n_rows=20)
    by_name = {change.change: change for change in found}
    assert set(by_name) == {"+1 %", "+5 %", "+20 %", "swapped", "keys reordered", "numbers scientific"}
    assert by_name["keys reordered"].raw == 0
    assert by_name["keys reordered"].embedding > 0
    assert by_name["keys reordered"].column is None
    assert by_name["swapped"].column == "kind"
    assert by_name["swapped"].raw > 0
    assert writing_matters(found).code == "FRL309"


def test_gradients_of_a_linear_head_are_its_coefficients(trained):
    fitted, evidence = trained
    found = head_gradients(evidence, n_rows=60)
    assert list(found) == ["0", "1", "final"]
    rows = evidence.features(evidence.rows)
    vectors = rows.columns.astype(np.float64)
    predicted = fitted.predict_features(rows)
    slope = np.linalg.lstsq(np.column_stack([vectors, np.ones(60)]), predicted, rcond=None)[0][:-1]
    np.testing.assert_allclose(vectors @ slope - (vectors @ slope).mean(), predicted - predicted.mean(), atol=1e-4)
    norms = np.linalg.norm((slope * vectors.std(axis=0)).reshape(3, -1), axis=1)
    np.testing.assert_allclose(list(found.values()), norms, rtol=0.25)


def test_gradients_of_the_embedding(trained):
    found = embedding_gradients(trained[1])
    assert list(found) == ["0", "1", "final"]
    assert all(value > 0 for value in found.values())


def test_what_hangs_on_writing_is_a_tip():
    real = Change("+20 %", "n", 9, 0.1, 0.1, 0.1)
    written = Change("keys reordered", None, 9, 0.5, 0.9, 0.0)
    assert writing_matters([real, written]).outcome == "tip"
    assert writing_matters([real, Change("keys reordered", None, 9, 0.5, 0.05, 0.0)]).outcome == "passed"
    assert writing_matters([real]).outcome == "not applicable"


def test_texts_have_nothing_to_change():
    with pytest.raises(frostline.UserError, match="one column"):
        perturb(Evidence("regression", train=part(["a b", "c d"], np.zeros(2))))
    with pytest.raises(frostline.UserError, match="No backbone"):
        embedding_gradients(Evidence("regression", train=part(X, Y), reader=MatrixReader()))
    with pytest.raises(frostline.UserError, match="Frostline's own"):
        head_gradients(Evidence("regression", train=part(X, Y), estimator=LinearRegression(), reader=MatrixReader()))
