"""Each distinct text runs once; plans, windows and resumption; nothing is cut silently."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import frostline.extraction as extraction
from fakes import tiny_bert
from frostline.backbones import resolve
from frostline.contracts import BackboneSpec, Tap
from frostline.errors import StoreError, UserError
from frostline.extraction import Extractor
from frostline.store import Store

TAPS = [Tap(0), Tap(1), Tap("final")]


class Counting:
    """A backbone that counts what it runs on and can be killed after some batches."""

    def __init__(self, inner, die_after=None):
        self.inner, self.die_after = inner, die_after
        self.batches = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def forward(self, ids, taps):
        if self.die_after is not None and len(self.batches) == self.die_after:
            raise KeyboardInterrupt
        self.batches.append((len(ids), [tap.layer for tap in taps]))
        return self.inner.forward(ids, taps)

    @property
    def n_texts(self):
        return sum(n for n, _ in self.batches)


def test_a_stream_without_a_store_forgets_what_it_can_run_again(tmp_path, monkeypatch):
    backbone = Counting(resolve(BackboneSpec(str(tiny_bert(tmp_path / "m")))))
    extractor = Extractor(backbone, TAPS, store=None, progress=False)
    windows = [["a", "b"], ["b", "c"], ["a"]]
    kept = [features.columns for features in extractor.stream(windows)]
    assert backbone.n_texts == 3
    monkeypatch.setattr(extraction, "MOST_IN_MEMORY", 0)
    stream = extractor.stream(windows)
    for own, again in zip(kept, stream, strict=True):
        np.testing.assert_allclose(own, again.columns, atol=1e-5)
    assert backbone.n_texts == 3 + 5
    assert stream.stats().n_texts == 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def backbone(folder):
    return Counting(resolve(BackboneSpec(folder)))


def texts_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("abc def"), rng.integers(1, 40))) + str(i) for i in range(n)]


def extract(backbone, texts, **options):
    return Extractor(backbone, TAPS, progress=False, **options)(texts)


def test_each_distinct_text_runs_once(backbone):
    found = extract(backbone, ["b", "a", "b", "b"])
    assert backbone.n_texts == 2
    assert found.vectors.shape == (4, 3, 16)
    np.testing.assert_array_equal(found.vectors[0], found.vectors[2])
    assert found.stats.n_rows == 4
    assert (found.stats.n_texts, found.stats.n_embedded, found.stats.n_tokens) == (2, 2, 6)
    assert (found.keys[0] == found.keys[3]).all()
    assert (found.keys[0] != found.keys[1]).any()


def test_texts_equal_after_truncation_run_once_and_are_counted(backbone):
    found = extract(backbone, ["a" * 70, "a" * 80, "b"], max_length=10)
    assert backbone.n_texts == 2
    assert found.truncated.tolist() == [True, True, False]
    assert found.stats.n_truncated == 2


def test_second_time_everything_comes_from_the_store(backbone, store_path):
    texts = texts_of(50)
    with Store(store_path) as store:
        first = extract(backbone, texts, store=store)
    ran = backbone.n_texts
    with Store(store_path) as store:
        second = extract(backbone, texts[::-1], store=store)
    assert backbone.n_texts == ran == first.stats.n_embedded
    assert second.stats.n_embedded == 0
    np.testing.assert_array_equal(second.vectors[::-1], first.vectors)


def test_a_missing_layer_runs_alone(backbone, store_path):
    with Store(store_path) as store:
        Extractor(backbone, [Tap(1)], store=store, progress=False)(["abc"])
        extract(backbone, ["abc"], store=store)
    assert backbone.batches == [(1, [1]), (1, [0, "final"])]


def test_windows_of_rows_give_the_same_vectors(backbone, monkeypatch):
    texts = texts_of(40) * 2
    whole = extract(backbone, texts)
    ran = backbone.n_texts
    monkeypatch.setattr(extraction, "row_windows", lambda n: [slice(i, min(i + 7, n)) for i in range(0, n, 7)])
    cut = extract(backbone, texts)
    np.testing.assert_allclose(cut.vectors, whole.vectors, atol=2e-6)
    assert backbone.n_texts == 2 * ran == 80  # a text that comes again in a later window is not run again
    assert cut.stats.n_texts == whole.stats.n_texts == 40


@pytest.mark.parametrize("die_after", [0, 1, 3])
def test_killed_and_resumed_gives_the_same_bytes(folder, tmp_path, monkeypatch, die_after):
    monkeypatch.setattr(extraction, "plan_batches", lambda lengths, keys: plan(lengths, keys, budget=120))
    texts = texts_of(60)
    with Store(tmp_path / "undisturbed") as store:
        undisturbed = extract(Counting(resolve(BackboneSpec(folder))), texts, store=store)
    dying = Counting(resolve(BackboneSpec(folder)), die_after)
    with pytest.raises(KeyboardInterrupt), Store(tmp_path / "killed") as store:
        extract(dying, texts, store=store)
    resumed = Counting(resolve(BackboneSpec(folder)))
    with Store(tmp_path / "killed") as store:
        found = extract(resumed, texts, store=store)
    np.testing.assert_array_equal(found.vectors, undisturbed.vectors)
    assert dying.n_texts + resumed.n_texts == 60


plan = extraction.plan_batches


def test_chunks_cover_the_whole_text(backbone):
    long = "".join(np.random.default_rng(0).choice(list("abcdefgh"), 100))
    found = extract(backbone, [long, "short", long], max_length=20, overflow="chunk")
    assert found.stats.n_truncated == 0
    pieces = [long[i : i + 18] for i in range(0, 100, 18)]
    vectors = extract(backbone, pieces).vectors.astype(np.float64)
    weights = np.array([len(piece) + 2 for piece in pieces])  # with [CLS] and [SEP], as the mean pools them
    expected = np.einsum("pld,p->ld", vectors, weights / weights.sum())
    np.testing.assert_allclose(found.vectors[0], expected, atol=1e-5)
    np.testing.assert_array_equal(found.vectors[0], found.vectors[2])
    np.testing.assert_allclose(found.vectors[1], extract(backbone, ["short"]).vectors[0], atol=2e-6)


@pytest.mark.parametrize(("how", "position"), [("first_token", 0), ("last_token", -1)])
def test_chunks_of_token_poolings(backbone, how, position):
    text = "abcdefgh" * 5
    found = Extractor(backbone, [Tap("final", how)], max_length=20, overflow="chunk", progress=False)([text]).vectors
    pieces = [text[i : i + 18] for i in range(0, 40, 18)]
    alone = Extractor(backbone, [Tap("final", how)], progress=False)([pieces[position]]).vectors
    np.testing.assert_allclose(found, alone, atol=2e-6)


def test_chunks_of_max_pooling_and_unit_length(backbone):
    taps = [Tap("final", "max"), Tap("final", "mean", True)]
    found = Extractor(backbone, taps, max_length=20, overflow="chunk", progress=False)(["abcdefgh" * 5]).vectors[0]
    pieces = ["abcdefgh" * 5][0]
    alone = Extractor(backbone, taps[:1], progress=False)([pieces[i : i + 18] for i in range(0, 40, 18)]).vectors[:, 0]
    np.testing.assert_allclose(found[0], alone.max(0), atol=2e-6)
    assert np.linalg.norm(found[1]) == pytest.approx(1.0, abs=1e-6)


def test_overflow_error_names_the_row(backbone):
    with pytest.raises(UserError, match=r"Row 2 has 72 tokens, more than the window of 64 \(2 such rows\)"):
        extract(backbone, ["a", "b", "c" * 70, "d" * 90], overflow="error")
    assert backbone.n_texts == 0


@pytest.mark.parametrize("options", [{"overflow": "cut"}, {"max_length": 65}, {"max_length": 1}, {"max_length": 3.5}])
def test_refused(backbone, options):
    with pytest.raises(UserError, match="Allowed|positions|whole number"):
        extract(backbone, ["a"], **options)


def test_no_rows(backbone):
    found = extract(backbone, [])
    assert found.vectors.shape == (0, 3, 16)
    assert found.stats.n_texts == 0


def test_prompt_is_part_of_what_is_read(backbone):
    prompted = extract(backbone, ["abc"], prompt="q: ")
    np.testing.assert_array_equal(prompted.vectors, extract(backbone, ["q: abc"]).vectors)


def test_forecast_counts_and_stores_nothing(backbone, store_path):
    texts = [*texts_of(30), "z" * 90]
    with Store(store_path) as store:
        extract(backbone, texts[:10], store=store)
        before = store.info()["n_vectors"]
        forecast = Extractor(backbone, TAPS, store=store, progress=False).forecast(texts + texts[:5])
        assert store.info()["n_vectors"] == before
    stats = forecast.stats
    assert (stats.n_rows, stats.n_texts, stats.n_embedded, stats.n_truncated) == (36, 31, 21, 1)
    assert stats.seconds > 0
    assert forecast.bytes == 21 * 3 * (16 * 4 + 16)


def test_what_another_process_removes_meanwhile_runs_again(backbone, store_path, monkeypatch):
    texts = texts_of(20)
    with Store(store_path) as store:
        first = extract(backbone, texts, store=store)
    run = Extractor.run
    n_runs = []

    def run_then_prune(self, window, store, advance):
        n_runs.append(run(self, window, store, advance))
        if len(n_runs) == 1:
            with Store(store_path) as other:
                assert other.prune(max_bytes=0)["n_vectors_removed"] == 60
        return n_runs[-1]

    monkeypatch.setattr(Extractor, "run", run_then_prune)
    with Store(store_path) as store:
        again = extract(backbone, texts, store=store)
    assert n_runs == [0, 20]
    assert again.stats.n_embedded == 20
    np.testing.assert_array_equal(again.vectors, first.vectors)


def test_damage_is_not_hidden_by_running_again(backbone, store_path):
    with Store(store_path) as store:
        extract(backbone, texts_of(20), store=store)
    for shard in (store_path / "shards").iterdir():
        shard.write_bytes(shard.read_bytes()[:-40] + b"x" * 40)
    with Store(store_path) as store, pytest.raises(StoreError, match="damaged|checksum|verify"):
        extract(backbone, texts_of(20), store=store)
    assert backbone.n_texts == 20


def test_what_does_not_fit_the_store_is_refused_before_anything_runs(backbone, store_path):
    with (
        Store(store_path, max_bytes=19 * 3 * (16 * 4 + 16)) as store,
        pytest.raises(StoreError, match="more than the limit"),
    ):
        extract(backbone, texts_of(20), store=store)
    assert backbone.n_texts == 0
    assert not store_path.exists()


def test_a_full_disk_is_seen_before_anything_runs(backbone, store_path, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr("frostline.store.place.shutil.disk_usage", lambda _: SimpleNamespace(free=4000))
    with Store(store_path) as store, pytest.raises(StoreError, match="needs 4.8 kB at .* 4 kB are free"):
        extract(backbone, texts_of(20), store=store)
    assert backbone.n_texts == 0


def test_the_store_is_let_go_at_once(backbone, tmp_path):
    """In a cycle it would keep its shards locked until the collector runs, and nobody could prune them."""
    store = Store(tmp_path / "s")
    gone = weakref.ref(store)
    gc.disable()
    try:
        Extractor(backbone, TAPS, store=store, progress=False)(["a", "b"])
        del store
        assert gone() is None
    finally:
        gc.enable()
