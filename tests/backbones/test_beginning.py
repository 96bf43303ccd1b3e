"""The first window of a huge text is that of the whole text, found without reading it all."""

from __future__ import annotations

import time

import numpy as np
import pytest
import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from fakes import tiny_bert
from frostline.backbones import resolve
from frostline.backbones.beginning import LONG_TEXT, beginning, ends_at_space
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
    assert ends_at_space(wordpiece())
    assert not ends_at_space(wordpiece(pre_tokenizers.Split(pattern="", behavior="isolated")))
    assert not ends_at_space(wordpiece(pre_tokenizers.ByteLevel(use_regex=False)))
    assert not ends_at_space(wordpiece(normalizer=normalizers.Replace("b a", "c")))


def test_beginning():
    no_space = ends_at_space(wordpiece())
    assert beginning("ab cd ef", 3, no_space) == "ab cd"
    assert beginning("ab   cd", 3, no_space) == "ab   cd"
    assert beginning("abcd", 1, no_space) == "abcd"
    assert beginning("ab, cd ef", 2, str.isalnum) == "ab, cd"


MARK = "\u2581"
PIECES = ["<unk>", MARK, MARK * 2, "a", "b", MARK + "a", "ab", MARK + "ab", "ba", "bab", MARK + "bab", ","]
GEMMA = pre_tokenizers.Split(" ", "merged_with_previous")


def bpe(pieces):
    """A model whose merges make every piece out of two others where they can."""
    vocab = {piece: i for i, piece in enumerate(pieces)}
    merges = [(p[:i], p[i:]) for p in pieces for i in range(1, len(p)) if p[:i] in vocab and p[i:] in vocab]
    return models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True)


def unigram(pieces):
    return models.Unigram([(piece, -1.0 - 0.1 * i) for i, piece in enumerate(pieces)], unk_id=0)


def sentencepiece(family, pieces=PIECES):
    marks = normalizers.Replace(" ", MARK)
    model, normalizer, pre_tokenizer = {
        "llama": (bpe, None, pre_tokenizers.Metaspace(split=False, prepend_scheme="first")),
        "llama-legacy": (bpe, normalizers.Sequence([normalizers.Prepend(MARK), marks]), None),
        "gemma": (bpe, marks, GEMMA),
        "t5": (unigram, None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])),
        "xlm-roberta": (unigram, normalizers.Replace(Regex(" {2,}"), " "), pre_tokenizers.Metaspace()),
    }[family]
    tokenizer = Tokenizer(model(pieces))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<unk>")


FAMILIES = ["llama", "llama-legacy", "gemma", "t5", "xlm-roberta"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_window_of_the_whole_text_in_sentencepiece(backbone, family, monkeypatch):
    backbone.tokenizer = sentencepiece(family)
    monkeypatch.setattr("frostline.backbones.transformer.LONG_TEXT", 60)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("aabb  ,\u2581"), 400)) for _ in range(50)]
    found = backbone.tokenize(texts, 20)
    monkeypatch.setattr("frostline.backbones.transformer.LONG_TEXT", 10**9)
    for one, expected in zip(found.ids, backbone.tokenize(texts, 20).ids, strict=True):
        np.testing.assert_array_equal(one, expected)
    assert found.n_full.max() < 200


@pytest.mark.parametrize("family", FAMILIES)
def test_fifty_megabytes_take_seconds_in_sentencepiece(backbone, family):
    backbone.tokenizer = sentencepiece(family)
    began = time.perf_counter()
    assert len(backbone.tokenize(["ab ba " * 8_000_000], 50).ids[0]) == 50
    assert time.perf_counter() - began < 20


def test_a_token_across_a_space_lets_nothing_be_known():
    across = [*PIECES, "b" + MARK]
    assert [family for family in FAMILIES if ends_at_space(sentencepiece(family, across))] == ["t5", "xlm-roberta"]


def test_patterns_of_llama_3_and_qwen_are_known_and_others_are_not():
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
    rest = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for numbers, known in ((r"|\p{N}{1,3}", True), (r"|\p{N}", True), (r"|\p{N}+(?= a)", False)):
        split = pre_tokenizers.Split(Regex(words + numbers + rest), "isolated")
        both = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(use_regex=False)])
        assert bool(ends_at_space(wordpiece(both, normalizers.NFC()))) is known
