"""The warm start: taken where language model, space and shape are its own, else said why not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.scores import EncoderReader
from frostline.elm.warm import MINILM, space_name, through_texts, warm_adapter, write_warm
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
    start = warm_adapter(model.llm, model.adapter("v").config, folder)
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 8)))
    torch.testing.assert_close(start.adapter(x), model.adapter("v")(x))
    assert (start.said, start.same_space) == ("warm: from the starter's own adapter", True)


def test_where_it_is_not_taken_the_reason_is_said(shipped):
    model, folder = shipped
    config = model.adapter("v").config
    assert "brings no adapter" in warm_adapter(model.llm, config, None).said
    assert "another shape" in warm_adapter(model.llm, AdapterConfig(n_soft_tokens=3), folder).said
    other = tiny_llm(seed=4)
    cold = warm_adapter(other, config, folder)
    assert (cold.adapter, cold.same_space) == (None, False)
    assert "cold: only the starter" in cold.said
    other.name = "starter"
    other.identity = {"weights": "new"}
    with pytest.raises(ArtifactError, match="another starter"):
        warm_adapter(other, config, folder)


def reads(kind: str) -> Adapter:
    """An adapter for the vectors of :func:`named` texts."""
    _, _, told = named(400, noise=0.0)
    return Adapter(AdapterConfig(kind, 2, 16), *moments(told), width=32, norm=1.0, seed=3)


class Numbers:
    """Stands for MiniLM: a text is the numbers of its vector."""

    n_texts = 0

    def fit_transform(self, texts: list[str]) -> np.ndarray:
        self.n_texts = len(texts)
        return np.array([[float(word) for word in text.split()] for text in texts])


def named(n: int, noise: float, dim: int = 8) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Vectors of width `dim`, and texts of width 8 that a linear map tells from them but for noise."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(5, 3, size=(n, dim)).astype(np.float32)
    told = vectors @ rng.normal(size=(dim, 8)) + noise * rng.normal(size=(n, 8)) + 2
    return vectors, [" ".join(map(repr, map(float, row))) for row in told], told


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_another_space_is_read_as_the_vectors_of_its_texts(kind):
    adapter = reads(kind)
    vectors, texts, told = named(400, noise=0.0)
    start = through_texts(adapter, vectors, texts, [str(i) for i in range(400)], Numbers())
    assert start.said == (
        "warm: from the starter's own adapter, through 400 texts, of whose differences the vectors tell 100% (held out)"
    )
    assert not start.same_space
    with torch.no_grad():
        read, aim = start.adapter(torch.tensor(vectors)), adapter(torch.tensor(told))
    assert float(torch.nn.functional.cosine_similarity(read, aim, dim=-1).min()) > 0.999


def test_what_is_told_in_part_lies_as_far_from_the_mean_as_texts_do():
    adapter = reads("linear")
    vectors, texts, told = named(3000, noise=20.0, dim=3)
    start = through_texts(adapter, vectors, texts, [str(i) for i in range(3000)], Numbers())
    share = float(start.said.split("tell ")[1].split("%")[0])
    assert 1 < share < 20  # of the differences
    own = start.adapter.out
    with torch.no_grad():
        spread = own((torch.tensor(vectors) - start.adapter.mean) / start.adapter.scale).var(dim=0).sum()
        aim = adapter.out((torch.tensor(told).float() - adapter.mean) / adapter.scale).var(dim=0).sum()
    assert 0.5 < float(spread / aim) < 2  # unstretched it would be the share


def test_where_texts_do_not_help_the_reason_is_said():
    adapter = tiny_elm().adapter("v")
    vectors, texts, _ = named(60, noise=0.0)
    ids = [str(i) for i in range(60)]
    few = through_texts(adapter, vectors, [*texts[:31], *[" "] * 29], ids, Numbers())
    assert (few.adapter, few.said) == (None, "cold: 31 different training rows have a text, a warm start takes 32")
    shuffled = [texts[i] for i in np.random.default_rng(0).permutation(60)]
    assert "tell nothing of their texts" in through_texts(adapter, vectors, shuffled, ids, Numbers()).said
    same = through_texts(adapter, vectors, [texts[0]] * 60, ids, Numbers())
    assert (same.adapter, same.said.startswith("cold: the vectors tell nothing")) == (None, True)


def test_rows_of_one_thing_are_held_out_together_and_count_once():
    rng = np.random.default_rng(0)
    _, texts, _ = named(60, noise=0.0)
    unrelated, keys = rng.normal(size=(60, 256)).astype(np.float32), [str(i) for i in range(60)]
    assert through_texts(tiny_elm().adapter("v"), unrelated, texts, keys, Numbers()).adapter is None
    thrice = through_texts(tiny_elm().adapter("v"), np.tile(unrelated, (3, 1)), texts * 3, keys * 3, Numbers())
    assert "tell nothing of their texts" in thrice.said  # by ids, 96 % of them would seem to be told
    few = through_texts(tiny_elm().adapter("v"), np.tile(unrelated, (3, 1)), texts * 3, keys[:20] * 9, Numbers())
    assert "20 different training rows" in few.said


def test_less_than_a_hundredth_is_nothing_however_sure():
    vectors, texts, _ = named(5000, noise=90.0, dim=3)
    start = through_texts(tiny_elm().adapter("v"), vectors, texts, [str(i) for i in range(5000)], Numbers())
    assert start.said.startswith("cold: the vectors tell nothing")


def test_no_more_texts_are_embedded_than_a_start_is_worth(monkeypatch):
    monkeypatch.setattr("frostline.elm.warm.MOST_TEXTS", 50)
    vectors, texts, _ = named(300, noise=0.0)
    numbers = Numbers()
    start = through_texts(tiny_elm().adapter("v"), vectors, texts, [str(i) for i in range(300)], numbers)
    assert (numbers.n_texts, "through 50 texts" in start.said) == (50, True)


def test_the_name_of_a_space():
    assert space_name(EncoderReader(TextEmbedder())) == MINILM
    assert space_name(EncoderReader(TextEmbedder(layers=3))) != MINILM
    assert space_name(None) == ""
