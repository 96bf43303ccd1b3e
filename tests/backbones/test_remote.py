"""The remote backbone: names, batches, canary, store, estimators and command line, against a real server."""

from __future__ import annotations

import json
import random
import re
import shlex
import traceback
from pathlib import Path

import numpy as np
import pytest

import frostline
from frostline.backbones import clear_cache, resolve
from frostline.backbones.remote import CANARY, REQUEST_TEXTS, ROUNDS, Address, RemoteBackbone, read_address
from frostline.backbones.service import check_canary, same_model
from frostline.cli import main
from frostline.contracts import Backbone, BackboneSpec, FeatureSpec, Tap
from frostline.errors import ArtifactError, StoreError, UserError
from frostline.extraction import Extractor
from frostline.store import Store
from service import EmbeddingsService, letters_of, serving, vector_of

ROOT = Path(__file__).parents[2]
KEY = "sk-proj-Zq81LkPq77vv0TTm"
TAP = Tap("final", "service")


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    clear_cache()
    yield
    clear_cache()


@pytest.fixture
def service():
    with serving(EmbeddingsService()) as running:
        yield running


def backbone_of(service, model="m"):
    return RemoteBackbone(f"api:{model}@{service.url}", sleep=lambda seconds: None, rng=random.Random(0))


def ids_of(backbone, texts):
    return backbone.tokenize(texts, backbone.max_length).ids


def extract(backbone, texts, store=None):
    return Extractor(backbone, [TAP], store=store, progress=False)(texts)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("api:m", Address("m", "https://api.openai.com/v1", None)),
        ("api:m?dimensions=256", Address("m", "https://api.openai.com/v1", 256)),
        ("api:bge-m3:latest@http://localhost:11434/v1/", Address("bge-m3:latest", "http://localhost:11434/v1", None)),
        ("api:org/m?dimensions=8@https://H.example/v1", Address("org/m", "https://h.example/v1", 8)),
        ("api:@cf/baai/bge@https://h/v1", Address("@cf/baai/bge", "https://h/v1", None)),
    ],
)
def test_names(name, address):
    assert read_address(name) == address


def test_the_base_of_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:80/v1/")
    assert read_address("api:m").url == "http://127.0.0.1:80/v1"
    assert read_address("api:m@https://h").url == "https://h"


@pytest.mark.parametrize(
    "name",
    [
        "api:",
        "api:m@localhost:11434",
        "api:m@ftp://h",
        "api:m?dimensions=0",
        "api:m?dimensions=x",
        "api:m?width=3",
        "api:m?dimensions=3&key=1",
        "api:m m",
        "api:m\n",
        "api:m@https://",
        "api:m@https://h:99999",
        "api:m@https://ü/v1",
        f"api:m@https://user:{KEY}@h/v1",
        f"api:m@https://h/v1?key={KEY}",
        "api:m@https://user:opensesame@h/v1",
        "api:m@https://h/v1?api-key=opensesame",
        f"api:{KEY}",
    ],
)
def test_malformed_names_are_refused_without_their_secrets(name):
    with pytest.raises(UserError) as e:
        resolve(BackboneSpec(name))
    shown = "".join(traceback.format_exception(e.value))
    assert KEY not in shown
    assert "opensesame" not in shown


def test_it_is_a_backbone(service):
    backbone = backbone_of(service)
    assert isinstance(backbone, Backbone)
    assert (backbone.n_layers, backbone.dim) == (0, 8)
    assert backbone.identity == {"service": service.url, "model": "m", "dimensions": None}
    assert service.inputs == [[CANARY]]
    assert service.requests[0] == {"model": "m", "encoding_format": "float", "input": [CANARY]}
    np.testing.assert_array_equal(backbone.service.canary, vector_of(CANARY))


def test_vectors_are_those_of_the_service(service):
    backbone = backbone_of(service)
    texts = ["b", "über €", "日本語 🎉", "a\x00b", " "]
    vectors = backbone.forward(ids_of(backbone, texts), [TAP, Tap(0, "service")])
    np.testing.assert_array_equal(vectors[:, 0], [vector_of(text) for text in texts])
    np.testing.assert_array_equal(vectors[:, 1], vectors[:, 0])
    assert service.inputs[1] == texts


def test_dimensions_are_asked_for_and_checked(service):
    assert backbone_of(service, "m?dimensions=3").dim == 3
    assert service.requests[0]["dimensions"] == 3
    with pytest.raises(UserError, match="wrong dimension: 8, expected 30"):
        backbone_of(service, "m?dimensions=30")


def test_base64_answers(service):
    backbone = backbone_of(service)

    def as_base64(i, request, good):
        return service.reply("/v1/embeddings", {}, {**request, "encoding_format": "base64"})

    service.misbehave = lambda i, request, good: (
        good if request["encoding_format"] == "base64" else as_base64(i, request, good)
    )
    np.testing.assert_array_equal(backbone.forward(ids_of(backbone, ["x"]), [TAP])[0, 0], vector_of("x"))


def test_answers_in_any_order(service):
    backbone = backbone_of(service)
    service.misbehave = lambda i, request, good: (200, {}, {"data": good[2]["data"][::-1]})
    texts = list("abcde")
    np.testing.assert_array_equal(backbone.forward(ids_of(backbone, texts), [TAP])[:, 0], [*map(vector_of, texts)])


def test_texts_that_an_answer_left_out_are_asked_again(service):
    backbone = backbone_of(service)
    service.misbehave = lambda i, request, good: (200, {}, {"data": good[2]["data"][1::2] or good[2]["data"]})
    texts = list("abcdef")
    np.testing.assert_array_equal(backbone.forward(ids_of(backbone, texts), [TAP])[:, 0], [*map(vector_of, texts)])
    assert service.inputs[1:] == [list("abcdef"), list("ace"), list("ae"), list("a")]


def test_texts_that_never_come_are_an_error(service):
    backbone = backbone_of(service)
    service.misbehave = lambda i, request, good: (200, {}, {"data": good[2]["data"][:1]})
    with pytest.raises(UserError, match=f"left out 2 of 6 texts, asked {ROUNDS} times"):
        backbone.forward(ids_of(backbone, list("abcdef")), [TAP])
    assert len(service.inputs) == 1 + ROUNDS


def test_a_request_that_is_too_much_is_halved(service):
    backbone = backbone_of(service)
    refusal = 400, {}, {"error": {"message": "too many inputs: at most 2"}}
    service.misbehave = lambda i, request, good: refusal if len(request["input"]) > 2 else good
    texts = list("abcdefg")
    np.testing.assert_array_equal(backbone.forward(ids_of(backbone, texts), [TAP])[:, 0], [*map(vector_of, texts)])
    assert [len(texts) for texts in service.inputs[1:]] == [7, 3, 1, 2, 4, 2, 2]


def test_a_single_text_that_is_too_long_is_named(service):
    backbone = backbone_of(service)
    refusal = 400, {}, {"error": {"message": "maximum context length is 8192 tokens"}}
    service.misbehave = lambda i, request, good: refusal if "ü" * 50 in request["input"] else good
    with pytest.raises(
        UserError, match="text of 100 bytes outgrows the window.*refuses: HTTP 400: maximum context"
    ) as e:
        backbone.forward(ids_of(backbone, ["a", "ü" * 50, "b"]), [TAP])
    assert "nothing is cut silently" in e.value.hint


@pytest.mark.parametrize(
    ("vector", "said"), [([1.0, 2.0], "wrong dimension: 2, expected 8"), ([float("nan")] * 8, "NaN")]
)
def test_bad_vectors_store_nothing(service, store_path, vector, said):
    backbone = backbone_of(service)
    service.misbehave = lambda i, request, good: (200, {}, {"data": [{"index": 0, "embedding": vector}]})
    with pytest.raises(UserError, match=said):
        extract(backbone, ["a"], Store(store_path))
    assert Store(store_path).info()["n_vectors"] == 1  # the canary


def test_a_refusal_of_the_canary_is_not_a_long_text(service):
    service.misbehave = lambda i, request, good: (400, {}, {"error": {"message": "dimensions: at most 1024"}})
    with pytest.raises(UserError, match="refuses: HTTP 400: dimensions: at most 1024") as e:
        backbone_of(service, "m?dimensions=2000")
    assert "window" not in str(e.value)


def test_texts_that_cannot_be_sent(service):
    backbone = backbone_of(service)
    with pytest.raises(UserError, match="Text 1 is empty.*1 such texts"):
        extract(backbone, ["a", ""])
    with pytest.raises(UserError, match="unpaired surrogate at character 2"):
        extract(backbone, ["ab\ud800"])
    assert service.inputs == [[CANARY]]


def test_requests_are_bounded_and_planned_from_the_texts_alone(service, store_path):
    texts = [f"text {i}" for i in range(300)] + ["x" * 60_000, "y" * 60_000, "z" * 150_000]
    backbone = backbone_of(service)
    found = extract(backbone, texts, Store(store_path))
    np.testing.assert_array_equal(found.vectors[:, 0], [vector_of(text) for text in texts])
    sizes = [(len(sent), sum(map(len, sent))) for sent in service.inputs[1:]]
    assert sizes[:2] == [(1, 150_000), (1, 60_000)]
    assert all(n <= REQUEST_TEXTS and size <= 100_000 for n, size in sizes[1:])
    assert len(sizes) == 6
    assert found.stats.n_tokens == round(sum(map(len, texts)) / 4)
    plan = service.inputs[1:]
    service.requests.clear()
    extract(backbone, texts[::-1])
    assert service.inputs == plan


def test_a_job_that_broke_off_sends_only_what_is_missing(service, store_path):
    texts = [f"text {i}" for i in range(300)]
    backbone = backbone_of(service)
    down = 503, {}, {"error": "down"}
    service.misbehave = lambda i, request, good: good if i < 2 else down
    with pytest.raises(UserError, match="cannot be used now"):
        extract(backbone, texts, Store(store_path))
    sent = service.inputs[1]
    service.requests.clear()
    service.misbehave = lambda i, request, good: good
    again = extract(backbone_of(service), texts, Store(store_path))
    assert sorted(service.texts) == sorted([CANARY, *(set(texts) - set(sent))])
    assert again.stats.n_embedded == 300 - len(sent)
    np.testing.assert_array_equal(again.vectors[:, 0], [vector_of(text) for text in texts])
    service.requests.clear()
    extract(backbone_of(service), texts, Store(store_path))
    assert service.texts == [CANARY]


def test_a_changed_model_mixes_nothing(service, store_path):
    extract(backbone_of(service), ["a", "b"], Store(store_path))
    before = Store(store_path).info()["n_vectors"]
    service.embed = lambda text: vector_of(text, model="another")
    changed = backbone_of(service)
    with pytest.raises(StoreError, match="model has changed behind its name.*Nothing was mixed") as e:
        extract(changed, ["c"], Store(store_path))
    assert "frostline store prune --address" in e.value.hint
    assert service.texts.count("c") == 0
    assert Store(store_path).info()["n_vectors"] == before
    Store(store_path).prune(address=FeatureSpec.of(changed, TAP).address)
    np.testing.assert_array_equal(extract(changed, ["c"], Store(store_path)).vectors[0, 0], service.embed("c"))


def test_a_changed_width_mixes_nothing(service, store_path):
    extract(backbone_of(service), ["a"], Store(store_path))
    service.embed = lambda text: vector_of(text, dim=16)
    with pytest.raises(StoreError, match="width 8.*says 16: the model behind this name has changed. Nothing was mixed"):
        extract(backbone_of(service), ["b"], Store(store_path))
    assert service.texts.count("b") == 0


def test_rounding_is_not_a_changed_model(service, store_path):
    extract(backbone_of(service), ["a"], Store(store_path))
    service.embed = lambda text: vector_of(text) * np.float32(1.001) + np.float32(1e-3)
    assert extract(backbone_of(service), ["b"], Store(store_path)).stats.n_embedded == 1
    assert same_model([1, 0], [2, 0.01])
    assert not same_model([1, 0], [1, 0.05])
    assert not same_model([1, 0], [1, 0, 0])


def test_the_canary_is_stored_once(service, store_path):
    backbone, store = backbone_of(service), Store(store_path)
    spec = FeatureSpec.of(backbone, TAP)
    for _ in range(2):
        check_canary(backbone.service, [spec], store)
    assert store.info()["n_vectors"] == 1
    extract(backbone, [CANARY, "a"], store)
    assert service.texts == [CANARY, "a"]


def test_a_forecast_counts_a_text_once_over_all_windows(service, monkeypatch):
    windows = [slice(0, 2), slice(2, 4), slice(4, 6)]
    monkeypatch.setattr("frostline.extraction.row_windows", lambda n_rows: windows)
    forecast = Extractor(backbone_of(service), [TAP], progress=False).forecast(list("abacba"))
    stats = forecast.stats
    assert (stats.n_rows, stats.n_texts, stats.n_embedded, forecast.n_requests) == (6, 3, 3, 2)
    assert (forecast.bytes, stats.n_tokens, forecast.n_billed, stats.seconds) == (3 * (8 * 4 + 16), 1, 1, 0)


def test_another_base_in_the_environment_is_another_backbone(service, monkeypatch):
    with serving(EmbeddingsService()) as elsewhere:
        for running in (service, elsewhere, service):
            monkeypatch.setenv("OPENAI_BASE_URL", running.url)
            assert resolve(BackboneSpec("api:m")).identity["service"] == running.url
    assert (len(service.requests), len(elsewhere.requests)) == (1, 1)


@pytest.mark.parametrize("options", [{"max_length": 64}, {"overflow": "chunk"}, {"overflow": "error"}])
def test_a_window_is_refused(service, options):
    embedder = frostline.TextEmbedder(f"api:m@{service.url}", store=None, **options)
    with pytest.raises(UserError, match="the service counts its own tokens"):
        embedder.fit(["a"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": "mean"}, "the service pools itself. Allowed: 'recipe'"),
        ({"layers": 3}, "has one layer: allowed are 0 and 'final'"),
        ({"layers": [0, "final"]}, "has one layer: 0 and 'final' are the same"),
        ({"precision": "fast"}, "precision='fast'"),
        ({"device": "cpu"}, "device='cpu'"),
    ],
)
def test_what_a_service_does_not_have(service, options, said):
    with pytest.raises(UserError, match=said):
        frostline.TextEmbedder(f"api:m@{service.url}", store=None, **options).fit(["a"])


def test_embedder(service):
    embedder = frostline.TextEmbedder(f"api:m@{service.url}", store=None, progress=False)
    np.testing.assert_array_equal(embedder.fit_transform(["a", "b", "a"]), [vector_of(t) for t in "aba"])
    assert embedder.layers_ == ["final"]
    zero = frostline.TextEmbedder(f"api:m@{service.url}", layers=0, store=None, progress=False)
    np.testing.assert_array_equal(zero.fit_transform(["a"]), [vector_of("a")])
    assert service.texts.count(CANARY) == 1  # the second one found it loaded
    assert embedder.get_feature_names_out()[0] == "layerfinal_0"


@pytest.fixture
def fitted(service, store_path):
    service.embed = letters_of
    rng = np.random.default_rng(0)
    y = np.array(["good", "bad"] * 30)
    texts = ["".join(rng.choice(list("abcd " if label == "good" else "vwxy "), 12)) for label in y]
    embedder = frostline.TextEmbedder(f"api:m@{service.url}", store=store_path, progress=False)
    return frostline.TextClassifier(embedder=embedder).fit(texts, y), texts, y


def test_classifier_saved_and_loaded(service, fitted, tmp_path, store_path):
    classifier, texts, y = fitted
    assert classifier.score(texts, y) > 0.9
    classifier.save(tmp_path / "model")
    loaded = frostline.load(tmp_path / "model", store=store_path, progress=False)
    service.requests.clear()
    clear_cache()
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))
    assert service.texts == [CANARY]  # everything else is in the store


def test_predicting_with_a_changed_model_is_refused(service, fitted, tmp_path):
    classifier, texts, _ = fitted
    classifier.save(tmp_path / "model")
    clear_cache()
    service.embed = lambda text: letters_of(text) * np.float32(1.0001)
    loaded = frostline.load(tmp_path / "model", store=None, progress=False)
    assert len(loaded.predict(texts)) == 60
    for changed in (lambda text: letters_of(text)[::-1].copy(), lambda text: letters_of(text)[:5]):
        clear_cache()
        service.embed = changed
        for estimator in (classifier, loaded):
            with pytest.raises(ArtifactError, match="has changed its model since the fit"):
                estimator.predict(["anew"])
    assert "anew" not in service.texts


def test_predicting_at_another_place_is_refused(service, fitted):
    classifier, texts, _ = fitted
    with serving(EmbeddingsService(embed=letters_of)) as elsewhere:
        classifier.embedder_.set_params(backbone=f"api:m@{elsewhere.url}")
        with pytest.raises(ArtifactError, match="drifted since the fit .service"):
            classifier.predict(texts)


@pytest.fixture
def run(capsys, tmp_path):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--store", str(tmp_path / "store"), "--json", "--quiet"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.strip().splitlines()[-1]), out + err

    return run


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    rows = [f"{'good' if i % 2 else 'bad'},{'abcd' if i % 2 else 'vwxy'} {i:04d}" for i in range(200)]
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(["label,text", *rows]) + "\n")
    return path


def test_dry_run_sends_only_the_canary(service, run, reviews, tmp_path):
    job = ["embed", reviews, "--text", "text", "--backbone", f"api:m@{service.url}", "--dry-run"]
    code, found, shown = run(*job, "--price-per-million-tokens", "2")
    assert code == 0
    assert service.texts == [CANARY]
    assert (found["n_requests"], found["n_to_embed"], found["n_tokens"]) == (
        2,
        200,
        450,
    )
    assert found["cost"] == pytest.approx(found["n_tokens"] * 2 / 1e6)
    assert found["seconds"] is None
    assert "2 requests, 450 tokens (estimated)" in shown
    assert run(*job)[1]["cost"] is None
    assert not (tmp_path / "store").exists() or Store(tmp_path / "store").info()["n_vectors"] == 0


def test_dry_run_of_fit(service, run, reviews):
    job = ["fit", reviews, "--target", "label", "--backbone", f"api:m@{service.url}", "--dry-run"]
    code, found, _ = run(*job, "--price-per-million-tokens", "0.02")
    assert (code, found["n_requests"]) == (0, 2)
    assert found["cost"] == pytest.approx(450 * 0.02 / 1e6, abs=1e-6)
    assert service.texts == [CANARY]


def test_dry_run_counts_what_the_store_lacks(service, run, reviews, tmp_path):
    job = ["embed", reviews, "--text", "text", "--backbone", f"api:m@{service.url}"]
    code, found, _ = run(*job, "--out", tmp_path / "v.npy")
    assert (code, found["n_embedded"], found["dim"]) == (0, 200, 8)
    lines = reviews.read_text().splitlines()[1:]
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), [vector_of(line.partition(",")[2]) for line in lines])
    found = run(*job, "--dry-run", "--price-per-million-tokens", "2")[1]
    assert (found["n_requests"], found["n_to_embed"], found["cost"], found["bytes"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--price-per-million-tokens", "1", "--out", "v.npy"], "only for --dry-run"),
        (["--price-per-million-tokens", "-1", "--dry-run"], "a price of 0 or more"),
        (["--price-per-million-tokens", "nan", "--dry-run"], "a price of 0 or more"),
        (["--max-length", "9", "--dry-run"], "counts its own tokens"),
    ],
)
def test_flags_that_do_not_suit(service, run, reviews, args, said):
    code, found, _ = run("embed", reviews, "--text", "text", "--backbone", f"api:m@{service.url}", *args)
    assert code == 2
    assert said in found["error"]


def test_no_trace_of_the_key(service, run, reviews, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    service.key, service.embed = KEY, letters_of
    name = f"api:m@{service.url}"
    model = tmp_path / "model"
    shown = run("fit", reviews, "--target", "label", "--backbone", name, "--out", model)[2]
    backbone = resolve(BackboneSpec(name))
    shown += repr(backbone) + str(vars(backbone)) + str(backbone.identity)
    service.key = "sk-another"
    clear_cache()
    code, found, refused = run("predict", model, reviews, "--out", tmp_path / "p.csv")
    assert (code, "refuses: HTTP 401" in found["error"]) == (2, True)
    shown += refused + caplog.text
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY[8:] not in shown
    assert KEY[8:].encode() not in written


def test_a_service_that_is_down_is_one_message(run, reviews, tmp_path, monkeypatch):
    with serving(EmbeddingsService()) as gone:
        pass
    monkeypatch.setattr("frostline.backbones.wire.TRIES", 1)
    code, found, _ = run(
        "embed", reviews, "--text", "text", "--backbone", f"api:m@{gone.url}", "--out", tmp_path / "v.npy"
    )
    assert code == 2
    assert "cannot be used now: 1 tries" in found["error"]


def test_the_page_runs(service, tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "remote.md").read_text(encoding="utf-8").replace("http://localhost:11434/v1", service.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FROSTLINE_STORE", str(tmp_path / "store"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = [line[2:] for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        program, *args = shlex.split(command)
        with pytest.raises(SystemExit) as stop:
            main([*args, "--quiet"])
        assert (program, stop.value.code) == ("frostline", 0), capsys.readouterr().err
    for block in re.findall(r"```py\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "remote.md", "exec"), found := {})
    assert found["vectors"].shape == (2, 8)
