"""The labelled sets of a study: folders NAME/train and NAME/test with the columns text and label, as their makers split them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from frostline.contracts import canonical_json
from frostline.errors import UserError, nearest
from frostline.splits import holdout
from frostline.tables import read_table

__all__ = ["BUNDLED", "PAPER_SETS", "Part", "StudySet", "read_sets"]

BUNDLED = Path("examples/data")
PAPER_SETS = ("sst2", "mr", "ag_news", "r8", "r52")

_ENDINGS = (".parquet", ".csv", ".jsonl")
_STEMS = {"train": ("train", "train_subset"), "test": ("test",)}
_NAMES: Mapping[str, Mapping[Any, str]] = {
    "sst2": {0: "negative", 1: "positive"},
    "mr": {0: "negative", 1: "positive"},
    "ag_news": {0: "World", 1: "Sports", 2: "Business", 3: "Sci/Tech"},
    "multilingual-sentiment": {0: "negative", 1: "neutral", 2: "positive"},
}
"""What the numbers of these sets mean, for prompts."""

_SOURCES = {"ag_news": "lst11111/bert-text-classification"}
"""Of a training file with several sources, the one with all classes about equally often."""


@dataclass(frozen=True)
class Part:
    """Rows of one split.

    Attributes
    ----------
    texts : list of n str
    labels : array of shape (n,)
        Class numbers.
    """

    texts: list[str]
    labels: NDArray[np.intp]

    def take(self, rows: NDArray[np.intp]) -> Part:
        """Some of the rows."""
        return Part([self.texts[i] for i in rows], self.labels[rows])


@dataclass(frozen=True)
class StudySet:
    """One labelled set.

    Attributes
    ----------
    name : str
        With ``/LANGUAGE`` behind it for one language of a set.
    train, test : Part
    classes : list of str
        What the class numbers are called.
    is_paper : bool
        Whether it is one of the five of the LLMEmbed paper.
    n_overlap : int
        Test rows whose text is also a training row's.
    n_given : (int, int)
        Training and test rows before any were left out for the sake of time.
    """

    name: str
    train: Part
    test: Part
    classes: list[str]
    is_paper: bool = False
    n_overlap: int = 0
    n_given: tuple[int, int] = field(default=(0, 0))

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits: of all texts and labels."""
        parts = [[part.texts, part.labels.tolist()] for part in (self.train, self.test)]
        return hashlib.blake2b(canonical_json(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def reduced(self, n_train: int, n_test: int) -> StudySet:
        """At most so many rows of each split, with the classes in their shares."""
        return replace(self, train=_reduced(self.train, n_train), test=_reduced(self.test, n_test))


def read_sets(data: str | Path | None, names: Sequence[str] = (), *, domains: bool = False) -> list[StudySet]:
    """Read the sets of a folder.

    Parameters
    ----------
    data : path or None
        Holds NAME/train.parquet and NAME/test.parquet (or .csv, .jsonl) with the columns text and label; None = the
        bundled examples. A column ``language`` divides a set into one for each language.
    names : sequence of str
        Which; none = those of the paper that are there, or all where none of them is.
    domains : bool
        All others as well.

    Returns
    -------
    list of StudySet

    Raises
    ------
    UserError
        No such folder, set or column, or labels of the test part that the training part lacks.
    """
    folder = BUNDLED if data is None else Path(data).expanduser()
    if not folder.is_dir():
        hint = "run it in a checkout of Frostline, or name a folder with --data" if data is None else None
        raise UserError(f"The folder of data sets {folder} does not exist.", hint=hint)
    there = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and all(_files(path).values())]
    if unknown := [name for name in names if name not in there]:
        raise UserError(
            f"There is no set {unknown[0]!r} in {folder}. There are: {', '.join(there) or 'none'}.",
            hint=nearest(unknown[0], there) or "a set is a folder with train.parquet and test.parquet",
        )
    of_paper = [name for name in PAPER_SETS if name in there]
    others = [name for name in there if name not in of_paper]
    chosen = list(names) or [*(of_paper or others), *(others if domains and of_paper else [])]
    if not chosen:
        raise UserError(f"{folder} holds no set: a folder with train.parquet and test.parquet, columns text and label.")
    return [found for name in chosen for found in _read(folder / name)]


def _files(folder: Path) -> dict[str, Path | None]:
    def first(stems: Sequence[str]) -> Path | None:
        paths = (folder / f"{stem}{ending}" for stem in stems for ending in _ENDINGS)
        return next((path for path in paths if path.is_file()), None)

    return {part: first(stems) for part, stems in _STEMS.items()}


def _read(folder: Path) -> list[StudySet]:
    tables = {part: read_table(path) for part, path in _files(folder).items() if path is not None}
    for part, table in tables.items():
        if missing := {"text", "label"} - set(table.column_names):
            raise UserError(
                f"{folder}/{part} has no column {sorted(missing)[0]!r}; its columns: {', '.join(table.column_names)}."
            )
    if folder.name in _SOURCES and "source" in tables["train"].column_names:
        tables["train"] = tables["train"].filter(pc.equal(tables["train"]["source"], _SOURCES[folder.name]))
    if not all("language" in table.column_names for table in tables.values()):
        return [_made(folder.name, folder.name, tables)]
    languages = sorted(set(tables["train"]["language"].to_pylist()))
    return [
        _made(f"{folder.name}/{language}", folder.name,
              {part: table.filter(pc.equal(table["language"], language)) for part, table in tables.items()})
        for language in languages
    ]  # fmt: skip


def _made(name: str, family: str, tables: Mapping[str, pa.Table]) -> StudySet:
    labels = {part: table["label"].to_pylist() for part, table in tables.items()}
    texts = {part: [str(text) for text in table["text"].to_pylist()] for part, table in tables.items()}
    known = sorted(set(labels["train"]), key=lambda label: (isinstance(label, str), label))
    if strange := [label for label in labels["test"] if label not in set(known)]:
        raise UserError(f"{name}: the test part has the label {strange[0]!r}, which no training row has.")
    number = {label: i for i, label in enumerate(known)}
    train, test = (Part(texts[part], np.array([number[one] for one in labels[part]])) for part in ("train", "test"))
    seen = set(train.texts)
    return StudySet(
        name,
        train,
        test,
        [_NAMES.get(family, {}).get(label, str(label)) for label in known],
        is_paper=family in PAPER_SETS,
        n_overlap=sum(text in seen for text in test.texts),
        n_given=(len(train.texts), len(test.texts)),
    )


def _reduced(part: Part, n: int) -> Part:
    if n >= len(part.texts):
        return part
    return part.take(holdout(part.labels, None, 1 - n / len(part.texts), 0, True)[0])  # keeps a row of every class
