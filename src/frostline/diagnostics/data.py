"""FRL1xx: what is wrong with the rows, before any model is asked."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse, stats
from sklearn.feature_extraction.text import CountVectorizer

from frostline.diagnostics.evidence import Evidence, Part
from frostline.diagnostics.model import Check, NotApplicable, Verdict, issue, passed, tip
from frostline.splits import overlap

__all__ = ["CHECKS"]

NEAR = 0.8
"""Share of common runs of three words (of all that either text has) from which two texts are near-duplicates."""

FEW = 0.01
"""Share of rows from which near-duplicates across a split are an issue."""

CUT = 0.05
"""Share of cut rows from which they are an issue."""

LOST, SPLIT = 0.02, 0.6
"""Share of words that the tokenizer confuses, and tokens for each letter, from which a language is not known to it."""

_WORD = re.compile(r"[^\W\d_]{4,}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_MOST_WORDS = 2_000


def rows_in_both(evidence: Evidence) -> Verdict:
    """Test rows whose exact text stands in training."""
    test = evidence.test
    shared, n_train = _shared(evidence)
    if not shared.any():
        return passed(f"None of {len(test)} test rows stands among the {n_train} training rows.", 0.0)
    first = int(np.flatnonzero(shared)[0])
    return issue(
        f"{shared.sum()} of {len(test)} test rows also stand in training (the first: test row {first}), so their score says "
        "nothing about new rows.",
        float(shared.mean()),
    )


def near_duplicates(evidence: Evidence) -> Verdict:
    """Test rows that are almost a training row."""
    train, test = evidence.train, evidence.test
    exact = overlap(list(train.texts), list(test.texts))
    is_text = train.table.num_columns == 1 and pa.types.is_string(train.table.schema.field(0).type)
    if not is_text and train.table.num_columns < 3:
        raise NotApplicable("With fewer than three columns, rows are alike by chance.")
    near = overlap([_plain(row) for row in _rows(train)], [_plain(row) for row in _rows(test)]) & ~exact
    if is_text:
        near |= _share_runs(train, test) & ~exact
    if not near.any():
        return passed(f"None of {len(test)} test rows is nearly a training row.", 0.0)
    share, first = float(near.mean()), int(np.flatnonzero(near)[0])
    message = (
        f"{near.sum()} of {len(test)} test rows differ from a training row only in case, signs, the fourth digit or a few "
        f"words (the first: test row {first})."
    )
    return (issue if share >= FEW else tip)(message, share)


def truncated(evidence: Evidence) -> Verdict:
    """Rows that outgrow the window."""
    found = evidence.unchecked_features(evidence.rows)
    if evidence.reader is None or evidence.reader.pieces([]) is None:
        raise NotApplicable("No text is read, so none is cut.")
    share, n = float(found.truncated.mean()), int(found.truncated.sum())
    if not n:
        return passed("Every row fits the window.", 0.0)
    columns = ", ".join(f"{name} in {rows}" for name, rows in found.stats.truncated_columns.items())
    message = f"{n} of {len(found.texts)} rows outgrow the window and are cut" + (f" ({columns})." if columns else ".")
    return (issue if share >= CUT else tip)(f"{message} Use overflow='chunk' or a larger max_length.", share)


def target_in_text(evidence: Evidence) -> Verdict:
    """The answer written in the question."""
    rows, n = evidence.rows, len(evidence.rows)
    y = evidence.target(rows)
    if n < 20:
        raise NotApplicable("Fewer than 20 rows cannot tell a leak from chance.")
    hit, chance = _written_labels(evidence, y) if evidence.task == "classification" else _written_numbers(evidence, y)
    if hit >= 0.2 and hit - chance >= 0.2:
        return issue(
            f"The target stands in the text of {hit:.0%} of the rows ({chance:.0%} were to be expected by chance).", hit
        )
    for name in rows.table.column_names if rows.table.num_columns > 1 else []:
        if (found := _gives_away(rows.table.column(name), y, evidence.task)) is not None:
            return issue(f"The column {name!r} alone gives the target away: {found}.", name)
    return passed("The target is not written in the rows.", hit)


def constant_columns(evidence: Evidence) -> Verdict:
    """Columns that say nothing."""
    table = evidence.rows.table
    if table.num_rows < 2:
        raise NotApplicable("One row has no constant columns.")
    constant, nearly = [], []
    for name in table.column_names:
        counts = Counter(map(repr, table.column(name).to_pylist())).most_common(1)[0][1]
        if counts == table.num_rows:
            constant.append(name)
        elif counts >= 0.99 * table.num_rows:
            nearly.append(name)
    if constant:
        return issue(f"Constant, so tokens without a meaning: {', '.join(constant)}. Leave them out.", constant)
    if nearly:
        return tip(f"One value in 99 % of the rows: {', '.join(nearly)}.", nearly)
    return passed(f"Each of {table.num_columns} columns varies.", [])


def label_errors(evidence: Evidence) -> Verdict:
    """Labels that a model which has not seen them contradicts with confidence."""
    y = evidence.target(evidence.rows)
    rows, predicted = evidence.out_of_fold
    y = y[rows]
    if evidence.task == "regression":
        return _far_off(rows, y, predicted)
    # Confident learning: a row counts for the class whose own rows are, on average, no more confident than it is.
    own = [predicted[y == c, c].mean() if (y == c).any() else np.inf for c in range(predicted.shape[1])]
    over = np.where(predicted >= np.asarray(own), predicted, -np.inf)
    suspects = np.flatnonzero((over.max(axis=1) > -np.inf) & (over.argmax(axis=1) != y))
    if not len(suspects):
        return passed(f"None of {len(y)} labels is contradicted with confidence.", 0.0)
    order = suspects[np.argsort(predicted[suspects, y[suspects]] - predicted[suspects].max(axis=1))]
    named = ", ".join(
        f"row {rows[i]} ({evidence.classes[y[i]]}, not {evidence.classes[over[i].argmax()]}?)" for i in order[:5]
    )
    share = len(suspects) / len(y)
    message = f"{len(suspects)} of {len(y)} labels are contradicted out of fold; look first at {named}."
    floor, flat = _floor(y, predicted)
    if floor >= 0.02 and flat:
        return issue(f"{message} Even where the model is surest, at least {floor:.0%} of the labels differ.", share)
    return tip(
        f"{message} The surer the model, the fewer labels differ, so hard rows are as likely as wrong ones.", share
    )


def unknown_language(evidence: Evidence) -> Verdict:
    """Words that the tokenizer confuses or breaks into letters."""
    words: Counter[str] = Counter()
    for text in evidence.rows.texts[:: max(1, len(evidence.rows) // 1000)]:
        words.update(_fold(word) for word in _WORD.findall(text))
    if len(words) < 10:
        raise NotApplicable("The rows have too few words to judge the tokenizer by.")
    chosen = [word for word, _ in words.most_common(_MOST_WORDS)]
    pieces = None if evidence.reader is None else evidence.reader.pieces(["a", *chosen])
    if pieces is None:
        raise NotApplicable("There is no tokenizer to judge.")
    n_special, pieces = len(pieces[0]) - 1, pieces[1:]
    counts = np.array([words[word] for word in chosen], dtype=np.float64)
    keys = [ids.tobytes() for ids in pieces]
    times = Counter(keys)
    lost = float(np.average([times[key] > 1 for key in keys], weights=counts))
    letters = np.array([len(word) for word in chosen], dtype=np.float64)
    split = float((counts * [len(ids) - n_special for ids in pieces]).sum() / (counts * letters).sum())
    value = {"confused": lost, "tokens_per_letter": split}
    if lost >= LOST:
        return issue(
            f"The tokenizer reads {lost:.0%} of the words as it reads another word: their letters are unknown to it. "
            "Use a backbone for this language.",
            value,
        )
    if split >= SPLIT:
        return issue(
            f"The tokenizer needs {split:.2f} tokens for each letter, so it hardly knows a word of this language. "
            "Use a backbone for this language.",
            value,
        )
    return passed(f"{split:.2f} tokens for each letter, {lost:.1%} of the words confused.", value)


def _shared(evidence: Evidence) -> tuple[NDArray[np.bool_], int]:
    """Test rows that stand in training, and the number of training rows; a saved predictor knows digests of its own."""
    kept = None if evidence.has_train else getattr(evidence.estimator, "rows_", None)
    if kept is None or evidence.reader is None:
        train = evidence.train
        return overlap(list(train.texts), list(evidence.test.texts)), len(train)
    keys = evidence.unchecked_features(evidence.test).keys
    if keys.shape[1] != kept.keys.shape[1]:
        raise NotApplicable(
            "The predictor was trained with more backbones than it reads, so its rows have other digests."
        )
    return overlap(kept.keys, keys), len(kept.keys)


def _rows(part: Part) -> Iterator[list[Any]]:
    return (list(row.values()) for row in part.table.to_pylist())


def _plain(row: list[Any]) -> str:
    """A row up to case, signs and the fourth digit."""
    return "\x1f".join(
        f"{value:.3g}" if isinstance(value, float | int) and not isinstance(value, bool)
        else " ".join(re.findall(r"\w+", str(value).casefold()))
        for value in row
    )  # fmt: skip


def _share_runs(train: Part, test: Part) -> NDArray[np.bool_]:
    """Test texts that share most runs of three words with one training text; shorter texts have no such runs."""
    runs = CountVectorizer(ngram_range=(3, 3), binary=True, token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
    try:
        A = sparse.csr_matrix(runs.fit_transform(list(train.texts)))
    except ValueError:  # no text has three words
        return np.zeros(len(test), dtype=bool)
    B = sparse.csr_matrix(runs.transform(list(test.texts)))
    # Runs that the training texts lack count as well, so the size of a test text is taken from the text itself.
    size = np.array([max(len(set(zip(w, w[1:], w[2:], strict=False))), 1) for w in map(_words, test.texts)])
    of_train = np.asarray(A.sum(axis=1)).ravel()
    near = np.zeros(len(test), dtype=bool)
    for start in range(0, len(test), 500):
        common = (B[start : start + 500] @ A.T).tocoo()
        share = common.data / (size[start + common.row] + of_train[common.col] - common.data)
        near[start + common.row[share >= NEAR]] = True
    return near


def _words(text: str) -> list[str]:
    return re.findall(r"\b\w+\b", text.lower())


def _fold(word: str) -> str:
    """Without case and accents, which many tokenizers leave out on purpose."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def _written_labels(evidence: Evidence, y: NDArray[np.intp]) -> tuple[float, float]:
    """Share of rows whose text names one label only, the right one; and the share that other rows' labels would have."""
    names = {str(label).casefold(): i for i, label in enumerate(evidence.classes)}
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + r")(?!\w)")
    named = np.full(len(y), -1)
    for i, text in enumerate(evidence.rows.texts):
        found = {names[match] for match in pattern.findall(text.casefold())}
        if len(found) == 1:
            named[i] = found.pop()
    is_named = named >= 0
    if not is_named.any() or (named[is_named] == y[is_named]).mean() < 0.95:
        return 0.0, 0.0
    shares = np.bincount(y[y >= 0], minlength=len(evidence.classes)) / len(y)
    return float(is_named.mean()), float((is_named * shares[named]).mean())


def _written_numbers(evidence: Evidence, y: NDArray[np.float64]) -> tuple[float, float]:
    """Share of rows in whose text the target stands as a number, and the share for another row's target."""
    numbers = [{float(match) for match in _NUMBER.findall(text)} for text in evidence.rows.texts]
    other = np.random.default_rng(evidence.seed).permutation(y)
    own = [value in found for value, found in zip(y.tolist(), numbers, strict=True)]
    by_chance = [value in found for value, found in zip(other.tolist(), numbers, strict=True)]
    return float(np.mean(own)), float(np.mean(by_chance))


def _gives_away(column: pa.ChunkedArray, y: NDArray[Any], task: str) -> str | None:
    """How one column gives the target away, or None."""
    values = column.to_pylist()
    if task == "regression":
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in values) or len(set(values)) < 10:
            return None
        rho = float(stats.spearmanr(values, y).statistic) if np.ptp(y) > 0 else 0.0
        return f"rank correlation {rho:.4f}" if abs(rho) >= 0.999 else None
    labels = defaultdict(list)
    for value, label in zip(map(repr, values), y.tolist(), strict=True):
        labels[value].append(label)
    repeated = {value: own for value, own in labels.items() if len(own) > 1}
    n = sum(map(len, repeated.values()))
    if len(labels) < 2 or len(labels) > len(y) / 4 or n < 0.9 * len(y):
        return None
    right = sum(Counter(own).most_common(1)[0][1] for own in repeated.values()) / n
    top = Counter(y.tolist()).most_common(1)[0][1] / len(y)
    return f"{right:.1%} of its values have one class each" if right >= 0.999 and top < 0.99 else None


def _floor(y: NDArray[np.intp], predicted: NDArray[np.float64]) -> tuple[float, bool]:
    """Share of differing labels in the surer half of the rows, and whether the quarter after it has hardly more of them.

    The share is the lower end of its 98 % interval (Clopper and Pearson). Hard rows become fewer with confidence; wrong labels,
    which know nothing of the model, do not.
    """
    order = np.argsort(-predicted.max(axis=1), kind="stable")
    wrong = (predicted.argmax(axis=1) != y)[order]
    n = max(1, len(y) // 2)
    first, then = int(wrong[:n].sum()), float(wrong[n : n + n // 2].mean()) if n > 1 else 0.0
    return float(stats.beta.ppf(0.01, first, n - first + 1)) if first else 0.0, first / n >= 0.6 * then


def _far_off(rows: NDArray[np.intp], y: NDArray[np.float64], predicted: NDArray[np.float64]) -> Verdict:
    """Numbers far from what was predicted for them: no more than a tip, since heavy tails look the same."""
    error = np.abs(y - predicted)
    scale = 1.4826 * float(np.median(np.abs(error - np.median(error)))) or float(error.mean())
    far = np.flatnonzero(error > 10 * scale) if scale > 0 else np.empty(0, dtype=np.intp)
    if not len(far):
        return passed(f"None of {len(y)} targets lies more than 10 robust deviations from its prediction.", 0.0)
    named = ", ".join(f"row {rows[i]} ({y[i]:g}, predicted {predicted[i]:g})" for i in far[np.argsort(-error[far])][:5])
    return tip(f"{len(far)} of {len(y)} targets lie far from their out-of-fold prediction: {named}.", len(far) / len(y))


CHECKS = (
    Check("FRL101", "Rows in training and test", rows_in_both),
    Check("FRL102", "Near-duplicates in training and test", near_duplicates),
    Check("FRL103", "Truncated rows", truncated),
    Check("FRL104", "Target in the text", target_in_text),
    Check("FRL105", "Constant columns", constant_columns),
    Check("FRL106", "Suspected label errors", label_errors),
    Check("FRL107", "Language unknown to the tokenizer", unknown_language),
)
