"""Rows as columns, as text that a backbone reads, and as projections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frostline import TextEmbedder
from frostline.errors import UserError
from frostline.studies.regression.encodings import RAW, Encoder, Encoding, dense_columns, random_of_width
from frostline.studies.regression.problems import draw_inputs, read_tables


@pytest.fixture
def encoder(backbone):
    return Encoder({backbone: [0, 1]}, None, False)


def test_columns_of_functions_are_the_numbers(encoder):
    inputs = draw_inputs(3, 0, 40)
    X = encoder(inputs, RAW)
    assert np.array_equal(X, np.column_stack([column.to_numpy() for column in inputs.table.columns]))


def test_columns_of_tables_have_no_gap_and_a_column_a_category(tables_folder):
    problem = read_tables(tables_folder, ["small"])[0].draw(0, 60)
    X = dense_columns(problem.inputs)
    assert np.isfinite(X).all()
    kind = problem.inputs.table["kind"].to_pylist()
    ones = [j for j in range(X.shape[1]) if np.array_equal(X[:, j], [float(k == "b") for k in kind])]
    assert len(ones) == 1
    missing = problem.inputs.table["x"].is_null().to_numpy()
    assert any(np.array_equal(X[:, j], missing.astype(float)) for j in range(X.shape[1]))


def test_a_backbone_reads_what_the_encoding_says(encoder, backbone):
    inputs = draw_inputs(2, 0, 40)
    x0, x1 = (inputs.table[name].to_pylist() for name in ("x0", "x1"))
    texts = {True: [f'{{"x0": {a:z.2f}, "x1": {b:z.2f}}}' for a, b in zip(x0, x1, strict=True)],
             False: [f"[{a:z.2f}, {b:z.2f}]" for a, b in zip(x0, x1, strict=True)]}  # fmt: skip
    for names in (True, False):
        found = encoder(inputs, Encoding(backbone, names=names, number_format="rounded(2)"))
        expected = TextEmbedder(backbone, pooling="mean", store=None, progress=False).fit_transform(texts[names])
        assert np.allclose(found, expected, atol=1e-6)


def test_layers_are_read_in_one_pass(encoder, backbone, monkeypatch):
    inputs, passes = draw_inputs(2, 0, 40), []
    features = TextEmbedder.features
    monkeypatch.setattr(TextEmbedder, "features", lambda own, X: passes.append(own.layers) or features(own, X))
    usual = Encoding(backbone, number_format="rounded(2)")
    found = [encoder(inputs, replace(usual, layer=layer)) for layer in (0, 1, "final", 0)]
    assert passes == [[0, 1], ["final"]]
    assert np.array_equal(found[0], found[3])
    assert not np.allclose(found[0], found[1])


def test_long_rows_are_read_in_windows_and_never_cut(encoder, backbone):
    inputs = draw_inputs(10, 0, 40)  # 64 characters do not hold ten numbers
    usual = Encoding(backbone, number_format="rounded(2)")
    assert encoder(inputs, usual).shape == (40, 16)
    with pytest.raises(UserError, match="40 of 40 rows do not fit into the window"):
        encoder(inputs, replace(usual, pooling="padded_mean"))


def test_projections_keep_distances_or_bend_them(encoder):
    inputs = draw_inputs(3, 0, 40)
    X = encoder(inputs, RAW)
    Z = (X - X[inputs.fit].mean(axis=0)) / X[inputs.fit].std(axis=0)
    linear = encoder(inputs, Encoding("random projection", width=50))
    bent = encoder(inputs, Encoding("random features", width=50))
    assert linear.shape == bent.shape == (40, 50)
    assert np.linalg.matrix_rank(linear) == 3
    assert np.allclose(np.linalg.lstsq(Z, linear, rcond=None)[1], 0, atol=1e-12)
    assert np.allclose(np.tanh(linear), bent)


def test_a_random_network_of_another_width(encoder, backbone, tmp_path):
    wide = random_of_width(backbone, 2.0, tmp_path)
    inputs = draw_inputs(2, 0, 40)
    found = encoder(inputs, wide)
    assert found.shape == (40, 32)
    assert wide.name.endswith("width 32")
    assert wide.name == wide.key["source"]  # where the configuration lies decides nothing
    again = random_of_width(backbone, 2.0, tmp_path / "elsewhere")
    assert np.array_equal(found, Encoder({}, None, False)(inputs, again))
    assert again.key == wide.key


def test_a_backbone_that_runs_elsewhere_has_no_width(tmp_path):
    with pytest.raises(UserError):
        random_of_width("api:some-model", 2.0, tmp_path)
