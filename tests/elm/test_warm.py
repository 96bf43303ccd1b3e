"""The warm start: taken where language model, space and shape are its own, else said why not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frostline.elm.adapter import AdapterConfig
from frostline.elm.scores import EncoderReader
from frostline.elm.warm import MINILM, space_name, warm_adapter, write_warm
from frostline.embedder import TextEmbedder
from frostline.errors import ArtifactError
from tiny_llms import tiny_elm, tiny_llm


@pytest.fixture
def shipped(tmp_path):
    model = tiny_elm()
    model.llm.name = "starter"
    return model, write_warm(tmp_path / "adapter", model.adapter("v"), model.llm, MINILM, {"steps": 3})


def test_the_adapter_is_the_one_that_was_written(shipped):
    model, folder = shipped
    adapter, start = warm_adapter(model.llm, model.adapter("v").config, MINILM, folder)
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 8)))
    torch.testing.assert_close(adapter(x), model.adapter("v")(x))
    assert start.startswith("warm")


def test_where_it_is_not_taken_the_reason_is_said(shipped):
    model, folder = shipped
    config = model.adapter("v").config
    assert "cold: only MiniLM" in warm_adapter(model.llm, config, "minilm 3 mean", folder)[1]
    assert "brings no adapter" in warm_adapter(model.llm, config, MINILM, None)[1]
    assert "another shape" in warm_adapter(model.llm, AdapterConfig(n_soft_tokens=3), MINILM, folder)[1]
    other = tiny_llm(seed=4)
    assert warm_adapter(other, config, MINILM, folder)[0] is None
    other.name = "starter"
    other.identity = {"weights": "new"}
    with pytest.raises(ArtifactError, match="another starter"):
        warm_adapter(other, config, MINILM, folder)


def test_the_name_of_a_space():
    assert space_name(EncoderReader(TextEmbedder())) == MINILM
    assert space_name(EncoderReader(TextEmbedder(layers=3))) != MINILM
    assert space_name(None) == ""
