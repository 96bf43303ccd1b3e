from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakes import add_recipe, tiny_bert
from frostline import TextEmbedder, UserError
from frostline.embedder import TextEmbedder as Home

TEXTS = ["a fine film", "a dull one", "a fine film"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def embedder(folder, store_path):
    return TextEmbedder(folder, layers="all", pooling="mean", store=store_path, progress=False)


def test_door_and_home_are_one():
    assert TextEmbedder is Home


def test_shapes_and_names(embedder):
    Z = embedder.fit_transform(TEXTS)
    assert Z.shape == (3, 48)
    assert Z.dtype == np.float32
    assert embedder.layers_ == [0, 1, "final"]
    assert embedder.embed_layers(TEXTS).shape == (3, 3, 16)
    names = embedder.get_feature_names_out()
    assert len(names) == 48
    assert names[0] == "layer0_0"
    assert names[-1] == "layerfinal_15"


@pytest.mark.parametrize(("fusion", "reduce"), [("mean", np.mean), ("max", np.max)])
def test_fusion(embedder, fusion, reduce):
    layers = embedder.embed_layers(TEXTS)
    Z = clone(embedder).set_params(fusion=fusion).fit_transform(TEXTS)
    np.testing.assert_allclose(Z, reduce(layers, axis=1), atol=1e-6)


def test_recipe_is_the_default(tmp_path):
    folder = str(add_recipe(tiny_bert(tmp_path / "m"), pooling="cls", normalize=True, prompt="q: "))
    Z = TextEmbedder(folder, store=None).transform(["abc"])
    plain = TextEmbedder(folder, pooling="first_token", store=None).transform(["q: abc"])
    np.testing.assert_allclose(Z, plain / np.linalg.norm(plain), atol=1e-6)


def test_set_params_then_fit_uses_the_new_backbone(embedder, tmp_path):
    before = embedder.fit_transform(TEXTS)
    other = str(tiny_bert(tmp_path / "other", seed=3))
    after = embedder.set_params(backbone=other).fit_transform(TEXTS)
    assert np.abs(before - after).max() > 0.1
    np.testing.assert_array_equal(after, TextEmbedder(other, layers="all", store=None).transform(TEXTS))


def test_holds_no_model(embedder):
    embedder.fit(TEXTS)
    assert not any("torch" in type(value).__module__ for value in vars(embedder).values())


def test_rows_become_json_templates_or_text(embedder):
    frame = pd.DataFrame({"name": ["ford", "fiat"], "year": [70, 71]})
    assert embedder.render(frame).texts == ['{"name": "ford", "year": 70}', '{"name": "fiat", "year": 71}']
    assert clone(embedder).set_params(template="{year}: {name}").render(frame).texts == ["70: ford", "71: fiat"]
    assert embedder.render(frame[["name"]]).texts == ["ford", "fiat"]
    assert clone(embedder).set_params(template="json").render(frame[["name"]]).texts[0] == '{"name": "ford"}'
    assert clone(embedder).set_params(number_format="rounded(1)").render(
        pd.DataFrame({"a": [1.25], "b": [2]})
    ).texts == ['{"a": 1.2, "b": 2}']


def test_columns_are_those_of_the_fit(embedder):
    frame = pd.DataFrame({"name": ["ford", "fiat"], "year": [70, 71]})
    Z = embedder.fit_transform(frame)
    np.testing.assert_array_equal(embedder.transform(frame[["year", "name"]].assign(extra=1)), Z)
    with pytest.raises(UserError, match="year"):
        embedder.transform(frame[["name"]])
    with pytest.raises(UserError, match="expecting 2 features"):
        embedder.transform(["a", "b"])
    np.testing.assert_array_equal(embedder.transform([{"year": 70, "name": "ford"}, {"name": "fiat", "year": 71}]), Z)
    np.testing.assert_array_equal(embedder.transform([["ford", 70], ["fiat", 71]]), Z)  # by their order
    with pytest.raises(UserError, match="name"):
        embedder.transform([{"year": 70, "nmae": "ford"}])


def test_columns_of_dicts_are_found_by_name(embedder):
    embedder.fit([{"year": 1, "other": "x", "third": 2}])  # an earlier fit does not count
    rows = [{"name": "ford", "year": 70}, {"name": "fiat", "year": 71}]
    Z = embedder.fit_transform(rows)
    for turned in (pd.Series, lambda found: np.array(found, dtype=object)):
        np.testing.assert_array_equal(embedder.transform(turned([dict(reversed(row.items())) for row in rows])), Z)
    with pytest.raises(UserError, match="name"):
        embedder.transform(pd.Series([{"nmae": "ford", "year": 70}]))
    np.testing.assert_array_equal(embedder.transform([dict(reversed(row.items())) for row in rows]), Z)
    np.testing.assert_array_equal(embedder.transform(pd.DataFrame(rows)[["year", "name"]]), Z)


def test_in_a_pipeline(embedder):
    pipeline = make_pipeline(embedder, StandardScaler())
    assert np.abs(pipeline.fit_transform(TEXTS).mean(0)).max() < 1e-5
    assert clone(pipeline).get_params()["textembedder__layers"] == "all"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"pooling": "meen"}, "Did you mean 'mean'"),
        ({"fusion": "concatenate"}, "Allowed: 'concat'"),
        ({"layers": 3}, "out of range"),
        ({"overflow": "chop"}, "Allowed: 'truncate'"),
        ({"max_length": 1000}, "64 positions"),
        ({"precision": "double"}, "Unknown precision"),
        ({"progress": "loud"}, "progress"),
        ({"number_format": "hex"}, "Allowed: plain"),
        ({"template": "{nmae}"}, "name"),
    ],
)
def test_wrong_parameters(embedder, params, message):
    with pytest.raises(UserError, match=message):
        embedder.set_params(**params).fit(pd.DataFrame({"name": ["a"], "year": [1]}))


def test_cuts_are_counted_by_column(embedder):
    frame = pd.DataFrame({"a": ["x" * 70, "y"], "b": ["z", "w"], "c": ["u", "v" * 70]})
    stats = clone(embedder).set_params(template="{a}{b}{c}").features(frame).stats
    assert (stats.n_truncated, stats.truncated_columns) == (2, {"a": 1, "b": 1, "c": 2})
    assert embedder.features(["x" * 70, "y"]).stats.truncated_columns == {"text": 1}


def test_a_prompt_is_no_part_of_a_column(tmp_path):
    folder = add_recipe(tiny_bert(tmp_path / "m"), prompt="q" * 30 + ": ")
    frame = pd.DataFrame({"a": ["x" * 20], "b": ["y" * 11]})  # the window holds 62 characters, 30 of them its own
    embedder = TextEmbedder(str(folder), template="{a}{b}", store=None, progress=False)
    assert embedder.features(frame).stats.truncated_columns == {"b": 1}


def test_a_backbone_that_cannot_tell_counts_every_column(embedder, monkeypatch):
    from dataclasses import replace

    extractor = embedder.extractor()
    tokenize = extractor.backbone.tokenize
    monkeypatch.setattr(extractor.backbone, "tokenize", lambda *a, **k: replace(tokenize(*a, **k), read=None))
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["z" * 70, "w"]})
    assert embedder.features(frame).stats.truncated_columns == {"a": 1, "b": 1}
