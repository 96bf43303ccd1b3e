"""`adapt` and `explain` on the command line: files, JSON, resuming, refusals."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import frostline
from frostline.cli import main
from frostline.elm import ELM
from frostline.engines import explain as engine
from frostline.tables import write_vectors
from tiny_llms import save_llm

KINDS = ("comedy", "horror")


def run(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    captured = capsys.readouterr()
    return stop.value.code, captured


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=80)
    vectors = rng.normal(size=(80, 5)).astype(np.float32) + 4 * kind[:, None]
    write_vectors(folder / "v.parquet", [f"r{i}" for i in range(80)], vectors)
    lines = [
        json.dumps({"key": f"r{i}", "plot": f"a {KINDS[k]} {rng.integers(99)}{i}", "kind": KINDS[k]})
        for i, k in enumerate(kind)
    ]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n")
    save_llm(folder / "m")
    return folder


ADAPT = ("--id", "key", "--text", "plot", "--encoder", "words", "--max-steps", 4, "--batch-tokens", 400,
         "--max-target-tokens", 16, "--held-out", 0.2, "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def adapted(place):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in ("adapt", place / "v.parquet", place / "t.jsonl", *ADAPT, "--llm", place / "m", "--out",
                               place / "elm", "--quiet")])  # fmt: skip
    assert stop.value.code == 0
    return place / "elm"


def explained(capsys, *args):
    code, said = run(capsys, "explain", *args, "--max-new-tokens", 6, "--json", "--quiet")
    return code, json.loads(said.out.splitlines()[-1])


def test_adapt_writes_a_folder_and_says_how_it_scored(capsys, place, tmp_path):
    code, said = run(
        capsys,
        "adapt",
        place / "v.parquet",
        place / "t.jsonl",
        *ADAPT,
        "--llm",
        place / "m",
        "--out",
        tmp_path / "e",
        "--json",
    )
    assert code == 0, said.err
    result = json.loads(said.out.splitlines()[-1])
    assert {"n_train", "n_val", "seconds", "loss", "scores", "artifact"} <= set(result)
    assert "# An explainer of items" in said.out
    assert not (tmp_path / "e.training").exists()
    assert isinstance(frostline.load(tmp_path / "e", device="cpu"), ELM)


def test_explain_by_id(capsys, adapted):
    code, result = explained(capsys, adapted, "--id", "r1,r2", "--ask", "what is {vector}?")
    assert code == 0
    assert [e["id"] for e in result["explanations"]] == ["r1", "r2"]
    assert {"id", "text", "scores", "controls", "claims", "outlier"} <= set(result["explanations"][0])
    code, said = run(capsys, "explain", adapted, "--id", "r1", "--max-new-tokens", "6")
    assert "controls: shuffled" in said.out


def test_explain_between_and_along(capsys, adapted):
    assert len(explained(capsys, adapted, "--blend", "r1", "r2", "--weight", 0.3)[1]["explanations"]) == 1
    found = explained(capsys, adapted, "--from", "r1", "--along", "kind=comedy", "--steps", 2)[1]
    assert len(found["explanations"]) == 3


def test_many_go_to_a_file_and_an_interrupted_job_goes_on(capsys, adapted, place, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CHUNK", 16)
    whole, cut = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert explained(capsys, adapted, "--vectors", place / "v.parquet", "--out", whole)[0] == 0
    real, calls = ELM.explain_many, []

    def dying(self, *args, **how):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(ELM, "explain_many", dying)
        assert (
            run(capsys, "explain", adapted, "--vectors", place / "v.parquet", "--out", cut, "--max-new-tokens", 6)[0]
            == 130
        )
    part = tmp_path / "b.jsonl.part.jsonl"
    part.write_text(part.read_text() + '{"cut of')
    calls.clear()
    monkeypatch.setattr(ELM, "explain_many", lambda self, *a, **h: calls.append(1) or real(self, *a, **h))
    assert explained(capsys, adapted, "--vectors", place / "v.parquet", "--out", cut)[0] == 0
    assert len(calls) == 3
    assert cut.read_bytes() == whole.read_bytes()
    assert not part.exists()
    rows = [json.loads(line) for line in whole.read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"r{i}" for i in range(80)]


def test_a_row_that_was_learnt_is_known_again_in_a_file(capsys, adapted, place):
    by_id, by_file = (
        explained(capsys, adapted, *given, "--id", "r1")[1]["explanations"][0]
        for given in ((), ("--vectors", place / "v.parquet"))
    )
    assert by_id == by_file


def test_texts_may_hold_any_mark_that_ends_a_line(tmp_path):
    part, text = tmp_path / "p", "one\u2028two\x85three"
    for path in (tmp_path / "a.jsonl", tmp_path / "a.parquet"):
        part.write_text("{}\n" + json.dumps({"id": "1", "text": text}, ensure_ascii=False) + "\n", encoding="utf-8")
        engine._finish(part, path)
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))["text"] == text
    assert pq.read_table(tmp_path / "a.parquet").column("text").to_pylist() == [text]


def test_some_rows_of_a_file(capsys, adapted, place, tmp_path):
    write_vectors(tmp_path / "new.parquet", ["n1", "n2", "n3"], np.eye(3, 5, dtype=np.float32))
    code, result = explained(capsys, adapted, "--vectors", tmp_path / "new.parquet", "--id", "n3,n1")
    assert [one["id"] for one in result["explanations"]] == ["n3", "n1"]
    code, captured = run(capsys, "explain", adapted, "--vectors", tmp_path / "new.parquet", "--id", "r1")
    assert code == 2
    assert "has no vector of 'r1'; it has 3, such as 'n1'" in captured.err


@pytest.fixture(scope="module")
def array(place):
    """The vectors of the first three rows, ids beside them."""
    table = pq.read_table(place / "v.parquet")
    np.save(place / "three.npy", np.stack(table.column("vector").to_numpy()[:3]))
    (place / "three.txt").write_text("r0\nr1\nr2\n")
    return place / "three.npy", place / "three.txt"


def test_ids_of_an_array(capsys, adapted, array):
    vectors, ids = array
    _, named = explained(capsys, adapted, "--vectors", vectors, "--ids", ids)
    assert [one["id"] for one in named["explanations"]] == ["r0", "r1", "r2"]
    _, some = explained(capsys, adapted, "--vectors", vectors, "--ids", ids, "--id", "r2")
    assert [one["id"] for one in some["explanations"]] == ["r2"]
    _, numbered = explained(capsys, adapted, "--vectors", vectors)
    assert [one["id"] for one in numbered["explanations"]] == ["0", "1", "2"]
    assert [one["text"] for one in numbered["explanations"]] == [one["text"] for one in named["explanations"]]


@pytest.mark.parametrize(
    ("vectors", "content", "said"),
    [
        ("three.npy", "r0\nr1\n", "there are 2 ids for 3 vectors"),
        ("three.npy", "r0\nr1\nr0\n", "more than once, such as 'r0'"),
        ("three.npy", None, "cannot be read: No such file"),
        ("v.parquet", "r0\n", "holds its own ids"),
        (None, "r0\n", "--ids names the ids of --vectors, which is not given"),
    ],
)
def test_ids_that_do_not_fit(capsys, place, adapted, array, tmp_path, vectors, content, said):
    if content is not None:
        (tmp_path / "ids.txt").write_text(content)
    ids = ("--ids", tmp_path / "ids.txt")
    given = ("--id", "r1") if vectors is None else ("--vectors", place / vectors)
    code, captured = run(capsys, "explain", adapted, *given, *ids)
    assert (code, said in captured.err) == (2, True), captured.err
    if vectors is not None:
        code, captured = run(capsys, "adapt", place / vectors, place / "t.jsonl", *ids, *ADAPT, "--out", tmp_path / "e")
        assert (code, said in captured.err) == (2, True), captured.err
        assert not (tmp_path / "e").exists()


def test_ids_are_not_written_over(capsys, adapted, array, tmp_path):
    (tmp_path / "ids.jsonl").write_text("r0\nr1\nr2\n")
    ids = tmp_path / "ids.jsonl"
    code, captured = run(capsys, "explain", adapted, "--vectors", array[0], "--ids", ids, "--out", ids)
    assert (code, "would be written over" in captured.err) == (2, True)


def test_adapt_to_an_array_with_ids_or_in_the_order_of_the_table(capsys, place, tmp_path):
    table = pq.read_table(place / "v.parquet")
    rows = np.random.default_rng(1).permutation(80)
    vectors, ids = np.stack(table.column("vector").to_numpy()), np.array(table.column("id").to_pylist())
    np.save(tmp_path / "ordered.npy", vectors)
    np.save(tmp_path / "shuffled.npy", vectors[rows])
    (tmp_path / "ids.txt").write_text("".join(f"{id}\n" for id in ids[rows]))
    common = (place / "t.jsonl", *ADAPT, "--llm", place / "m", "--no-store", "--quiet")
    for name, more in (("ordered", ()), ("shuffled", ("--ids", tmp_path / "ids.txt"))):
        out = ("--out", tmp_path / name)
        assert run(capsys, "adapt", tmp_path / f"{name}.npy", *common, *more, *out)[0] == 0
    known = [ELM.load(tmp_path / name, device="cpu")._spaces["vectors"] for name in ("ordered", "shuffled")]
    for id in ("r0", "r41"):
        np.testing.assert_allclose(known[0].vector(id), known[1].vector(id), atol=0.01)  # kept in half precision
    np.save(tmp_path / "ordered.npy", vectors[:79])
    code, captured = run(capsys, "adapt", tmp_path / "ordered.npy", *common, "--out", tmp_path / "e")
    assert (code, "holds 79 vectors and no ids" in captured.err, "hint: say which" in captured.err) == (2, True, True)


def test_a_part_about_other_rows_is_refused(capsys, adapted, tmp_path, monkeypatch):
    def die(self, *args, **how):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ELM, "explain_many", die)
        assert run(capsys, "explain", adapted, "--id", "r1", "--out", tmp_path / "e.jsonl")[0] == 130
    code, captured = run(capsys, "explain", adapted, "--id", "r2", "--out", tmp_path / "e.jsonl")
    assert code == 2
    assert "about other rows" in captured.err


def test_parquet(capsys, adapted, tmp_path):
    assert explained(capsys, adapted, "--id", "r1,r2", "--out", tmp_path / "e.parquet")[0] == 0
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.column("id").to_pylist() == ["r1", "r2"]
    assert set(table.column_names) >= {"text", "scores", "controls", "claims", "outlier"}


def test_a_part_of_another_question_is_refused(capsys, adapted, tmp_path):
    (tmp_path / "e.jsonl.part.jsonl").write_text('{"artifact": "x"}\n')
    code, said = run(capsys, "explain", adapted, "--id", "r1", "--out", tmp_path / "e.jsonl")
    assert code == 2
    assert "another explainer or question" in said.err


@pytest.mark.parametrize("left", ["", '{"artifact": "'])
def test_a_part_without_an_answer_yet_is_begun_anew(capsys, adapted, tmp_path, left):
    part = tmp_path / "e.jsonl.part.jsonl"
    part.write_text(left)
    assert explained(capsys, adapted, "--id", "r1", "--out", tmp_path / "e.jsonl")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["e.jsonl"]


@pytest.mark.parametrize("left", [b"my notes\n", b"\xff\xfe\n", b"my notes"])
def test_a_file_that_is_no_part_is_left_alone(capsys, adapted, tmp_path, left):
    part = tmp_path / "e.jsonl.part.jsonl"
    part.write_bytes(left)
    code, said = run(capsys, "explain", adapted, "--id", "r1", "--out", tmp_path / "e.jsonl")
    assert (code, "another explainer or question" in said.err, part.read_bytes()) == (2, True, left)


def test_dry_run_trains_nothing_and_counts_what_a_teacher_would_be_asked(capsys, place, tmp_path):
    (tmp_path / "t.yaml").write_text(
        "name: t\ncolumns: {text: [plot]}\ntasks:\n"
        "  - {name: own, prompt: 'x {vector}', note: n, column: text}\n"
        "  - {name: taught, prompt: 'y {vector}', note: n, teacher: 'Retell {text}'}\n"
    )
    args = ("adapt", place / "v.parquet", place / "t.jsonl", "--id", "key", "--tasks", tmp_path / "t.yaml", "--out",
            tmp_path / "e", "--dry-run", "--json")  # fmt: skip
    result = json.loads(run(capsys, *args)[1].out.splitlines()[-1])
    assert (result["n_train"] + result["n_val"], result["n_instructions"]) == (80, 0)
    assert list(result["skipped"]) == ["taught"]
    result = json.loads(run(capsys, *args, "--teacher", place / "m")[1].out.splitlines()[-1])
    assert (result["n_instructions"], result["n_examples"]) == (80, 160)
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Nothing is given to explain"),
        (("--id", "r1", "--blend", "r1", "r2"), "--id and --blend is given"),
        (("--from", "r1"), "--from and --along belong together"),
        (("--id", "r1", "--task", "a", "--ask", "b {vector}"), "Both a task and a question"),
        (("--id", "r1", "--out", "x.txt"), "Allowed endings: .jsonl, .parquet"),
        (("--id", "nobody"), "The id 'nobody' is not among"),
    ],
)
def test_what_cannot_be_explained(capsys, adapted, args, said):
    code, captured = run(capsys, "explain", adapted, *args)
    assert code == 2
    assert said in captured.err


def test_a_predictor_is_no_explainer(capsys, tmp_path):
    code, captured = run(capsys, "explain", tmp_path, "--id", "x")
    assert code == 2
    assert "not a Frostline artifact" in captured.err


def test_adapt_keeps_to_the_store_it_is_told(place, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(ELM, "fit", lambda self, *a, **how: seen.append(how["store"]) or self)
    monkeypatch.setattr(ELM, "save", lambda self, *a, **how: None)
    job = frostline.AdaptJob(str(place / "v.parquet"), str(place / "t.jsonl"), "key", llm=str(place / "m"))
    frostline.adapt_table(job, tmp_path / "e", store=None)
    assert seen == [None]
