from __future__ import annotations

import datetime
import decimal
import json

import numpy as np
import pyarrow as pa
import pytest

from frostline.baselines import RawColumns, boosting, fit_text, run_baselines, text_pipeline
from frostline.errors import UserError


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


def encoded(values, value_type=None, later=None, **settings):
    """One column, learned and encoded; `later` is encoded instead where given."""
    encoder = RawColumns(**settings).fit(pa.table({"x": pa.array(values, value_type)}))
    return encoder, encoder.transform(pa.table({"x": pa.array(values, value_type) if later is None else later}))


@pytest.mark.parametrize(
    ("values", "value_type", "expected"),
    [
        ([1, None, 3], pa.int64(), [1, np.nan, 3]),
        ([1.5, np.nan, np.inf, -np.inf, 2], pa.float64(), [1.5, np.nan, 2, 1.5, 2]),
        ([True, False, None], pa.bool_(), [1, 0, np.nan]),
        ([decimal.Decimal("1.25"), None], pa.decimal128(6, 2), [1.25, np.nan]),
        ([datetime.date(1970, 1, 3), None], pa.date32(), [2 * 86_400, np.nan]),
        ([datetime.date(1970, 1, 3)], pa.date64(), [2 * 86_400]),
        ([datetime.datetime(1970, 1, 1, 1)], pa.timestamp("ns"), [3600]),
        ([datetime.time(0, 1)], pa.time32("ms"), [60]),
        ([datetime.timedelta(minutes=2)], pa.duration("us"), [120]),
        ([None, None], pa.null(), [0, 0]),
        ([None, None], pa.string(), [0, 0]),
        (["b", None, "a"], pa.dictionary(pa.int8(), pa.string()), [1, np.nan, 0]),
        ([[1], [0], [1]], pa.list_(pa.int64()), [1, 0, 1]),
    ],
)
def test_raw_values(values, value_type, expected):
    _, X = encoded(values, value_type)
    np.testing.assert_array_equal(X, np.array(expected, dtype=float)[:, None])


def test_unknown_categories_are_missing():
    encoder, X = encoded(["red", "blue"], later=pa.array(["blue", "green", None]))
    assert encoder.categorical_.tolist() == [True]
    np.testing.assert_array_equal(X, [[0], [np.nan], [np.nan]])


@pytest.mark.parametrize("letters", [[chr(0x4E00 + i) for i in range(40)], [" " * i for i in range(1, 41)]])
def test_short_strings_have_components(letters):
    encoder, X = encoded([*letters, None], n_components=4)
    assert encoder.categorical_.tolist() == [False] * X.shape[1]
    assert 1 <= X.shape[1] <= 4
    assert np.isfinite(X[:-1]).all()
    assert np.isnan(X[-1]).all()


def test_equal_strings_have_equal_components():
    names = [f"car model {i % 35}" for i in range(70)]
    _, X = encoded(names)
    np.testing.assert_array_equal(X[:35], X[35:])
    assert len(np.unique(X.round(6), axis=0)) == 35


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (pa.table({"x": ["1", "2"]}), "held number values in training; got string"),
        (pa.table({"y": [1]}), "Column 'x' is absent"),
    ],
)
def test_other_tables_are_refused(later, message):
    with pytest.raises(UserError, match=message):
        RawColumns().fit(pa.table({"x": [1, 2]})).transform(later)
    assert np.isnan(RawColumns().fit(pa.table({"x": [1]})).transform(pa.table({"x": pa.nulls(1)}))).all()


def test_an_empty_table_teaches_nothing():
    with pytest.raises(UserError, match="at least one row"):
        RawColumns().fit(pa.table({"x": pa.array([], pa.int64())}))


def test_columns_without_information_give_the_mean():
    y = np.arange(60.0)
    table = pa.table({"void": pa.nulls(60), "same": ["x"] * 60, "seven": [7] * 60})
    found = run_baselines("regression", ["a"] * 60, y, ["a"] * 60, y, table, table, seed=0)
    assert found["raw_columns"]["mae"] == pytest.approx(found["dummy"]["mae"])
    assert found["text"]["mae"] == pytest.approx(found["dummy"]["mae"])


def test_several_targets():
    table, size, texts = rows()
    y = np.column_stack([size, -size])
    args = [texts[:80], y[:80], texts[80:], y[80:], table.select(["size"])[:80], table.select(["size"])[80:]]
    found = run_baselines("regression", *args, seed=0)
    assert found["raw_columns"]["mae"] < found["dummy"]["mae"]
    assert found["text"]["kendall_tau"] > 0.5


def test_one_of_two_tables_is_a_mistake():
    with pytest.raises(UserError, match="one of the two tables"):
        run_baselines("regression", ["a"], [1.0], ["a"], [1.0], pa.table({"x": [1]}), seed=0)


def test_rounds_are_shared_by_many_classes():
    numeric = np.zeros(3, dtype=bool)
    assert boosting("classification", np.arange(10), numeric, 0).max_iter == 100
    assert boosting("classification", np.arange(40), numeric, 0).max_iter == 25
    assert boosting("classification", np.arange(500), numeric, 0).max_iter == 20


def test_the_strength_suits_the_noise():
    rng = np.random.default_rng(0)
    words = [" ".join(rng.choice([f"w{i}" for i in range(40)], 6)) for _ in range(300)]
    clean = np.array([text.split().count("w1") - text.split().count("w2") for text in words], dtype=float)
    alphas = [fit_text("regression", words, y, seed=0)[-1].alpha for y in (clean, rng.normal(size=300))]
    assert alphas[0] < alphas[1]


def test_groups_keep_their_rows_together_when_a_strength_is_chosen():
    """Each group has words drawn at random: only across groups does it show that they say nothing of new rows."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 10)
    words = [" ".join(rng.choice([f"w{i}" for i in range(20)], 5)) for _ in range(40)]
    texts = [f"{words[g]} n{i}" for i, g in enumerate(group)]
    y = rng.normal(size=40)[group] + 0.01 * rng.normal(size=400)
    alone, together = (fit_text("regression", texts, y, seed=0, groups=g)[-1].alpha for g in (None, group))
    assert alone < together


@pytest.mark.parametrize("n_labels", [2, 15])
def test_rare_classes_train(n_labels):
    texts = [f"word{i % n_labels} and" for i in range(3 * n_labels)] + ["lonely"]
    y = np.array([i % n_labels for i in range(3 * n_labels)] + [n_labels])
    fitted = fit_text("classification", texts, y, seed=0)
    assert fitted.predict_proba(texts).shape == (len(texts), n_labels + 1)
    assert (fitted.predict(texts) == y).mean() > 0.9


def test_the_unfitted_text_pipeline():
    pipeline = text_pipeline("regression", 0)
    assert pipeline[-1].alpha == 1.0
    assert text_pipeline("classification", 0, strength=2.5)[-1].estimator.C == 2.5
    fitted = pipeline.fit(["a b", "c"], [0.0, 1.0])
    assert sorted(fitted[0].vocabulary_) == ["a", "a b", "b", "c"]  # single letters are words


def test_raw_columns_are_the_same_after_saving():
    table, _, _ = rows()
    table = table.append_column("config", [[f'{{"depth": {i % 5}, "name": "n{i % 3}"}}' for i in range(120)]])
    encoder = RawColumns().fit(table)
    assert {"config.depth", "config.name"} <= set(encoder.names_)
    params, tensors = encoder.get_state()
    again = RawColumns.from_state(json.loads(json.dumps(params)), tensors)
    np.testing.assert_array_equal(again.transform(table), encoder.transform(table))
    np.testing.assert_array_equal(again.categorical_, encoder.categorical_)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_column_without_values_in_a_fold_is_a_constant(task):
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = (X[:, 0] > 0).astype(float if task == "regression" else int)
    X[:50, 1] = np.nan
    trees = boosting(task, y, np.zeros(2, dtype=bool), 0).fit(X[:50], y[:50])
    assert (trees.predict(X[50:]).round() == y[50:]).mean() > 0.9
    if task == "classification":
        np.testing.assert_allclose(trees.predict_proba(X).sum(axis=1), 1)
