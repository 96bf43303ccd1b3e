"""`frostline space` as a user meets it: three commands, one file of ids and vectors each."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest

from fakes import tiny_bert
from frostline.cli import main


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, args)))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, out, err

    return run


def write(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path.name


@pytest.fixture
def ratings(tmp_path):
    rng = np.random.default_rng(0)
    chance = {True: 0.8, False: 0.1}
    rows = [(u, i, 4 + (i % 3) / 2) for u in range(30) for i in range(60) if rng.random() < chance[u % 2 == i % 2]]
    return write(tmp_path / "ratings.csv", "who,film,stars", [*rows, (0, 77, 5)])


def test_behavioral_writes_items_and_users_and_tells_the_cold(run, tmp_path, ratings) -> None:
    catalog = write(tmp_path / "films.csv", "film,title", [(1, "a"), (500, "b"), (501, "c")])
    code, out, _ = run(
        "space", "behavioral", ratings, "--user", "who", "--item", "film", "--rating", "stars", "--dim", 4,
        "--out", "items.parquet", "--out-users", "users.parquet", "--catalog", catalog, "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    items, users = pq.read_table(tmp_path / "items.parquet"), pq.read_table(tmp_path / "users.parquet")
    assert (items.column_names, items.num_rows, users.num_rows) == (["id", "vector"], 61, 30)
    assert items.schema.field("vector").type.list_size == 4
    assert found["scores"]["recall"] > found["scores"]["popularity"]["recall"]
    assert found["cold_items"] == {"n": 1, "ids": [77]}
    assert found["absent_items"] == {"n": 2, "ids": [500, 501]}
    (tmp_path / "films.jsonl").write_text('{"film": "1"}\n{"film": "500"}\n')
    again = ("space", "behavioral", ratings, "--user", "who", "--item", "film", "--dim", 4, "--catalog", "films.jsonl")
    code, text, _ = run(*again, "--out", "items.parquet", "--json")
    assert json.loads(text.splitlines()[-1])["absent_items"] == {"n": 1, "ids": ["500"]}  # "1" is 1
    (tmp_path / "films.parquet").write_bytes(b"")
    code, _, err = run(*again[:-1], "films.parquet", "--out", "films.parquet")
    assert (code, "films.parquet" in err) == (2, True)
    assert "by popularity" in out
    assert "500, 501" in out


def test_graph_writes_its_nodes_and_scores(run, tmp_path) -> None:
    rows = [(f"n{g}{a}", f"n{g}{b}", 1) for g in range(4) for a, b in combinations(range(7), 2)]
    edges = write(tmp_path / "edges.csv", "a,b,w", [*rows, *((f"n{g}0", f"n{(g + 1) % 4}1", 1) for g in range(4))])
    code, out, _ = run(
        "space",
        "graph",
        edges,
        "--source",
        "a",
        "--target",
        "b",
        "--weight",
        "w",
        "--dim",
        4,
        "--out",
        "v.parquet",
        "--json",
    )
    found = json.loads(out.splitlines()[-1])
    assert (code, found["n_nodes"], found["n_components"]) == (0, 28, 1)
    assert found["scores"]["auc"] > found["scores"]["degree_auc"]
    assert pq.read_table(tmp_path / "v.parquet").column("id").to_pylist()[0] == "n00"


def test_semantic_is_embed_with_ids(run, tmp_path) -> None:
    folder = tiny_bert(tmp_path / "m")
    table = write(tmp_path / "t.csv", "key,text", [("x", "abc"), ("y", "def"), ("z", "abc")])
    shared = ("--text", "text", "--id", "key", "--backbone", folder, "--no-store", "--json")
    code, out, _ = run("space", "semantic", table, *shared, "--out", "v.parquet")
    assert (code, json.loads(out.splitlines()[-1])["n_texts"]) == (0, 2)
    run("embed", table, *shared, "--out", "w.parquet")
    assert pq.read_table(tmp_path / "v.parquet").equals(pq.read_table(tmp_path / "w.parquet"))


def test_a_repeated_id_is_refused_before_anything_is_embedded_and_embed_still_takes_it(
    run, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("frostline.engines.embed.WINDOW_ROWS", 2)
    table = write(tmp_path / "t.csv", "key,text", [(1, "abc"), (2, "def"), (3, "ghi"), (1, "jkl")])
    shared = ("--text", "text", "--id", "key", "--backbone", tiny_bert(tmp_path / "m"), "--no-store", "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr("frostline.engines.embed.RowStream", None)
        code, _, err = run("space", "semantic", table, *shared, "--out", "v.parquet")
    assert (code, "such as '1' in 2 rows" in err, "one row an id" in err) == (2, True, True)
    assert run("embed", table, *shared, "--out", "w.parquet")[0] == 0
    assert pq.read_table(tmp_path / "w.parquet").column("id").to_pylist() == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("behavioral", "r.csv", "--user", "u", "--item", "i", "--out", "v.npy"), ".parquet"),
        (("behavioral", "r.csv", "--user", "u", "--item", "nope", "--out", "v.parquet"), "nope"),
        (("behavioral", "r.csv", "--user", "u", "--item", "i", "--rating", "r", "--out", "v.parquet"), "1 of 3 rows have nothing in 'r'"),
        (("behavioral", "r.csv", "--user", "u", "--item", "i", "--out", "v.parquet"), "2 users and 2 items"),
        (("graph", "r.csv", "--source", "u", "--target", "i", "--out", "v.npy"), ".parquet"),
        (("behavioral", "r.csv", "--user", "u", "--item", "i", "--rating", "u", "--out", "v.parquet"), "Both --user and --rating name the column 'u'"),
        (("graph", "r.csv", "--source", "u", "--target", "u", "--out", "v.parquet"), "Both --source and --target name the column 'u'"),
        (("semantic", "r.csv", "--id", "u", "--text", "i", "--out", "v.npy"), ".parquet"),
        (("semantic", "r.csv", "--id", "r", "--text", "i", "--out", "v.parquet"), "Row 2 has no id in 'r'"),
        (("semantic", "r.csv", "--id", "u", "--text", "i", "--out", "v.parquet"), "1 ids of 'u' stand in more than one row, such as 'a' in 2 rows"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_one_message(run, tmp_path, args, message) -> None:
    write(tmp_path / "r.csv", "u,i,r", [("a", "x", 1), ("b", "y", ""), ("a", "y", 2)])
    code, _, err = run("space", *args)
    assert (code, message in err) == (2, True)
    assert not list(tmp_path.glob("v.*"))
