"""Hashed TF-IDF: word counts of strings as sparse rows, without a vocabulary that would keep the user's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

__all__ = ["Terms"]

_BUCKETS = 2**20
"""Where terms are hashed to: twenty times as many as are kept, so that two seldom share one."""

_KEPT = 50_000
"""The most frequent terms of the training texts that a linear model sees."""

_LONG_WORD = 12
"""Letters of the mean word above which texts are taken to be written without spaces, as Chinese, Japanese and Thai are."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "char": {"analyzer": "char", "ngram_range": (1, 3)},
}


class Terms:
    """Strings to rows of TF-IDF weights: words and pairs of words, or characters where words are not parted by spaces.

    Term counts enter as ``1 + ln(count)``, times ``ln((1 + n) / (1 + df)) + 1``; rows have length one.

    Parameters
    ----------
    analyzer : {"word", "char"}
    columns : int array of shape (F,)
        Buckets that are kept, ascending.
    idf : float32 array of shape (F,)
    """

    def __init__(self, analyzer: str, columns: NDArray[np.int64], idf: NDArray[np.float32]) -> None:
        self.analyzer, self.columns, self.idf = analyzer, columns, idf

    @classmethod
    def learn(cls, texts: Sequence[str]) -> tuple[Self, sparse.csr_matrix]:
        """Count the terms of the training texts.

        Parameters
        ----------
        texts : sequence of n str

        Returns
        -------
        Terms
        sparse float32 matrix of shape (n, F)
            The weights of `texts`; F is 0 where no text has a character.
        """
        analyzer = _analyzer(texts)
        counts = _counts(texts, analyzer)
        frequency = np.bincount(counts.indices, minlength=_BUCKETS)
        seen = np.flatnonzero(frequency)
        if len(seen) > _KEPT:  # of equally frequent ones those of the smaller bucket, so that runs agree
            seen = np.sort(seen[np.argsort(-frequency[seen], kind="stable")[:_KEPT]])
        idf = (np.log((1 + len(texts)) / (1 + frequency[seen])) + 1).astype(np.float32)
        terms = cls(analyzer, seen.astype(np.int64), idf)
        return terms, terms._weigh(counts)

    def __call__(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Weigh the terms of further texts; terms that training did not keep count nothing."""
        return self._weigh(_counts(texts, self.analyzer))

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        kept = counts[:, self.columns].tocsr()
        kept.data = ((1 + np.log(kept.data)) * self.idf[kept.indices]).astype(np.float32)
        norms = np.sqrt(np.asarray(kept.multiply(kept).sum(axis=1)).ravel())
        kept.data /= np.repeat(np.where(norms > 0, norms, 1), np.diff(kept.indptr)).astype(np.float32)
        return kept


def _analyzer(texts: Sequence[str]) -> str:
    words = [word for text in texts[:1000] for word in re.findall(r"\w+", text)]
    return "word" if words and np.mean([len(word) for word in words]) <= _LONG_WORD else "char"


def _counts(texts: Sequence[str], analyzer: str) -> sparse.csr_matrix:
    hashing = HashingVectorizer(n_features=_BUCKETS, norm=None, alternate_sign=False, **_SETTINGS[analyzer])
    return hashing.transform(texts)
