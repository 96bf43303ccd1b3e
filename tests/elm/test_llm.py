"""Language models: what is measured of them, and which are refused."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from frostline.elm.llm import llm_identity, load_llm
from frostline.errors import UserError
from tiny_llms import save_llm, tiny_llm, tokenizer


def test_a_folder_is_loaded_frozen(tmp_path):
    llm = load_llm(str(save_llm(tmp_path / "m")), device="cpu")
    assert (llm.width, llm.window, llm.chat) == (32, 160, False)
    assert not any(p.requires_grad for p in llm.model.parameters())
    assert set(llm.identity) == {"weights", "config", "tokenizer"}
    assert llm_identity(llm.name) == llm.identity
    assert llm.norm == pytest.approx(float(llm.model.get_input_embeddings().weight.norm(dim=-1).median()))


def test_half_precision(tmp_path):
    assert load_llm(str(save_llm(tmp_path / "m")), dtype="bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(UserError, match="Unknown precision 'bfloat'"):
        load_llm("x", dtype="bfloat")


def test_the_length_is_that_of_embedded_tokens_where_the_module_scales_them():
    llm = tiny_llm("gemma3")
    raw = float(llm.model.get_input_embeddings().weight.norm(dim=-1).median())
    assert llm.norm == pytest.approx(raw * 32**0.5, rel=1e-3)


def test_suggestions_for_drawing_are_not_taken(tmp_path):
    folder = save_llm(tmp_path / "m")
    settings = {"do_sample": True, "temperature": 0.1, "eos_token_id": [98, 7], "repetition_penalty": 1.5}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    llm = load_llm(str(folder))
    assert llm.ends == (98, 7)
    assert llm.model.generation_config.repetition_penalty is None or llm.model.generation_config.repetition_penalty == 1


@pytest.mark.parametrize("door", [load_llm, llm_identity])
@pytest.mark.parametrize(
    ("config", "said"),
    [
        (transformers.T5Config(architectures=["T5ForConditionalGeneration"]), "is an encoder-decoder"),
        (transformers.BertConfig(architectures=["BertForMaskedLM"]), "BertForMaskedLM .* does not write"),
        (transformers.Gemma3nTextConfig(architectures=["Gemma3nForCausalLM"]), "per-layer embeddings"),
    ],
)
def test_models_that_cannot_be_served(tmp_path, config, said, door):
    config.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match=said) as e:
        door(str(tmp_path))
    assert str(tmp_path) in e.value.message
    assert "Qwen3" in e.value.hint


def test_an_unknown_name():
    said = r"Unknown language model 'stater'. Allowed: 'starter', a local model folder, a hub name 'org/name'\.\n.*'starter'\?"
    with pytest.raises(UserError, match=said):
        load_llm("stater")


def test_a_tokenizer_without_an_end(tmp_path):
    folder = save_llm(tmp_path / "m")
    plain = tokenizer()
    plain.eos_token = None
    plain.save_pretrained(folder)
    with pytest.raises(UserError, match="no end token"):
        load_llm(str(folder))
