"""Text columns read each on its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import frostline
from fakes import tiny_bert
from frostline.embedder import TextEmbedder
from frostline.estimators.fields import Fields, deepest, text_columns
from frostline.rendering import RowReader

LETTERS = list("abcdefgh")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def pairs():
    """Two texts; the target is whether the second repeats the first."""
    rng = np.random.default_rng(0)
    one = ["".join(rng.choice(LETTERS, size=8)) for _ in range(400)]
    two = [text if rng.random() < 0.5 else "".join(rng.choice(LETTERS, size=8)) for text in one]
    y = np.array([float(a == b) for a, b in zip(one, two, strict=True)]) + rng.normal(0, 0.05, 400)
    return pa.table({"one": one, "two": two}), y


def test_which_columns_are_texts(pairs):
    table, _ = pairs
    few = pa.array(["red", "blue"] * 200)
    assert text_columns(table) == ("one", "two")
    assert text_columns(table.append_column("color", few).append_column("n", pa.array(range(400)))) == ("one", "two")
    assert text_columns(table.select(["one"])) == ()
    assert text_columns(None) == ()
    wide = pa.table({f"t{i}": table["one"] for i in range(5)})
    assert text_columns(wide) == ()


def read(embedder, table, columns=("a", "b")):
    """Rows whole and by column, and what reads the columns."""
    extractor = embedder.extractor()
    features = embedder.render(table).through(RowReader(extractor, extractor, columns))
    return features, Fields(columns, deepest(extractor.taps)[0])


def test_blocks(folder):
    embedder = TextEmbedder(folder, layers=[1, "final"])
    features, fields = read(embedder, pa.table({"a": ["x", "y"], "b": ["x", None]}))
    found = fields(features)
    embedder = TextEmbedder(folder)
    a, b = (embedder.fit_transform(texts) for texts in (["a: x", "a: y"], ["b: x", "b: null"]))
    np.testing.assert_array_equal(found[:, :16], a)
    np.testing.assert_array_equal(found[:, 16:32], b)
    np.testing.assert_allclose(found[:, 32:48], np.abs(a - b))
    np.testing.assert_allclose(found[:, 48:64], a * b)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(found[:, 64], cosine, rtol=1e-5)


def test_wide_blocks_are_projected(folder, monkeypatch):
    monkeypatch.setattr("frostline.estimators.fields.MOST_WIDTH", 24)
    features, fields = read(TextEmbedder(folder), pa.table({"a": ["x", "y"], "b": ["x", "z"]}))
    assert fields(features).shape == (2, 4 * 6 + 1)
    np.testing.assert_array_equal(fields(features), fields(features))


def test_pairs_are_learnt_saved_and_loaded(folder, pairs, tmp_path):
    table, y = pairs
    reg = frostline.TextRegressor(folder, layers="final").fit(table.slice(0, 300), y[:300])
    assert "fields" in [arm.kind for arm in reg.arms_]
    plain = frostline.TextRegressor(folder, layers="final", features="both").fit(table.slice(0, 300), y[:300])
    assert reg.score(table.slice(300), y[300:]) > max(0.5, plain.score(table.slice(300), y[300:]) + 0.2)
    reg.save(tmp_path / "artifact")
    again = frostline.load(tmp_path / "artifact")
    np.testing.assert_array_equal(again.predict(table), reg.predict(table))


def test_cut_texts_are_counted_by_column(folder, pairs):
    table, y = pairs
    long = pa.array([text + "z" * 80 if i < 7 else text for i, text in enumerate(table["two"].to_pylist())])
    table = table.set_column(1, "two", long)
    reg = frostline.TextRegressor(folder, layers="final").fit(table, y)
    stats = reg.extract(table).stats
    assert {name: own.n_truncated for name, own in stats.fields.items()} == {"one": 0, "two": 7}
    assert (stats.n_truncated, stats.truncated_columns) == (7, {"two": 7})


def test_sets_of_labels_are_read_whole(folder, pairs):
    table, y = pairs
    clf = frostline.TextClassifier(folder, layers="final").fit(table, [("same",) if v > 0.5 else () for v in y])
    assert not clf.reader().columns
