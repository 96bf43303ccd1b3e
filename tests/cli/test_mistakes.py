"""Mistakes that need no model to be seen: each command answers with one message and exit code 2, and writes nothing."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.artifacts import write_folder
from frostline.cli import main
from frostline.tables import write_vectors
from tiny_llms import save_llm


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    (folder / "d.csv").write_text("id,text,y,one\n" + "".join(f"r{i},text {i},{'ab'[i % 2]},7\n" for i in range(40)))
    (folder / "large.csv").write_text("text,n\n" + "".join(f"text {i},{i}e200\n" for i in range(40)))
    pairs = [f"u{u},i{i},1\n" for u in range(9) for i in range(9) if (u + i) % 2]
    (folder / "pairs.csv").write_text("u,i,w\n" + "".join(pairs))
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "binary.yaml").write_bytes(b"\x93NUMPY")
    vectors = rng.normal(size=(40, 4)).astype(np.float32)
    write_vectors(folder / "v.parquet", [f"r{i}" for i in range(40)], vectors)
    for name, said in (("words", b"not json"), ("list", b"[1]")):
        table = pq.read_table(folder / "v.parquet").replace_schema_metadata({b"frostline.space": said})
        pq.write_table(table, folder / f"{name}.parquet")
    pq.write_table(pa.table({"id": ["r1"], "vector": [["x", "y"]]}), folder / "text.parquet")
    save_llm(folder / "llm")
    write_folder(folder / "fitted", {"kind": "TextClassifier"}, {"head.safetensors": {}}, {"report.html": "as it was"})
    return folder


EMBED = ("embed", "d.csv", "--out", "out.npy", "--backbone", "nowhere")
FIT = ("fit", "d.csv", "--target", "y", "--out", "m", "--features", "tfidf", "--head", "linear")
TEXT = ("--text", "text")
BEHAVIORAL = ("space", "behavioral", "pairs.csv", "--user", "u", "--item", "i", "--out", "out.parquet", "--dim", 2)
GRAPH = ("space", "graph", "pairs.csv", "--source", "u", "--target", "i", "--out", "out.parquet", "--dim", 2)
ADAPT = ("adapt", "v.parquet", "d.csv", "--id", "id", *TEXT, "--out", "e", "--llm", "llm", "--encoder", "words")
EXPLAIN = ("explain", "nowhere")
TAKEN = "it belongs to the artifact fitted"
SEED = "seed must be a whole number from 0 to 4294967295"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((*EMBED, "--text", ""), "--text is given and names nothing"),
        ((*EMBED, "--template", ""), "--template is given and names nothing"),
        ((*EMBED, "--columns", ","), "--columns is given and names nothing"),
        ((*EMBED, "--columns", '"text'), "cannot be read as names"),
        ((*FIT, "--columns", '"Price, USD",text'), "Column 'Price, USD' is not in the table"),
        ((*EMBED, "--id", "", *TEXT), "--id is given and names nothing"),
        ((*EMBED, "--layers", "", *TEXT), "--layers is given and names nothing"),
        ((*EMBED, "--pooling", " ", *TEXT), "--pooling is given and names nothing"),
        ((*EMBED, "--store", "", *TEXT), "--store is given without a folder"),
        (("store", "info", "--store", ""), "--store is given without a folder"),
        (("embed", "loop.csv", *EMBED[2:]), "loop.csv"),
        ((*EMBED[:3], "v.npy", *EMBED[4:], *TEXT, "--id", "id", "--ids", "fitted/card.md"), TAKEN),
        ((*EMBED[:3], "v.npy", *EMBED[4:], *TEXT, "--id", "id", "--ids", "fitted/head.safetensors"), TAKEN),
        (("diagnose", "d.csv", "--target", "y", *TEXT, "--html", "fitted/report.html"), TAKEN),
        (("diagnose", "fitted", "d.csv", "--html", "fitted/report.html"), TAKEN),
        (("sweep", "d.csv", "--target", "y", *TEXT, "--html", "./fitted/report.html"), TAKEN),
        ((*FIT, *TEXT, "--seed", 2**32), SEED),
        ((*FIT, *TEXT, "--seed", -1), SEED),
        ((*FIT, *TEXT, "--test-size", 0.2, "--cv", 3), "--test-size and --cv both say which rows are held out"),
        ((*FIT, *TEXT, "--test-size", 0.2, "--test", "d.csv"), "--test-size and a test file both say which rows"),
        ((*FIT[:-1], "cooccurrence", *TEXT), "trained on vectors of a backbone; features='tfidf' holds none"),
        ((*FIT[:-1], "mlp", *TEXT), "features='tfidf' holds none and learns words by a linear head"),
        ((*FIT[:-2], *TEXT, "--head", "cooccurrence-published", "--features", "raw"), "features='raw' holds none"),
        ((*FIT, *TEXT, "--class-weight", "[1, 2]"), "class_weight is None, 'balanced' or a weight for each label"),
        ((*FIT, *TEXT, "--class-weight", '{"b": -1}'), "The class weight of 'b' must be a positive number"),
        (
            ("fit", "large.csv", "--target", "n", *FIT[4:], *TEXT),
            "Target 1 is 1e+200: beyond 1e+150 squared errors overflow",
        ),
        (("sweep", "large.csv", "--target", "n", *TEXT), "Target 1 is 1e+200: beyond 1e+150 squared errors overflow"),
        (("sweep", "d.csv", "--target", "y", *TEXT, "--seed", -1), SEED),
        (("sweep", "d.csv", "--target", "one", *TEXT), "There is one class only (7 in all 40 rows)"),
        (("fit", "d.csv", "--target", "one", *FIT[4:], *TEXT), "There is one class only (7 in all 40 rows)"),
        ((*BEHAVIORAL, "--seed", -5), SEED),
        ((*BEHAVIORAL, "--test-size", "nan"), "test_size must be a share"),
        ((*BEHAVIORAL, "--test-size", 1), "test_size must be a share"),
        ((*BEHAVIORAL, "--dim", 0), "width of vectors must be 1 or more"),
        ((*GRAPH, "--seed", -1), SEED),
        ((*GRAPH, "--test-size", -0.1), "test_size must be a share"),
        ((*ADAPT, "--seed", -1), SEED),
        ((*ADAPT, "--seed", -1, "--dry-run"), SEED),
        ((*ADAPT, "--teacher", ""), "--teacher is given and names nothing"),
        ((*ADAPT, "--split", "y", "--held-out", 0.1), "Both --split and --held-out are given"),
        ((*EXPLAIN, "--id", "r1", "--weight", 0.3), "--weight is given and no --blend"),
        ((*EXPLAIN, "--blend", "r1", "r2", "--steps", 9), "--steps is given and no --from"),
        ((*ADAPT, "--lr", "nan"), "lr must be a positive number"),
        ((*ADAPT, "--device", "balanced"), "runs on one device"),
        ((*ADAPT, "--device", "toaster"), "Device 'toaster' cannot be used here"),
        ((*ADAPT, "--tasks", "binary.yaml"), "binary.yaml cannot be read as YAML"),
        (("adapt", "words.parquet", *ADAPT[2:]), "its metadata 'frostline.space' is not a JSON object"),
        (("adapt", "list.parquet", *ADAPT[2:]), "its metadata 'frostline.space' is not a JSON object"),
        (("adapt", "text.parquet", *ADAPT[2:]), "vectors must be numbers"),
    ],
)
def test_one_message(place, monkeypatch, capsys, args, said):
    monkeypatch.chdir(place)
    before = sorted(path.name for path in place.iterdir())
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args), "--json", "--quiet", *([] if "--store" in args else ["--no-store"])])
    out, err = capsys.readouterr()
    assert (stop.value.code, "Traceback" in err) == (2, False), err
    assert said in json.loads(out.splitlines()[-1])["error"]
    assert sorted(path.name for path in place.iterdir()) == before


def test_an_explainer_is_no_predictor(tmp_path, capsys):
    write_folder(tmp_path / "e", {"kind": "ELM", "llm": {}}, {}, {})
    (tmp_path / "d.csv").write_text("text\na\n")
    for args in (("predict", tmp_path / "e", tmp_path / "d.csv", "--out", tmp_path / "p.csv"),
                 ("evaluate", tmp_path / "e", tmp_path / "d.csv"), ("suggest", tmp_path / "e", tmp_path / "d.csv"),
                 ("diagnose", tmp_path / "e", tmp_path / "d.csv")):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--no-store"])
        err = capsys.readouterr().err
        assert (stop.value.code, "holds 'ELM', which does not predict" in err) == (2, True), err
        assert "frostline explain" in err
