"""Code that a model brings runs for the one backbone that the user named, and is part of its identity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fakes import tiny_bert
from frostline import TextClassifier, TextEmbedder, UserError, load
from frostline.backbones import clear_cache, resolve
from frostline.cli import main
from frostline.contracts import BackboneSpec
from frostline.errors import ArtifactError
from tiny_llms import save_llm

MODEL = """
from transformers import BertConfig, BertModel

class TwiceConfig(BertConfig):
    model_type = "twice"

class TwiceModel(BertModel):
    config_class = TwiceConfig

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.last_hidden_state = {factor} * output.last_hidden_state
        return output
"""
TEXTS = ["a frozen film", "x"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A BERT whose own code doubles its last state."""
    for module in ("transformers.dynamic_module_utils", "transformers.utils.hub"):
        monkeypatch.setattr(f"{module}.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    found = tiny_bert(tmp_path / "custom")
    (found / "modeling_twice.py").write_text(MODEL.format(factor=2.0))
    config = json.loads((found / "config.json").read_text())
    names = {"AutoConfig": "modeling_twice.TwiceConfig", "AutoModel": "modeling_twice.TwiceModel"}
    (found / "config.json").write_text(json.dumps({**config, "model_type": "twice", "auto_map": names}))
    clear_cache()
    return found


def test_it_is_refused_with_the_flag_to_pass(folder):
    with pytest.raises(UserError, match="modeling_twice.py") as caught:
        resolve(BackboneSpec(str(folder)))
    assert f"--trust-remote-code {folder}" in str(caught.value)


@pytest.mark.parametrize("trusted", ["minilm", "custom", ""])
def test_another_name_allows_nothing(folder, trusted):
    with pytest.raises(UserError, match="allowed is"):
        resolve(BackboneSpec(str(folder), trust_remote_code=trusted))


@pytest.mark.parametrize("trusted", [True, False, 1])
def test_yes_is_not_a_name(folder, trusted):
    with pytest.raises(UserError, match="takes the name"):
        TextEmbedder(str(folder), trust_remote_code=trusted, store=None).fit(TEXTS)


def test_code_of_another_repository_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModel"] = "someone/else--modeling.Model"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="someone/else"):
        resolve(BackboneSpec(str(folder), trust_remote_code=str(folder)))


def test_named_code_runs_and_is_addressed(folder, tmp_path):
    plain = TextEmbedder(str(tiny_bert(tmp_path / "plain")), pooling="mean", store=None, progress=False)
    named = TextEmbedder(str(folder), pooling="mean", store=None, progress=False, trust_remote_code=str(folder))
    np.testing.assert_allclose(named.transform(TEXTS), 2 * plain.transform(TEXTS), atol=1e-5)
    spec = BackboneSpec(str(folder), trust_remote_code=str(folder))
    before = resolve(spec).identity
    (folder / "modeling_twice.py").write_text(MODEL.format(factor=3.0))
    after = resolve(spec).identity
    assert {key for key in before if before[key] != after[key]} == {"code"}


def test_artifacts_never_allow_it_by_themselves(folder, tmp_path, capsys):
    texts = [f"{word} {i}" for i in range(10) for word in ("fine", "dull")]
    embedder = TextEmbedder(str(folder), store=None, progress=False, trust_remote_code=str(folder))
    TextClassifier(embedder=embedder).fit(texts, ["a", "b"] * 10).save(tmp_path / "artifact")
    with pytest.raises(ArtifactError, match="--trust-remote-code"):
        load(tmp_path / "artifact", store=None)
    with pytest.raises(UserError, match="allowed is 'other'"):
        load(tmp_path / "artifact", store=None, trust_remote_code="other").predict(TEXTS)
    loaded = load(tmp_path / "artifact", store=None, progress=False, trust_remote_code=str(folder))
    assert set(loaded.predict(texts)) <= {"a", "b"}
    (tmp_path / "rows.csv").write_text("text\nfine 1\ndull 2\n")
    call = ["predict", str(tmp_path / "artifact"), str(tmp_path / "rows.csv"), "--out", str(tmp_path / "p.csv")]
    assert _ends(call) == 2
    assert f"--trust-remote-code {folder}" in capsys.readouterr().err
    assert _ends([*call, "--trust-remote-code", str(folder)]) == 0


def test_explainers_name_it_too(folder, tmp_path, capsys):
    table, items, llm, out = (str(tmp_path / name) for name in ("t.csv", "items.parquet", "llm", "elm"))
    rows = [f'{i},"{word} film {i}"' for i, word in enumerate(["fine", "dull"] * 20)]
    Path(table).write_text("\n".join(["id,text", *rows]) + "\n")
    save_llm(Path(llm))
    named = ["--trust-remote-code", str(folder)]
    space = [
        "space",
        "semantic",
        table,
        "--id",
        "id",
        "--text",
        "text",
        "--backbone",
        str(folder),
        "--out",
        items,
        *named,
    ]
    adapt = [
        "adapt",
        items,
        table,
        "--id",
        "id",
        "--llm",
        llm,
        "--max-steps",
        "2",
        "--max-target-tokens",
        "24",
        "--out",
        out,
    ]
    explain = ["explain", out, "--id", "3", "--max-new-tokens", "4"]
    assert _ends(space) == 0
    for call in (adapt, explain):
        capsys.readouterr()
        assert _ends(call) == 2
        assert f"--trust-remote-code {folder}" in capsys.readouterr().err
        assert _ends([*call, *named]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["explanations"][0]
    assert set(found["scores"]) == {"consistency"}


def _ends(call):
    with pytest.raises(SystemExit) as stop:
        main([*call, "--no-store", "--quiet", "--json"])
    return stop.value.code
