"""Several targets: what each regressor would say alone, over features that are read once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import frostline
from fakes import tiny_bert
from frostline.embedder import TextEmbedder
from frostline.errors import UserError
from frostline.extraction import Extractor

LETTERS = list("abcdefgh")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    size, color = rng.normal(size=120), rng.choice(["red", "blue"], 120)
    Y = np.column_stack([3 * size, np.exp(size - (color == "red"))]) + rng.normal(0, 0.05, (120, 2))
    return pa.table({"size": size.round(3), "color": color}), Y


@pytest.fixture(scope="module")
def fitted(rows):
    table, Y = rows
    return frostline.TextRegressor(features="raw", target_transform="none").fit(table.slice(0, 80), Y[:80])


def test_each_target_is_predicted_as_alone(rows, fitted):
    table, Y = rows
    new = table.slice(80)
    found = fitted.predict(new)
    lower, upper = fitted.predict_interval(new, 0.8)
    assert found.shape == lower.shape == upper.shape == (40, 2)
    for j in range(2):
        alone = frostline.TextRegressor(features="raw", target_transform="none").fit(table.slice(0, 80), Y[:80, j])
        np.testing.assert_array_equal(found[:, j], alone.predict(new))
        np.testing.assert_array_equal((lower[:, j], upper[:, j]), alone.predict_interval(new, 0.8))
    assert fitted.score(new, Y[80:]) > 0.8
    assert fitted.cv_metrics_["r2"] == pytest.approx(np.mean([part.cv_metrics_["r2"] for part in fitted.each_]))


def test_the_mean_leaves_out_a_constant_target(rows, tmp_path):
    table, Y = rows
    y = np.column_stack([Y[:, 0], np.ones(len(Y))])
    fitted = frostline.TextRegressor(features="raw", target_transform="none", intervals="oof").fit(table, y)
    assert fitted.cv_metrics_ == fitted.each_[0].cv_metrics_
    fitted.save(tmp_path / "m")
    assert frostline.load(tmp_path / "m").cv_metrics_ == fitted.cv_metrics_


def test_saved_and_loaded(rows, fitted, tmp_path):
    table, _ = rows
    fitted.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(table), fitted.predict(table))
    np.testing.assert_array_equal(again.predict_interval(table), fitted.predict_interval(table))
    np.testing.assert_array_equal(again.each_[1].predict(table), fitted.predict(table)[:, 1])
    page = (tmp_path / "m" / "report.html").read_text()
    assert "y0 and y1" in page
    assert "Each target" in page


@pytest.mark.parametrize("store", ["s", None])
def test_the_backbone_runs_once_for_all_targets(folder, tmp_path, monkeypatch, store):
    rng = np.random.default_rng(1)
    one, two = (["".join(rng.choice(LETTERS, size=6)) for _ in range(60)] for _ in range(2))
    Y = np.column_stack([[text.count("a") for text in one], [text.count("b") for text in two], range(60)]).astype(float)
    ran = []
    own = Extractor.run
    monkeypatch.setattr(Extractor, "run", lambda *given: ran.append(own(*given)) or ran[-1])
    where = None if store is None else tmp_path / store
    embedder = TextEmbedder(folder, layers="auto", pooling="auto", fusion="auto", store=where, progress=False)
    table = pa.table({"one": one, "two": two})
    reg = frostline.TextRegressor(embedder=embedder).fit(table, Y)
    assert sum(ran) == 3 * 60  # rows, and the cells of both columns
    ran.clear()
    found = reg.predict(table)
    n_texts = 60 * (1 + len(reg.reader().columns)) if reg.reads_backbone_ else 0
    assert sum(ran) == (n_texts if store is None else 0)
    np.testing.assert_allclose(found, np.column_stack([part.predict(table) for part in reg.each_]), atol=1e-6)
    reg.save(tmp_path / "m")
    np.testing.assert_allclose(frostline.load(tmp_path / "m", store=where).predict(table), found, atol=1e-6)


def test_targets_as_a_frame_and_rows_that_lack_one(rows):
    table, Y = rows
    frame = pd.DataFrame(Y[:60], columns=["a", "b"])
    frame.loc[3, "a"] = frame.loc[7, "b"] = np.nan
    reg = frostline.TextRegressor(features="raw", target_transform="none", intervals="oof")
    with pytest.raises(UserError, match="1 of 60 targets are missing"):
        reg.fit(table.slice(0, 60), frame)
    reg.fit(table.slice(0, 60), frame, unlabeled="skip")
    assert (reg.n_unlabeled_, reg.n_train_) == (2, 58)


def test_one_target_after_several(rows):
    table, Y = rows
    reg = frostline.TextRegressor(features="raw", target_transform="none", intervals="oof")
    assert reg.fit(table, Y).predict(table).shape == (120, 2)
    assert reg.fit(table, Y[:, 0]).predict(table).shape == (120,)
    assert not reg.each_


@pytest.mark.parametrize("ask", ["neighbors", "occlude", "suggest"])
def test_what_is_of_one_target_is_asked_of_one(rows, fitted, ask):
    table, _ = rows
    with pytest.raises(UserError, match="has 2 targets") as error:
        getattr(fitted, ask)(table.slice(0, 2))
    assert "each_[0]" in str(error.value.hint)


def test_more_rows_for_several_targets_are_refused(rows, fitted):
    table, Y = rows
    with pytest.raises(UserError, match="has 2 targets"):
        fitted.update(table.slice(80), Y[80:])


def test_targets_that_are_not_numbers(rows):
    table, Y = rows
    with pytest.raises(UserError, match="not numbers"):
        frostline.TextRegressor(features="raw").fit(table, [["a", "b"]] * 120)
    with pytest.raises(UserError, match="NaN or infinity"):
        frostline.TextRegressor(features="raw").fit(table, np.where(Y > 2, np.inf, Y))
