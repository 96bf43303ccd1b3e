"""The first window of a huge text is that of the whole text, found without reading it all."""

from __future__ import annotations

import time

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from fakes import tiny_bert
from frostline.backbones import resolve
from frostline.backbones.beginning import LONG_TEXT, beginning, splits_at_spaces
from frostline.contracts import BackboneSpec


def wordpiece(pre_tokenizer=None, normalizer=None):
    vocab = {token: i for i, token in enumerate(["[UNK]", "a", "b", "##b", "##a", "ab", "é", ",", "aba"])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.BertPreTokenizer()
    tokenizer.normalizer = normalizer or normalizers.BertNormalizer()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[UNK]")


@pytest.fixture
def backbone(tmp_path):
    found = resolve(BackboneSpec(str(tiny_bert(tmp_path / "m"))))
    found.tokenizer = wordpiece()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_window_of_the_whole_text(backbone, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("ab ,é\u0301\n\u3000"), 3 * LONG_TEXT))
    short = backbone.tokenize([text, "ab"], 50)
    monkeypatch.setattr("frostline.backbones.transformer.LONG_TEXT", 10**9)
    whole = backbone.tokenize([text, "ab"], 50)
    for found, expected in zip(short.ids, whole.ids, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(short.read[1:], whole.read[1:])
    assert short.read[0].tolist() == whole.read[0].tolist()
    assert 50 < short.n_full[0] < whole.n_full[0]


def test_a_text_of_mostly_spaces_or_of_one_word_is_read_to_its_end(backbone):
    for text in (" " * 3 * LONG_TEXT + "a b", "a" * 3 * LONG_TEXT):
        assert backbone.tokenize([text], 50).n_full[0] <= 2


def test_fifty_megabytes_take_seconds(backbone):
    began = time.perf_counter()
    tokens = backbone.tokenize(["ab ba " * 8_000_000], 50)
    assert len(tokens.ids[0]) == 50
    assert time.perf_counter() - began < 20


def test_tokenizers_that_may_look_ahead_read_everything():
    assert splits_at_spaces(wordpiece())
    assert not splits_at_spaces(wordpiece(pre_tokenizers.Split(pattern="", behavior="isolated")))
    assert not splits_at_spaces(wordpiece(pre_tokenizers.ByteLevel(use_regex=False)))
    assert not splits_at_spaces(wordpiece(normalizer=normalizers.Replace("b a", "c")))


def test_beginning():
    assert beginning("ab cd ef", 3) == "ab cd"
    assert beginning("ab   cd", 3) == "ab   cd"
    assert beginning("abcd", 1) == "abcd"
