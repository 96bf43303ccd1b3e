"""How a command ends that is asked to: like Ctrl-C, nothing half-written left; and how a dry run leaves no trace at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from fakes import tiny_bert
from frostline.cli import main
from frostline.tables import write_vectors
from tiny_llms import save_llm

SLOW = """
import sys, time
from frostline.backbones.transformer import TransformerBackbone
def forward(*_, **__):
    print("embedding", flush=True)
    time.sleep(60)
TransformerBackbone.forward = forward
from frostline.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "m"))


@pytest.fixture
def run(capsys):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, args), "--no-store", "--quiet", "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return stop.value.code, json.loads(out.splitlines()[-1]), err

    return run


@pytest.fixture
def data(tmp_path):
    (tmp_path / "d.csv").write_text("id,text,y\n" + "".join(f"r{i},text {i},{'ab'[i % 2]}\n" for i in range(40)))
    return tmp_path / "d.csv"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_signal(data, folder, run, number, code):
    embed = ["embed", str(data), "--text", "text", "--out", str(data.parent / "v.npy"), "--backbone", folder]
    command = [sys.executable, "-c", SLOW, *embed, "--no-store", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "embedding\n"
        assert len(list(data.parent.iterdir())) == 2
        os.kill(process.pid, number)
        err = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert ("Interrupted" in err) == (number != signal.SIGKILL)
    left = {path.name for path in data.parent.iterdir()} - {"d.csv"}
    assert len(left) == (number == signal.SIGKILL)
    assert run(*embed)[0] == 0
    assert {path.name for path in data.parent.iterdir()} == {"d.csv", "v.npy"}


def test_signals_are_as_they_were(run, data):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert run("embed", data, "--text", "nothing")[0] == 2
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(
    ("out", "more", "said"),
    [
        ("v.csv", (), "Allowed endings: .npy, .parquet"),
        ("v.parquet", ("--per-layer",), "Allowed endings: .npy"),
        ("no/v.npy", (), "there is no folder"),
        ("d.csv/v.npy", (), "there is no folder"),
        ("sub.npy", (), "it is a folder"),
        ("v.npy", ("--ids", "ids.txt"), "no --id"),
        ("v.npy", ("--id", "id", "--ids", "v.npy"), "would be written over"),
        ("v.npy", ("--id", "id", "--ids", "d.csv"), "would be written over"),
        ("v.parquet", ("--id", "id", "--ids", "ids.txt"), "Parquet holds the ids itself"),
    ],
)
def test_a_dry_embed_refuses_what_an_embed_refuses(run, data, folder, monkeypatch, out, more, said):
    monkeypatch.chdir(data.parent)
    (data.parent / "sub.npy").mkdir()
    args = ("embed", "d.csv", "--text", "text", "--backbone", folder, "--out", out, *more)
    before = sorted(path.name for path in data.parent.iterdir())
    dry, real = run(*args, "--dry-run"), run(*args)
    assert dry == real
    assert dry[0] == 2
    assert said in dry[2]
    assert sorted(path.name for path in data.parent.iterdir()) == before


def test_a_dry_embed_knows_the_room_and_the_ids(run, data, folder, monkeypatch):
    args = ("embed", data, "--text", "text", "--backbone", folder, "--out", data.parent / "v.npy", "--dry-run")
    assert run(*args)[1]["n_rows"] == 40
    broken = data.parent / "broken.csv"
    broken.write_text('id,text\n"a\nb",x\nc,y\n')
    code, _, err = run("embed", broken, *args[2:], "--id", "id", "--ids", data.parent / "ids.txt")
    assert (code, "is not one line" in err) == (2, True)
    from types import SimpleNamespace

    monkeypatch.setattr("frostline.tables.write.shutil.disk_usage", lambda _: SimpleNamespace(free=40 * 16 * 4 - 1))
    code, _, err = run(*args)
    assert (code, "are free on its disk" in err) == (2, True)
    assert sorted(path.name for path in data.parent.iterdir()) == ["broken.csv", "d.csv"]


def test_dry_runs_of_what_writes_folders(run, data, folder, monkeypatch):
    monkeypatch.chdir(data.parent)
    (data.parent / "mine").mkdir()
    (data.parent / "mine" / "letter.txt").write_text("dear")
    fit = ("fit", data, "--target", "y", "--text", "text", "--backbone", folder)
    for out, said in (("mine", "is not a Frostline artifact"), ("d.csv", "is a file"), ("d.csv/m", "is needed: ")):
        for args in ((*fit, "--out", out), ("adapt", "v.parquet", data, "--id", "id", "--out", out)):
            for dry in ((), ("--dry-run",)):
                code, _, err = run(*args, *dry)
                assert (code, said in err) == (2, True), err
    monkeypatch.setattr("frostline.artifacts.os.access", lambda *_: False)
    code, _, err = run(*fit, "--out", "m/deep", "--dry-run")
    assert (code, "no permission for the folder" in err) == (2, True)
    assert sorted(path.name for path in data.parent.iterdir()) == ["d.csv", "mine"]


def test_a_dry_predict_refuses_what_a_predict_refuses(run, data):
    model = data.parent / "m"
    fit = ("fit", data, "--target", "y", "--text", "text", "--features", "tfidf", "--head", "linear", "--out", model)
    assert run(*fit)[0] == 0
    for more in (("--out", data), ("--out", "p.txt"), ("--out", data.parent / "p.csv", "--interval", 0.9),
                 ("--out", data.parent / "p.csv", "--neighbors", 0)):  # fmt: skip
        dry, real = (run("predict", model, data, *more, *flag) for flag in (("--dry-run",), ()))
        assert dry == real
        assert dry[0] == 2
    assert run("predict", model, data, "--proba", "--dry-run")[1]["n_rows"] == 40


def test_a_dry_adapt_writes_nothing_and_checks_its_settings(run, data):
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    write_vectors(data.parent / "v.parquet", [f"r{i}" for i in range(40)], vectors)
    save_llm(data.parent / "llm")
    (data.parent / "t.yaml").write_text(
        "name: t\ncolumns: {text: [text]}\ntasks:\n  - {name: a, prompt: 'y {vector}', note: n, teacher: 'Retell {text}'}\n"
    )
    adapt = ("adapt", data.parent / "v.parquet", data, "--id", "id", "--tasks", data.parent / "t.yaml", "--dry-run",
             "--teacher", data.parent / "llm", "--out", data.parent / "deep" / "e")  # fmt: skip
    before = sorted(path.name for path in data.parent.iterdir())
    assert run(*adapt)[1]["n_instructions"] == 40
    assert run(*adapt, "--stages", "9")[0] == 2
    assert sorted(path.name for path in data.parent.iterdir()) == before
