"""ELM from end to end on a language model of random weights: fit, ask, save, load, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from frostline.concepts import CAV
from frostline.elm import ELM, AdapterConfig, AdaptOptions, Decoding, load_pack
from frostline.elm.model import ElmModel
from frostline.elm.warm import MINILM, Start
from frostline.errors import ArtifactError, UserError
from tiny_llms import save_llm

FAST = AdaptOptions(max_steps=6, batch_tokens=600, warmup=2, max_target_tokens=24, lr=5e-3)
SHORT = Decoding(max_new_tokens=8)
KINDS = ("comedy", "horror", "war")


def rows(n=90, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(3, size=n)
    vectors = rng.normal(size=(n, 6))
    vectors[:, :3] += 4 * np.eye(3)[kind]
    words = [" ".join(rng.choice(list("abcdefgh"), 3)) for _ in range(n)]
    table = {
        "id": np.arange(100, 100 + n),
        "text": [f"a {KINDS[k]} of {w}" for k, w in zip(kind, words, strict=True)],
        "kind": [KINDS[k] for k in kind],
    }
    return (table["id"], vectors.astype(np.float32)), pa.table(table)


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    return str(save_llm(tmp_path_factory.mktemp("llm") / "m"))


def made(llm, **shape):
    return ELM(llm, n_soft_tokens=2, adapter=AdapterConfig(n_soft_tokens=2, hidden=16), device="cpu", **shape)


@pytest.fixture(scope="module")
def fitted(llm):
    vectors, table = rows()
    return made(llm).fit(vectors, table, encoder="words", options=FAST, held_out=0.2)


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "elm"
    fitted.save(folder)
    return folder


def test_the_report_says_what_was_learnt_and_how_it_scored(fitted):
    report = fitted.report_
    assert report["n_train"] + report["n_val"] == 90
    assert report["n_examples"] == 180
    scores = report["scores"]["vectors"]
    assert {"consistency", "shuffled", "neighbor", "top1", "top1_shuffled", "invented", "copied"} <= set(scores)
    assert scores["true_text"] > 0.5 > scores["shuffled"]
    assert report["probes"]["vectors"]["kind"]["probe"] > 0.9
    assert set(report["probes"]["vectors"]["kind"]) == {"text", "probe", "probe_as_many", "majority", "n"}
    assert report["start"].startswith("cold")


def test_a_warm_start_that_no_step_makes_better_is_kept_and_said(llm, monkeypatch):
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: Start(None, "cold"))
    vectors, table = rows(40)
    start = made(llm).fit(vectors, table, encoder="words", options=FAST, held_out=0.2).explainer_.model.adapters
    (adapter,) = start.values()
    before = {name: p.clone() for name, p in adapter.state_dict().items()}
    shipped = Start(adapter, "warm: shipped", same_space=True)
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: shipped)
    monkeypatch.setattr("frostline.elm.fitting.space_name", lambda _: MINILM)
    still, spaces, pack = replace(FAST, lr=1e-12), {"a": vectors, "b": vectors}, load_pack("generic")
    pack = replace(pack, tasks=[replace(task, name=task.name + of, space=of) for task in pack.tasks for of in spaces])
    elm = made(llm).fit(spaces, table, pack, encoder="words", options=still, held_out=0.2)
    assert elm.report_["start"] == "a: warm: shipped; b: warm: shipped, kept as it was: none of 3 steps made it better"
    kept = list(elm.explainer_.model.adapters.values())
    assert all(torch.equal(p, before[name]) for own in kept for name, p in own.state_dict().items())
    assert len({id(own) for own in (adapter, *kept)}) == 3  # what is trained for one space leaves the others
    assert elm.report_["loss"] == elm.report_["log"]["evaluations"][0]["loss"]


@pytest.mark.parametrize(
    ("kinds", "lr", "select", "first"),
    [("own", 5e-5, "consistency", 0), ("other", 1e-3, "loss", 0), ("own other", 1e-3, "loss", 0), ("own cold", 1e-3, "loss", 2)],
)  # fmt: skip
def test_adapters_new_to_their_space_are_trained_fast_and_chosen_by_loss(llm, monkeypatch, kinds, lr, select, first):
    vectors, table = rows(40)
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: Start(None, "cold"))
    (adapter,) = made(llm).fit(vectors, table, encoder="words", options=FAST).explainer_.model.adapters.values()
    own, through = Start(adapter, "warm: own", same_space=True), Start(adapter, "warm: through")
    readers, taken, of_name = iter(kinds.split()), [], {"own": MINILM, "other": "", "cold": ""}
    following = [kind for kind in kinds.split() if kind != "own"]
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: own)
    monkeypatch.setattr("frostline.elm.fitting.space_name", lambda _: of_name[next(readers)])
    monkeypatch.setattr(
        "frostline.elm.fitting.through_texts",
        lambda *_: through if following.pop(0) == "other" else Start(None, "cold"),
    )
    kept = AdaptOptions.after
    monkeypatch.setattr(AdaptOptions, "after", lambda *a, **k: taken.append(kept(*a, **k)) or taken[-1])
    spaces, pack = {f"s{i}": vectors for i in range(len(kinds.split()))}, load_pack("generic")
    pack = replace(pack, tasks=[replace(task, name=task.name + of, space=of) for task in pack.tasks for of in spaces])
    quick = AdaptOptions(max_steps=2, batch_tokens=600, max_target_tokens=24)
    report = made(llm).fit(spaces, table, pack, encoder="words", options=quick).report_
    assert (taken[0].lr, taken[0].select) == (lr, select)
    assert report["log"]["evaluations"][0]["step"] == first


def test_no_model_is_downloaded_for_a_start(llm, monkeypatch):
    vectors, table = rows(40)
    shipped = Start(object(), "warm: shipped", same_space=True)
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: shipped)
    monkeypatch.setattr("frostline.elm.fitting.packaged_minilm", lambda: None)
    elm = made(llm).fit(vectors, table, encoder="words", options=replace(FAST, max_steps=1))
    assert elm.report_["start"].startswith("cold: MiniLM, whose vectors the starter's adapter reads, is not installed")
    with pytest.raises(UserError, match="max_steps=0 leaves a warm start as it is, and there is none: cold: MiniLM"):
        made(llm).fit(vectors, table, encoder="words", options=replace(FAST, max_steps=0))


def test_a_warm_start_can_be_taken_as_it_is_and_saved(llm, tmp_path, monkeypatch):
    vectors, table = rows(40)
    (adapter,) = made(llm).fit(vectors, table, encoder="words", options=FAST).explainer_.model.adapters.values()
    shipped = Start(adapter, "warm: shipped", same_space=True)
    monkeypatch.setattr("frostline.elm.fitting.warm_adapter", lambda *_: shipped)
    monkeypatch.setattr("frostline.elm.fitting.space_name", lambda _: MINILM)
    elm = made(llm).fit(vectors, table, encoder="words", options=AdaptOptions(max_steps=0, max_target_tokens=24))
    assert elm.report_["start"] == "warm: shipped, as it is: no step was taken"
    assert (elm.report_["log"]["n_steps"], len(elm.report_["log"]["evaluations"])) == (0, 1)
    (kept,) = elm.explainer_.model.adapters.values()
    assert all(torch.equal(value, adapter.state_dict()[name]) for name, value in kept.state_dict().items())
    elm.save(tmp_path / "elm")
    assert "no step was taken" in (tmp_path / "elm" / "report.html").read_text(encoding="utf-8")
    assert (
        ELM.load(tmp_path / "elm", device="cpu").describe("100", decoding=SHORT).text
        == elm.describe("100", decoding=SHORT).text
    )


def test_an_explanation_has_text_scores_controls_and_claims(fitted):
    found = fitted.describe("100", decoding=SHORT)
    assert set(found.scores) == {"consistency"}
    assert set(found.controls) == {"shuffled", "mean", "none", "neighbor"}
    assert found.claims[0].attribute == "kind"
    assert found.claims[0].text in ("confirmed", "absent")
    assert found.neighbors[0].id != "100"
    assert not found.outlier.flag
    shown = str(found)
    assert "controls: shuffled" in shown
    assert found.text in shown
    json.dumps(found.to_json(), allow_nan=False)


def test_the_score_is_the_cosine_of_what_the_reader_reads(fitted):
    vector = np.arange(6.0)
    found = fitted.describe(vector, decoding=SHORT)
    space = fitted.explainer_.spaces["vectors"]
    read, own = space.reader.read([found.text])[0], vector - space.reader.mean
    by_hand = read @ own / np.linalg.norm(read) / np.linalg.norm(own) if read.any() else 0.0
    assert found.scores["consistency"] == pytest.approx(by_hand, abs=1e-5)


def test_ids_that_are_numbers_are_ids_in_a_list_too(fitted):
    assert [e.text for e in fitted.describe([100, 101], decoding=SHORT)] == [
        fitted.describe(i, decoding=SHORT).text for i in (100, 101)
    ]
    assert fitted.describe([]) == []


def test_many_at_once_are_what_each_is_alone(fitted):
    X = rows(5, seed=3)[0][1]
    together = fitted.describe(X, decoding=SHORT)
    assert [e.text for e in together] == [fitted.describe(x, decoding=SHORT).text for x in X]


def test_candidates_are_chosen_by_consistency_and_the_control_chooses_too(fitted):
    X = rows(4, seed=4)[0][1]
    one, six = (fitted.describe(X, n_candidates=n, decoding=SHORT) for n in (1, 6))
    assert all(b.scores["consistency"] >= a.scores["consistency"] for a, b in zip(one, six, strict=True))
    assert all(b.controls["shuffled"] >= a.controls["shuffled"] - 1e-9 for a, b in zip(one, six, strict=True))


def test_ask_compare_blend_and_along(fitted):
    assert "consistency" in fitted.ask("what is {vector}?", 100, decoding=SHORT).scores
    assert set(fitted.compare("100", "101", decoding=SHORT).scores) == {"first", "second"}
    a, b = (fitted.explainer_.spaces["vectors"].vector(k) for k in ("100", "101"))
    blended = fitted.blend("100", "101", 0.25, decoding=SHORT)
    assert blended.text == fitted.describe(0.75 * a + 0.25 * b, decoding=SHORT).text
    path = fitted.along("100", "kind=war", steps=2, spread=3, decoding=SHORT)
    war = [next((c.probability for c in e.claims if c.value == "war"), 0.0) for e in path]
    assert len(path) == 3
    assert war[-1] > 0.9
    concept = CAV(np.eye(6)[0])
    assert len(fitted.along("100", concept, steps=1, decoding=SHORT)) == 2


def test_far_vectors_are_flagged(fitted):
    far = fitted.describe(np.full(6, 60.0), decoding=SHORT)
    assert far.outlier.flag
    assert "far from everything" in str(far)


def test_a_checkpoint_stays_until_the_explainer_is_saved(llm, tmp_path, monkeypatch):
    vectors, table = rows(40)
    how = {
        "encoder": "words",
        "options": replace(FAST, save_seconds=0.0),
        "held_out": 0.3,
        "checkpoint": tmp_path / "c",
    }
    learnt, backward = [], torch.autograd.backward
    monkeypatch.setattr(torch.autograd, "backward", lambda loss: learnt.append(1) or backward(loss))
    first = made(llm).fit(vectors, table, **how)
    assert (tmp_path / "c").is_dir()
    assert len(learnt) == 6
    again = made(llm).fit(vectors, table, **how)  # as after a kill between the last step and the folder
    assert again.report_["log"]["n_steps"] == len(learnt) == 6
    assert again.report_["loss"] == first.report_["loss"]
    with pytest.raises(UserError, match="unfinished training with other data or settings"):
        made(llm).fit(vectors, table, **{**how, "encoder": None})
    again.save(tmp_path / "e")
    assert not (tmp_path / "c").exists()


def test_only_what_was_learnt_is_asked(llm, tmp_path):
    """The heaviest task of the pack `films` wants a text; of users only the profile is learnt."""
    (ids, X), table = rows(60)
    liked = pa.table(
        {"id": table["id"], "liked_genres": table["kind"], "disliked_genres": [f"n{i}" for i in range(60)]}
    )
    elm = made(llm).fit((ids, X), liked, "films", encoder="words", options=FAST, held_out=0.3)
    assert set(elm.report_["tasks"]) == {task.name for task in elm.pack_.tasks} == {"user_profile"}
    assert elm.prompt_of().pieces == elm.prompt_of("user_profile").pieces
    with pytest.raises(UserError, match="'long_description' was not learnt: the table has no column for text"):
        elm.describe("100", task="long_description")
    (tmp_path / "t.yaml").write_text("""
name: pairs
tasks:
  - {name: both, prompt: "{vector} {vector}", template: "{a.text} {b.text}", pairs: random, note: test}
  - {name: one, prompt: "one {vector}", column: nowhere, note: test}
""")
    with pytest.raises(UserError, match="No task that the table has targets for is about one vector"):
        made(llm).fit((ids, X), table, tmp_path / "t.yaml", encoder="words", options=FAST)


def test_rows_without_a_text_do_not_push_the_controls_down(llm):
    vectors, table = rows(90)
    texts = [text if i % 2 else "" for i, text in enumerate(table["text"].to_pylist())]
    scores = []
    for told in (table["text"], texts):
        own = table.set_column(1, "text", pa.array(told) if isinstance(told, list) else told)
        elm = made(llm).fit(vectors, own, "generic", encoder="words", options=FAST, held_out=0.3)
        scores.append(elm.report_["scores"]["vectors"])
    assert scores[1]["true_text"] > scores[0]["true_text"] - 0.15
    assert scores[1]["neighbor"] > scores[0]["neighbor"] - 0.15


def test_the_opening_is_the_packs_unless_another_is_given(llm, tmp_path):
    vectors, table = rows()
    pack = replace(load_pack("generic"), opening=5)
    elm = made(llm).fit(vectors, table, pack, encoder="words", options=FAST, held_out=0.2)
    elm.save(tmp_path / "elm")
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ElmModel, "generate", lambda _, items, how, seeds: asked.append(how.opening) or [""] * len(items))
        for own in (elm, ELM.load(tmp_path / "elm", device="cpu", store=None)):
            own.explainer_.write(own.prompt_of(), [(vectors[1][0],)], SHORT)
            own.explainer_.write(own.prompt_of(), [(vectors[1][0],)], replace(SHORT, opening=0))
    assert asked == [5, 0, 5, 0]


def test_saved_and_loaded_explains_the_same(fitted, saved):
    loaded = ELM.load(saved, device="cpu", store=None)
    X = rows(3, seed=5)[0][1]
    for a, b in zip(fitted.describe(X, decoding=SHORT), loaded.describe(X, decoding=SHORT), strict=True):
        assert a.to_json() == b.to_json()
    assert loaded.describe("100", decoding=SHORT).to_json() == fitted.describe("100", decoding=SHORT).to_json()
    assert {p.name for p in saved.iterdir()} == {
        "frostline.json", "space-0.safetensors", "texts.json", "card.md", "report.html", "report.json",
    }  # fmt: skip


def test_the_page_shows_held_out_rows_and_no_row_where_texts_are_left_out(fitted, saved, tmp_path):
    examples = fitted.report_["examples"]["vectors"]
    held = fitted.explainer_.spaces["vectors"]
    assert [one["id"] for one in examples] == held.ids[held.n_train :][:8]
    assert all(one["text"].split()[1] in KINDS for one in examples)
    assert set(examples[0]["scores"]) == {"consistency", "shuffled", "neighbor", "true_text"}
    assert examples[0]["text"] in (saved / "report.html").read_text()
    assert fitted.report_["tasks"] == {
        name: [fitted.report_["n_train"], len(held.ids) - held.n_train] for name in ("describe", "short")
    }
    fitted.save(tmp_path / "bare", texts=False)
    written = "".join(
        (tmp_path / "bare" / name).read_text() for name in ("report.html", "report.json", "frostline.json")
    )
    assert not [one for one in examples if one["text"] in written or (one["written"] and one["written"] in written)]


def test_without_texts_the_control_says_so(fitted, tmp_path):
    fitted.save(tmp_path / "e", texts=False)
    assert not (tmp_path / "e" / "texts.json").exists()
    found = ELM.load(tmp_path / "e", device="cpu").describe("100", decoding=SHORT)
    assert found.controls["neighbor"] is None
    assert "neighbor -" in str(found)
    assert found.neighbors[0].text == ""


def test_another_language_model_is_refused(saved, tmp_path, llm):
    manifest = json.loads((saved / "frostline.json").read_text())
    assert manifest["llm"]["name"] == llm
    vectors, table = rows()
    own = save_llm(tmp_path / "m")
    elm = made(str(own)).fit(vectors, table, encoder="words", options=FAST)
    elm.save(tmp_path / "e")
    save_llm(own, seed=5)
    with pytest.raises(ArtifactError, match="adapted to another language model: the weights of .* has changed"):
        ELM.load(tmp_path / "e")


def test_an_edited_text_file_is_refused(fitted, tmp_path):
    fitted.save(tmp_path / "e")
    (tmp_path / "e" / "texts.json").write_text("{}")
    with pytest.raises(ArtifactError, match="cut off or was edited"):
        ELM.load(tmp_path / "e")


@pytest.mark.parametrize("stages", ["1+2", "joint"])
def test_a_tuned_language_model_is_saved_too(llm, tmp_path, stages):
    vectors, table = rows(40)
    options = AdaptOptions(
        **{**vars(FAST), "stages": stages, "tune": "full" if stages == "joint" else "lora", "lr_llm": 1e-2}
    )
    elm = made(llm).fit(vectors, table, encoder="words", options=options, held_out=0.3)
    elm.save(tmp_path / "e")
    loaded = ELM.load(tmp_path / "e", device="cpu")
    assert loaded.describe("100", decoding=SHORT).text == elm.describe("100", decoding=SHORT).text
    assert (tmp_path / "e" / "llm.safetensors").is_file()


@pytest.mark.parametrize(("stages", "tune"), [("1", "lora"), ("1+2", "lora"), ("joint", "full")])
def test_half_precision_from_end_to_end(llm, tmp_path, stages, tune):
    """The language model is held in half precision unless all of it is trained; the folder is read as any other."""
    vectors, table = rows(40)
    options = AdaptOptions(**{**vars(FAST), "stages": stages, "tune": tune, "precision": "bfloat16"})
    elm = made(llm).fit(vectors, table, encoder="words", options=options, held_out=0.3)
    held = {p.dtype for name, p in elm.explainer_.model.lm.named_parameters() if "lora_" not in name}
    assert held == {torch.float32 if tune == "full" and stages != "1" else torch.bfloat16}
    assert {p.dtype for p in elm.explainer_.model.adapters.parameters()} == {torch.float32}
    elm.save(tmp_path / "e")
    loaded = ELM.load(tmp_path / "e", device="cpu")
    assert loaded.describe("100", decoding=SHORT).to_json() == elm.describe("100", decoding=SHORT).to_json()
    assert {p.dtype for name, p in loaded.explainer_.model.lm.named_parameters() if "lora_" not in name} == held


def test_two_spaces_with_tasks_of_their_own(llm, tmp_path):
    (ids, X), table = rows(60)
    (tmp_path / "t.yaml").write_text(
        """
name: two
tasks:
  - {name: item, prompt: "item {vector}", column: text, space: items, note: test}
  - {name: user, prompt: "user {vector}", column: kind, space: users, note: test}
  - {name: any, prompt: "any {vector}", column: text, weight: 9, note: test}
"""
    )
    users = np.random.default_rng(1).normal(size=(60, 3))
    elm = made(llm).fit(
        {"items": (ids, X), "users": (ids, users)}, table, tmp_path / "t.yaml", encoder="words", options=FAST
    )
    assert set(elm.report_["scores"]) == {"items", "users"}
    assert elm.report_["skipped"] == {"any": "it names no space, and there are several"}
    answer = elm.ask("{vector:users} and {vector:items}", users[0], X[0], decoding=SHORT)
    assert "first" in answer.scores
    with pytest.raises(UserError, match=r"space 'items' has vectors of width 6; got .* \(3,\)"):
        elm.describe(users[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vectors": (["x", "y"], np.ones((2, 3)))}, "No id of the 2 vectors of 'vectors' stands in the table"),
        ({"vectors": ([100, 100], np.ones((2, 3)))}, "ids stand there more than once, such as '100'"),
        (
            {"vectors": ([100, 101], np.array([[1, np.nan], [1, 1]]))},
            "hold NaN or infinity, the first is that of id '100'",
        ),
        ({"vectors": ([100, 101], np.array([[1, 1], [0, 0]]))}, "are zero, the first is that of id '101'"),
        ({"vectors": ([100], np.ones((2, 3)))}, "1 ids for 2 vectors"),
        ({"vectors": 3}, "Vectors are a file, a pair"),
        ({"vectors": "nowhere.parquet"}, "no file of vectors"),
        ({"tasks": "film"}, "Unknown tasks 'film'"),
        ({"text": "txt"}, "no column 'txt'"),
        ({"id": "key"}, "key"),
        ({"held_out": 0.0}, "share between 0 and 1"),
        ({"held_out": ["1"]}, "1 held-out ids have no vector and row"),
    ],
)
def test_what_cannot_be_fitted(llm, change, said):
    vectors, table = rows(30)
    with pytest.raises(UserError, match=said):
        made(llm).fit(**{"vectors": vectors, "table": table, "encoder": "words", "options": FAST, **change})


def test_one_thing_on_both_sides_is_refused(llm):
    (ids, X), table = rows(30)
    texts = table.column("text").to_pylist()
    texts[7] = texts[3]
    table = table.set_column(1, "text", [texts])
    with pytest.raises(UserError, match="1 rows stand on both sides of the split.*103, 107"):
        made(llm).fit((ids, X), table, encoder="words", options=FAST, held_out=["107", "108"])
    same = X.copy()
    same[9] = X[5]
    with pytest.raises(UserError, match="105, 109"):
        made(llm).fit((ids, same), rows(30)[1], encoder="words", options=FAST, held_out=[109])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda e: e.describe(np.ones(5)), r"width 6; got float64 of shape \(5,\)"),
        (lambda e: e.describe(np.full(6, np.nan)), "NaN"),
        (lambda e: e.describe(np.zeros(6)), "zero"),
        (lambda e: e.describe("nobody"), "The id 'nobody' is not among the 90 rows"),
        (lambda e: e.describe("100", task="shrt"), "Unknown task 'shrt'"),
        (lambda e: e.ask("no place", "100"), "no place for a vector"),
        (lambda e: e.ask("{vector}", "100", "101"), "1 places for vectors; 2 vectors"),
        (lambda e: e.ask("x" * 200 + "{vector}", "100"), "reads at most 160"),
        (lambda e: e.describe("100", n_candidates=0), "n_candidates"),
        (lambda e: e.along("100", "kind=western"), "Unknown concept 'kind=western'. Known: kind=comedy"),
        (lambda e: e.blend("100", "101", 1.5), "from 0 to 1"),
        (lambda e: ELM().describe("1"), "not fitted"),
    ],
)
def test_what_cannot_be_asked(fitted, ask, said):
    with pytest.raises(UserError, match=said):
        ask(fitted)


def test_a_column_may_decide_the_split_and_other_rows_are_not_even_kept(llm):
    (ids, X), table = rows(60)
    split = ["train"] * 40 + ["valid"] * 12 + ["test"] * 8
    elm = made(llm).fit((ids, X), table.append_column("part", [split]), encoder="words", options=FAST, held_out="part")
    assert (elm.report_["n_train"], elm.report_["n_val"], elm.report_["counts"]["rows_left_out"]) == (40, 12, 8)
    assert "Not used: 8 vectors without row, 8 rows left out." in elm.card()
    assert "| text finds its vector among 12 (by chance 0.08) |" in elm.card()
    some = made(llm).fit(
        (ids[2:45], X[2:45]), table.append_column("part", [split]), encoder="words", options=FAST, held_out="part"
    )
    assert (some.report_["n_train"], some.report_["n_val"], some.report_["counts"]["rows_without_vector"]) == (38, 5, 9)
    with pytest.raises(UserError, match="'159' is not among"):
        elm.describe("159")
    with pytest.raises(UserError, match="must call some rows 'train' and some 'valid'; it says comedy"):
        made(llm).fit((ids, X), table, encoder="words", options=FAST, held_out="kind")


def test_equal_vectors_are_named_as_the_cause():
    ids = [str(i) for i in range(20)]
    rows = [{"id": name, "text": f"text number {name}"} for name in ids]
    with pytest.raises(UserError, match="All 20 rows are one thing"):
        ELM("unused").fit((ids, np.ones((20, 4), np.float32)), rows)
