"""More rows: the same as a fit on all of them with the choices fixed, and nothing is embedded twice."""

from __future__ import annotations

import numpy as np
import pytest

import frostline
from fakes import tiny_bert
from frostline import StoreError, TextClassifier, TextEmbedder, TextRegressor, UserError
from frostline.heads import LinearRegressor, MLPClassifier, settled


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def embedder(folder, store_path):
    return TextEmbedder(folder, layers=[1, "final"], store=store_path, progress=False)


def rows(n=60, seed=0, letters=("abcde ", "vwxyz ")):
    rng = np.random.default_rng(seed)
    y = [f"class {i % len(letters)}" for i in range(n)]
    return ["".join(rng.choice(list(letters[int(label[-1])]), 12)) + f"{seed}-{i}" for i, label in enumerate(y)], y


@pytest.mark.parametrize("keep_texts", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_equals_a_fit_on_all_rows(embedder, tmp_path, saved, keep_texts):
    old, y = rows()
    new, more = rows(30, seed=1, letters=("abcde ", "vwxyz ", "mnopq "))
    clf = TextClassifier(embedder=embedder, features="embedding").fit(old, y)
    if saved:
        clf.save(tmp_path / "m", keep_texts=keep_texts)
        clf = frostline.load(tmp_path / "m", store=embedder.store, progress=False)
    strength = clf.head_.strength_
    clf.update(new, more)
    assert clf.classes_.tolist() == ["class 0", "class 1", "class 2"]
    assert clf.n_train_ == len(clf.rows_) == 90
    assert clf.head_.strength_ == strength
    head = settled(clf.head_)
    whole = TextClassifier(embedder=embedder, features="embedding", head=head).fit(old + new, y + more)
    np.testing.assert_array_equal(clf.predict_proba(new), whole.predict_proba(new))
    assert clf.cv_metrics_ == whole.cv_metrics_
    found = clf.neighbors(new[:3], 1)
    assert [line[0] for line in found.rows] == ["added:60", "added:61", "added:62"]
    assert found.targets[:, 0].tolist() == more[:3]
    assert (found.texts is not None) == (keep_texts or not saved)
    assert clf.head in ("auto", "linear")


def test_again_and_again(embedder, tmp_path):
    texts, y = rows(90)
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[:40], y[:40])
    head = settled(clf.head_)
    for start in (40, 65):
        clf.save(tmp_path / "m")
        clf = frostline.load(tmp_path / "m", store=embedder.store, progress=False)
        clf.update(texts[start : start + 25], y[start : start + 25])
    whole = TextClassifier(embedder=embedder, features="embedding", head=head).fit(texts, y)
    np.testing.assert_array_equal(clf.predict_proba(texts), whole.predict_proba(texts))


def test_only_new_texts_are_embedded(embedder, store_path, monkeypatch):
    from frostline.backbones.transformer import TransformerBackbone

    clf = TextClassifier(embedder=embedder, features="embedding").fit(*rows())
    ran = []
    forward = TransformerBackbone.forward
    monkeypatch.setattr(
        TransformerBackbone, "forward", lambda self, ids, taps: ran.append(len(ids)) or forward(self, ids, taps)
    )
    clf.update(*rows(30, seed=1))
    assert sum(ran) == 30


def test_several_backbones(folder, tmp_path, store_path):
    backbones = [folder, str(tiny_bert(tmp_path / "wide", width=24))]
    embedder = TextEmbedder(backbones, store=store_path, progress=False)
    texts, y = rows(90)
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[:60], y[:60])
    clf.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m", store=store_path, progress=False).update(texts[60:], y[60:])
    head = settled(clf.head_)
    whole = TextClassifier(embedder=embedder, features="embedding", head=head).fit(texts, y)
    np.testing.assert_array_equal(again.predict_proba(texts), whole.predict_proba(texts))
    assert again.neighbors(texts[:2], 1).rows == [[0], [1]]
    with pytest.raises(UserError, match="labeled already"):
        again.suggest(texts)


def test_words_need_texts(embedder, tmp_path):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="both").fit(texts, y)
    clf.save(tmp_path / "with", keep_texts=True)
    clf.save(tmp_path / "without")
    new = rows(20, seed=1)
    again = frostline.load(tmp_path / "with", store=embedder.store, progress=False).update(*new)
    head = settled(clf.head_)
    whole = TextClassifier(embedder=embedder, features="both", head=head).fit(texts + new[0], y + new[1])
    np.testing.assert_array_equal(again.predict_proba(texts), whole.predict_proba(texts))
    with pytest.raises(UserError, match="learns on words"):
        frostline.load(tmp_path / "without", store=embedder.store, progress=False).update(*new)


@pytest.mark.parametrize(("store", "message"), [(None, "is not used"), ("empty", "lacks 60 of 60")])
def test_a_store_that_lacks_the_rows(embedder, tmp_path, store, message):
    texts, y = rows()
    TextClassifier(embedder=embedder, features="embedding").fit(texts, y).save(tmp_path / "m")
    store = None if store is None else tmp_path / store
    again = frostline.load(tmp_path / "m", store=store, progress=False)
    with pytest.raises(StoreError, match=message):
        again.update(*rows(20, seed=1))
    assert again.n_train_ == 60
    assert again.score(texts, y) > 0.9


def test_numbers(embedder):
    texts = rows()[0]
    y = np.arange(60.0) % 12
    reg = TextRegressor(embedder=embedder, features="embedding", target_transform="none").fit(texts[:40], y[:40])
    head = LinearRegressor(strengths=[reg.head_.strength_])
    reg.update(texts[40:], y[40:])
    whole = TextRegressor(embedder=embedder, features="embedding", head=head, target_transform="none").fit(texts, y)
    np.testing.assert_array_equal(reg.predict(texts), whole.predict(texts))


def test_the_scale_that_was_chosen_stays_before_saving_as_after_it(embedder, tmp_path):
    texts = rows()[0]
    y = np.arange(60.0) % 12
    reg = TextRegressor(embedder=embedder, features="embedding").fit(texts[:40], y[:40])
    reg.save(tmp_path / "m")
    again = frostline.load(tmp_path / "m", store=embedder.store, progress=False)
    chosen, steep = reg.scale_.kind, np.exp(y)  # for which another scale would be chosen
    for one in (reg, again):
        one.update(texts[40:], steep[40:])
        assert one.scale_.kind == chosen
    assert reg.target_transform == "auto"
    np.testing.assert_allclose(reg.predict(texts), again.predict(texts), rtol=1e-5)


def test_strength_may_be_chosen_again(embedder):
    texts, y = rows(90)
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts[:10], y[:10])
    clf.update(texts[10:], y[10:], strength="auto")
    whole = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    assert clf.head_.strength_ == whole.head_.strength_
    assert len(clf.head_.cv_scores_) > 1


def test_groups_reach_over_updates(embedder):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(
        texts[:40], y[:40], [f"g{i % 4}" for i in range(40)]
    )
    clf.update(texts[40:], y[40:], [f"g{i % 4}" for i in range(20)])
    assert len(set(clf.rows_.groups.tolist())) == 4
    clf.update(*rows(10, seed=3))
    assert len(set(clf.rows_.groups.tolist())) == 14
    with pytest.raises(UserError, match="3 entries"):
        clf.update(*rows(10, seed=4), groups=[1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [1, 2] * 5}, "another type"),
        ({"y": ["class 0"] * 9}, "as many targets"),
        ({"y": ["class 0", None] * 5}, "missing"),
        ({"strength": "kept"}, "'keep', 'auto'"),
    ],
)
def test_refused_and_left_as_it_was(embedder, arguments, message):
    texts, y = rows()
    clf = TextClassifier(embedder=embedder, features="embedding").fit(texts, y)
    before = clf.predict_proba(texts)
    new, labels = rows(10, seed=1)
    with pytest.raises(UserError, match=message):
        clf.update(new, **{"y": labels, **arguments})
    np.testing.assert_array_equal(clf.predict_proba(texts), before)
    assert (clf.n_train_, clf.features, clf.head) == (60, "embedding", "auto")


def test_settled_heads_make_no_choice():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    head = MLPClassifier(hidden=(4,), epochs=2).fit(X, y)
    again = settled(head)
    assert (again.lrs, again.hidden) == ([head.chosen_["lr"]], (4,))
