"""Several backbones over the same rows: each embeds once, stores on its own, and is read as it is alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import frostline
from fakes import tiny_bert, tiny_llama
from frostline import ArtifactError, Store, TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.candidates import Candidate
from frostline.cli import main
from frostline.contracts import Tap
from frostline.estimators.reading import settle
from frostline.heads import CooccurrenceClassifier

TEXTS = ["a fine film", "a dull one", "a fine film", "x" * 40, "y" * 70]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A BERT 16 wide, a Llama 16 wide, a BERT 32 wide with a window of 24."""
    place = tmp_path_factory.mktemp("backbones")
    return [
        str(tiny_bert(place / "bert")),
        str(tiny_llama(place / "llama", seed=1)),
        str(tiny_bert(place / "wide", seed=2, width=32, window=24)),
    ]


def joint(folders, store=None, **params):
    own = [
        f"{folders[0]}::layers=1,final",
        {"backbone": folders[1], "layers": [2], "pooling": "last_token"},
        folders[2],
    ]
    return TextEmbedder(own, store=store, progress=False, **params)


def alone(folders, store=None):
    return [
        TextEmbedder(folders[0], layers=[1, "final"], store=store, progress=False),
        TextEmbedder(folders[1], layers=2, pooling="last_token", store=store, progress=False),
        TextEmbedder(folders[2], store=store, progress=False),
    ]


def test_side_by_side_is_what_each_gives_alone(folders):
    embedder = joint(folders)
    expected = np.hstack([one.fit_transform(TEXTS) for one in alone(folders)])
    np.testing.assert_array_equal(embedder.fit_transform(TEXTS), expected)
    assert embedder.layers_ == {folders[0]: [1, "final"], folders[1]: [2], folders[2]: ["final"]}
    names = embedder.get_feature_names_out()
    assert len(set(names)) == len(names) == expected.shape[1]
    assert names[0] == f"{folders[0]}_layer1_0"


def test_each_backbone_embeds_a_text_once_and_stores_it_on_its_own(folders, store_path):
    first = joint(folders, store_path).features(TEXTS).stats
    assert (first.n_rows, first.n_texts, first.n_embedded) == (5, 4, 12)
    assert {name: own.n_embedded for name, own in first.backbones.items()} == dict.fromkeys(folders, 4)
    assert [own.features(TEXTS).stats.n_embedded for own in alone(folders, store_path)] == [0, 0, 0]
    again = joint(folders, store_path).features(TEXTS).stats
    assert again.n_embedded == 0
    with Store(store_path, read_only=True) as store:
        assert store.info()["n_vectors"] == 4 * 4  # four texts at four taps


def test_cuts_are_counted_for_each_backbone(folders):
    stats = joint(folders).features(TEXTS).stats
    assert stats.n_truncated == 2
    assert [stats.backbones[name].n_truncated for name in folders] == [1, 1, 2]
    frame = pd.DataFrame({"a": ["u" * 10, "u"], "b": ["v" * 15, "v"]})
    cut = joint(folders, template="{a}{b}").features(frame).stats
    assert (cut.n_truncated, cut.truncated_columns) == (1, {"b": 1})


def test_a_forecast_is_summed_and_itemized(folders, store_path):
    embedder = joint(folders, store_path)
    found = embedder.render(TEXTS).forecast(embedder.extractor())
    own = [one.render(TEXTS).forecast(one.extractor()) for one in alone(folders, store_path)]
    assert found.bytes == sum(one.bytes for one in own)
    assert found.stats.n_tokens == sum(one.stats.n_tokens for one in own)
    assert list(found.backbones) == folders
    assert [one.stats.n_embedded for one in found.backbones.values()] == [4, 4, 4]
    assert (found.stats.n_embedded, found.stats.n_texts, found.n_requests) == (12, 4, None)


def test_windows_stream_through_all_backbones(folders):
    embedder = joint(folders)
    whole = embedder.features(TEXTS)
    stream = embedder.extractor().stream(iter([TEXTS[:3], TEXTS[3:]]))
    parts = list(stream)
    np.testing.assert_allclose(np.vstack([one.columns for one in parts]), whole.columns, atol=2e-6)
    assert stream.stats().n_truncated == 2
    assert stream.stats().n_rows == 5
    assert stream.stats().backbones[folders[2]].n_truncated == 2


def test_mean_and_max_need_one_width(folders):
    with pytest.raises(UserError, match="different widths .*fusion 'mean'"):
        joint(folders, fusion="mean").fit(TEXTS)
    with pytest.raises(UserError, match="layers kept apart"):
        joint(folders).embed_layers(TEXTS)
    same = TextEmbedder(folders[:2], fusion="mean", store=None, progress=False)
    own = [TextEmbedder(folder, store=None, progress=False).transform(TEXTS) for folder in folders[:2]]
    np.testing.assert_allclose(same.transform(TEXTS), np.mean(own, axis=0), atol=1e-7)
    assert same.embed_layers(TEXTS).shape == (5, 2, 16)


def rows(n=240, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    letters = [list("abcde "), list("vwxyz ")]
    return ["".join(rng.choice(letters[label], 12)) + f"{i}" for i, label in enumerate(y)], np.array(["a", "b"])[y]


def test_rows_that_one_backbone_reads_alike_are_one_group(folders):
    features = joint(folders).features(["x" * 30 + "1", "x" * 30 + "2", "z"])
    assert features.keys.shape == (3, 6)
    alike = features.keys[0] == features.keys[1]
    assert alike.tolist() == [False, False, False, False, True, True]  # only the short window cuts the difference off


def test_auto_compares_each_backbone_with_all_together(folders, tmp_path, store_path):
    texts, y = rows()
    embedder = TextEmbedder(
        folders, layers="auto", pooling="auto", fusion="auto", store=store_path, progress=False
    )  # fmt: skip
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    names = [one.name for one in clf.selection_]
    assert sum(" and " in name for name in names) == 1  # two blocks each: usual and widest are the same
    for folder in folders:
        assert f"{folder} layer 0" in names
    (chosen,) = [one.name for one in clf.selection_ if one.note]
    assert len(clf.backbones_) == len(chosen.split(" and "))
    clf.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m", store=store_path, progress=False)
    np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
    assert again.embedder_.get_params() == clf.embedder_.get_params() | {"layers": again.embedder_.layers}


def test_what_was_not_chosen_is_forgotten(folders):
    embedder = TextEmbedder(
        [folders[0], {"backbone": folders[2], "max_length": 20}],
        layers="auto",
        pooling="max",
        store=None,
        progress=False,
    )
    chosen = Candidate((Tap(1, "max", backbone=folders[2]), Tap("final", "max", backbone=folders[2])), "concat", "max")
    settle(embedder, chosen)
    assert [one.name for one in embedder.written()] == [folders[2]]
    extractor = embedder.extractor()
    assert extractor.taps == chosen.taps
    assert extractor.max_length == 20


def test_all_named_are_kept_where_the_fusion_is_fixed_and_drift_is_found_in_any(tmp_path):
    folders = [str(tiny_bert(tmp_path / "one")), str(tiny_bert(tmp_path / "two", seed=1, width=32))]
    texts, y = rows(80)
    clf = TextClassifier(folders, layers="final", fusion="concat", features="embedding")
    clf.set_params(embedder=TextEmbedder(folders, store=None, progress=False)).fit(texts, y)
    assert clf.embed(texts).shape == (80, 48)
    assert clf.layers_ == {folder: ["final"] for folder in folders}
    clf.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m", store=None, progress=False)
    np.testing.assert_array_equal(again.predict_proba(texts), clf.predict_proba(texts))
    assert json.loads((tmp_path / "m" / "report.json").read_text())["chosen"]["backbone"] == folders
    tiny_bert(tmp_path / "two", seed=7, width=32)
    with pytest.raises(ArtifactError, match=r"two' has drifted"):
        frostline.load(tmp_path / "m", store=None, progress=False).predict(texts)


def test_a_regressor_and_clones(folders):
    texts, _ = rows(60)
    y = np.array([text.count("a") for text in texts], dtype=float)
    embedder = TextEmbedder(folders, layers="all", store=None, progress=False)
    reg = clone(TextRegressor(embedder=embedder, features="embedding")).fit(texts, y)
    assert reg.embed(texts).shape == (60, 3 * (16 + 16 + 32))
    assert reg.cv_metrics_["r2"] > 0.5


def test_cooccurrence_over_all_layers_of_all_backbones(folders):
    texts, y = rows(60)
    head = CooccurrenceClassifier(compressed=8, hidden=(8,), sigma=0.1, epochs=2)
    own = [f"{folders[0]}::layers=all", f"{folders[2]}::layers=1,final"]
    clf = TextClassifier(embedder=TextEmbedder(own, store=None, progress=False), features="embedding", head=head)
    parameters = clf.fit(texts, y).head_.parameters_
    assert parameters["compress.weight"].shape == (8, 3, 16)
    assert parameters["pairs"].shape == (8, 25)  # three layers of the first backbone, two of the second
    assert parameters["mean"].shape == (8, 16)  # of the first backbone alone, as published
    assert parameters["extra.0.weight"].shape == (8, 32)


def test_the_published_method_from_end_to_end(folders, store_path):
    """Several layers of a first backbone by a padded mean, one vector each of two others, the published head."""
    texts, y = rows(40)
    own = [f"{folders[1]}::layers=final,-2::pooling=padded_mean::max_length=40", f"{folders[0]}::pooling=first_token"]
    embedder = TextEmbedder(own, store=store_path, progress=False)
    clf = TextClassifier(embedder=embedder, features="embedding", head="cooccurrence-published").fit(texts, y)
    assert clf.embedder_.extractor().taps[0] == Tap("final", "padded_mean:40", backbone=folders[1])
    assert clf.head_.parameters_["compress.weight"].shape == (16, 2, 16)
    assert clf.pool_ is None
    assert clf.cv_metrics_ == {}  # nothing is held out
    assert set(clf.predict(texts)) <= {"a", "b"}
    other = clone(embedder).set_params(backbone=[own[0].replace("=40", "=41"), own[1]])
    assert other.features(texts).stats.n_embedded == 40  # another window is another vector
    with pytest.raises(UserError, match="one window of each text"):
        clone(embedder).set_params(overflow="chunk").fit(texts)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return left.value.code, captured.out, captured.err


@pytest.fixture
def table(tmp_path):
    texts, y = rows(60)
    pd.DataFrame({"text": texts, "label": y}).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def test_command_line(folders, table, tmp_path, capsys):
    named = ["--backbone", f"{folders[0]}::layers=0,final", "--backbone", f"{folders[2]}::layers=final::pooling=max"]
    place = ["--store", tmp_path / "store", "--json"]
    code, out, _ = run(capsys, "embed", table, "--text", "text", *named, "--dry-run", *place)
    forecast = json.loads(out.splitlines()[-1])
    assert code == 0
    assert forecast["n_to_embed"] == sum(own["n_to_embed"] for own in forecast["backbones"].values()) == 120
    assert f"  {folders[2]}: 60 texts" in out
    code, out, _ = run(capsys, "embed", table, "--text", "text", *named, "--out", tmp_path / "v.npy", *place)
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    assert (found["dim"], found["n_embedded"], len(found["backbones"])) == (64, 120, 2)
    fit = ["fit", table, "--target", "label", *named, "--fusion", "concat", "--features", "embedding"]
    code, out, _ = run(capsys, *fit, "--out", tmp_path / "m", *place)
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    assert found["n_embedded"] == 0
    assert found["chosen"]["backbone"] == [folders[0], folders[2]]
    assert found["chosen"]["layers"] == {folders[0]: [0, "final"], folders[2]: ["final"]}
    assert set(found["backbones"]) == {folders[0], folders[2]}
    code, out, _ = run(capsys, "predict", tmp_path / "m", table, "--out", tmp_path / "p.csv", *place)
    assert code == 0
    assert json.loads(out.splitlines()[-1])["n_embedded"] == 0


def test_sweep_over_backbones_recommends_a_command_that_works(folders, table, tmp_path, capsys):
    named = ["--backbone", folders[0], "--backbone", f"{folders[2]}::layers=1,final"]
    place = ["--store", tmp_path / "store", "--json"]
    code, out, _ = run(capsys, "sweep", table, "--target", "label", *named, "--html", tmp_path / "p.html", *place)
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    # Three layers and three fusions of them, two layers and three fusions, and everything side by side.
    assert len(found["candidates"]) == 6 + 5 + 1
    assert [len(c["backbones"]) for c in found["candidates"]].count(2) == 1
    flags = found["recommendation"]["flags"].split()
    code, out, _ = run(
        capsys, "fit", table, "--target", "label", *flags, "--features", "embedding", "--out", tmp_path / "m", *place
    )
    assert code == 0
    assert json.loads(out.splitlines()[-1])["n_embedded"] == 0
    both = next(c for c in found["candidates"] if len(c["backbones"]) == 2)
    assert both["width"] == 3 * 16 + 2 * 32
    assert (tmp_path / "p.html").read_text().count("<svg") == 2


def test_mistakes_on_the_command_line(folders, table, tmp_path, capsys):
    code, _, err = run(
        capsys, "fit", table, "--target", "label", "--backbone", folders[0], "--backbone", f"{folders[2]}::layer=1",
        "--out", tmp_path / "m",
    )  # fmt: skip
    assert code == 2
    assert "Did you mean 'layers'" in err
    assert not (tmp_path / "m").exists()
