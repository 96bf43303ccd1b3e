"""What is kept of training rows: neighbors from memory and from folders, sizes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline import ArtifactError, TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.estimators import kept
from frostline.estimators.kept import TrainingRows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def embedder(folder, store_path):
    return TextEmbedder(folder, layers=[1, "final"], store=store_path, progress=False)


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(["good", "bad"])[np.arange(n) % 2]
    letters = {"good": list("abcde "), "bad": list("vwxyz ")}
    return ["".join(rng.choice(letters[label], 12)) + f"{i}" for i, label in enumerate(y)], y


def test_a_training_row_is_its_own_nearest(embedder):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    found = clf.neighbors(texts[:7], k=3)
    assert [line[0] for line in found.rows] == list(range(7))
    assert found.targets.shape == found.similarities.shape == (7, 3)
    assert found.targets[:, 0].tolist() == y[:7].tolist()
    np.testing.assert_allclose(found.similarities[:, 0], 1, atol=1e-5)
    assert (np.diff(found.similarities) <= 0).all()
    assert found.texts[3][0] == texts[3]


def test_similarities_are_those_of_exact_vectors(embedder):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    others = rows(5, seed=9)[0]
    Z, Q = clf.embed(texts).astype(float), clf.embed(others).astype(float)
    mean, scale = Z.mean(0), Z.std(0)
    Z, Q = (Z - mean) / scale, (Q - mean) / scale
    cosines = (Q @ Z.T) / np.linalg.norm(Q, axis=1)[:, None] / np.linalg.norm(Z, axis=1)
    found = clf.neighbors(others, k=60)
    for i, line in enumerate(found.rows):
        np.testing.assert_allclose(found.similarities[i], cosines[i][line], atol=2e-3)


@pytest.mark.parametrize("keep_texts", [False, True])
def test_saved_and_loaded(embedder, tmp_path, keep_texts):
    texts = rows()[0]
    reg = TextRegressor(embedder=embedder, features="embedding").fit(texts, np.arange(60.0))
    reg.save(tmp_path / "m", keep_texts=keep_texts)
    again = frostline.load(tmp_path / "m", store=embedder.store, progress=False)
    here, there = reg.neighbors(texts[:4], 2), again.neighbors(texts[:4], 2)
    assert there.rows == here.rows
    np.testing.assert_array_equal(there.similarities, here.similarities)
    assert there.targets[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert there.texts == (here.texts if keep_texts else None)
    folder = b"".join(path.read_bytes() for path in (tmp_path / "m").iterdir())
    assert (texts[0].encode() in folder) == keep_texts
    card = (tmp_path / "m" / "card.md").read_text()
    assert f"of 60 training rows and targets, {'with' if keep_texts else 'without'} their texts: 0.0 MB" in card


def test_a_folder_without_rows(embedder, tmp_path):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder).fit(texts, y)
    clf.save(tmp_path / "m", keep_rows=False)
    assert not (tmp_path / "m" / "rows.safetensors").exists()
    again = frostline.load(tmp_path / "m", store=None, progress=False)
    with pytest.raises(UserError, match="keeps nothing"):
        again.neighbors(texts[:1])
    with pytest.raises(UserError, match="the rows themselves are not"):
        clf.save(tmp_path / "m2", keep_rows=False, keep_texts=True)
    clf.save(tmp_path / "m3")
    with pytest.raises(UserError, match="does not know them"):
        frostline.load(tmp_path / "m3", store=None, progress=False).save(tmp_path / "m4", keep_texts=True)


def test_too_many_rows_are_sampled_and_said_so(embedder, monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "MAX_BYTES", 20 * 2 * 32)  # twenty rows of two layers of sixteen
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    assert (len(clf.rows_), clf.rows_.vectors.shape) == (60, (20, 32))
    known = clf.rows_.where.tolist()
    found = clf.neighbors([texts[i] for i in known], 1)
    assert [line[0] for line in found.rows] == known
    assert "20 of 60 training rows" in clf.rows_.describe(keep_texts=False)
    with pytest.raises(UserError, match="from 1 to 20"):
        clf.neighbors(texts[:1], 21)


def test_words_have_no_neighbors(embedder):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="tfidf").fit(texts, y)
    with pytest.raises(UserError, match="reads words"):
        clf.neighbors(texts[:1])


@pytest.mark.parametrize("k", [0, 61, True, 1.5])
def test_number_of_neighbors(embedder, k):
    clf = TextClassifier(embedder=embedder, features="embedding").fit(*rows())
    with pytest.raises(UserError, match="from 1 to 60"):
        clf.neighbors(["a"], k)


def test_constant_columns_and_damaged_arrays():
    features = np.c_[np.full(6, 3.1), np.arange(6)].astype(np.float32)
    clf_rows = TrainingRows(
        np.zeros((6, 2), np.uint64), np.zeros(6), None, *_standard(features), np.arange(6), list("abcdef"), None
    )
    state = clf_rows.get_state(keep_texts=True)
    assert TrainingRows.from_state(state).names == list("abcdef")
    with pytest.raises(ArtifactError, match="differ in length"):
        TrainingRows.from_state({**state, "targets": np.zeros(5)})
    with pytest.raises(ArtifactError, match="Kept rows are"):
        TrainingRows.from_state({**state, "more": np.zeros(5)})


def _standard(fused):
    mean, scale = kept._moments(fused)
    assert scale[0] == 1
    assert scale[1] == pytest.approx(np.arange(6).std())
    return ((fused - mean) / scale).astype(np.float16), mean, scale


def test_groups_are_digested_alike():
    assert kept.digests(["a", "b", "a"]).tolist() == kept.digests(np.array(["a", "b", "a"])).tolist()
    assert len(set(kept.digests(["1", 1, None]).tolist())) == 3
