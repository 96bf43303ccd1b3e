from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from frostline.baselines import RawColumns, run_baselines


def rows(n=120, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    color = rng.choice(["red", "blue", None], n)
    table = pa.table(
        {
            "size": [None if i % 10 == 0 else float(v) for i, v in enumerate(size)],
            "color": color.tolist(),
            "day": [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(i)) for i in range(n)],
            "flag": [bool(i % 2) for i in range(n)],
            "note": [f"item {i} {'large' if v > 0 else 'small'}" for i, v in enumerate(size)],
            "nothing": pa.nulls(n),
        }
    )
    return table, size, ["positive word" if v > 0 else "negative word" for v in size]


def test_classification_baselines():
    table, size, texts = rows()
    y = np.where(size > 0, "up", "down")
    train, test = np.arange(80), np.arange(80, 120)
    found = run_baselines(
        "classification", [texts[i] for i in train], y[train], [texts[i] for i in test], y[test],
        table.take(train), table.take(test), seed=0,
    )  # fmt: skip
    assert set(found) == {"dummy", "text", "raw_columns"}
    assert found["text"]["accuracy"] == 1.0
    assert found["raw_columns"]["accuracy"] > 0.8
    majority = max((y[train] == "up").mean(), (y[train] == "down").mean())
    assert found["dummy"]["accuracy"] in (
        pytest.approx((y[test] == "up").mean()),
        pytest.approx((y[test] == "down").mean()),
    )
    assert majority > 0.4
    assert set(found["text"]) == {"accuracy", "macro_f1", "log_loss", "ece"}


def test_one_column_needs_no_boosting_for_classes_but_does_for_numbers():
    table, size, texts = rows()
    one = table.select(["note"])
    args = [texts[:80], size[:80], texts[80:], size[80:], one.slice(0, 80), one.slice(80)]
    assert set(run_baselines("regression", *args, seed=0)) == {"dummy", "text", "raw_columns"}
    y = size > 0
    args[1], args[3] = y[:80], y[80:]
    assert set(run_baselines("classification", *args, seed=0)) == {"dummy", "text"}


def test_dummy_of_a_regression_is_the_training_mean():
    _, size, texts = rows()
    found = run_baselines("regression", texts[:80], size[:80], texts[80:], size[80:], seed=0)
    assert found["dummy"]["mae"] == pytest.approx(np.abs(size[80:] - size[:80].mean()).mean())
    assert found["dummy"]["kendall_tau"] == 0.0


def test_texts_without_words_do_not_crash():
    y = np.array([0, 1] * 20)
    found = run_baselines("classification", ["!!", "??"] * 15, y[:30], ["!!", "??"] * 5, y[30:], seed=0)
    assert found["text"]["accuracy"] >= 0.5
    empty = run_baselines("classification", [""] * 30, y[:30], [""] * 10, y[30:], seed=0)
    assert empty["text"]["accuracy"] == empty["dummy"]["accuracy"]


def test_raw_columns_know_only_the_training_rows():
    table, *_ = rows()
    encoder = RawColumns().fit(table.slice(0, 80))
    before = encoder.transform(table.slice(80))
    unseen = table.slice(80).set_column(1, "color", pa.array(["green"] * 40))
    after = encoder.transform(unseen)
    assert before.shape == after.shape
    assert np.isfinite(before[:, 0]).sum() == 36  # missing numbers stay missing, the trees know what to do
    assert encoder.transform(table.slice(0, 80)).shape == (80, before.shape[1])


def test_baselines_are_the_same_each_time():
    table, size, texts = rows()
    args = ["regression", texts[:80], size[:80], texts[80:], size[80:], table.slice(0, 80), table.slice(80)]
    assert run_baselines(*args, seed=1) == run_baselines(*args, seed=1)
