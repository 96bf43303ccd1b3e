"""What is predicted: black-box functions at inputs that are drawn, and real tables."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from frostline._optional import require
from frostline.errors import UserError, nearest
from frostline.splits import group_ids, holdout
from frostline.studies.sets import BUNDLED
from frostline.tables import read_table, render_rows

__all__ = ["Inputs", "Problem", "TableSource", "draw_inputs", "function_names", "functions_at", "read_tables"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_ENDINGS = (".parquet", ".csv", ".jsonl")
_INSTANCE = 1
_TEST_SHARE = 10  # one row of so many: the paper splits 8-1-1, and a head holds its own validation rows out of the nine


@dataclass(frozen=True)
class Inputs:
    """Rows that one or several targets share.

    Attributes
    ----------
    family : {"functions", "tables"}
    table : pa.Table
        n rows, a column for each parameter.
    fit, test : int arrays
        Rows to learn from, in an order that can be cut short, and rows to score.
    groups : int array of shape (n,)
        Rows that are never split between training and validation.
    """

    family: str
    table: pa.Table
    fit: Rows
    test: Rows
    groups: Rows

    @property
    def dof(self) -> int:
        """Number of columns."""
        return int(self.table.num_columns)

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits: of all values and of the split."""
        found = hashlib.blake2b(digest_size=8)
        for text in render_rows(self.table, template="json"):
            found.update(text.encode("utf-8", "surrogatepass") + b"\n")
        for rows in (self.fit, self.test, self.groups):
            found.update(np.asarray(rows, dtype="<i8").tobytes() + b"|")
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Problem:
    """Inputs with one target.

    Attributes
    ----------
    name : str
    repetition : int
        Which draw of inputs; also the seed of all that is trained.
    inputs : Inputs
    target : callable
        Makes y of shape (n,).
    stamp : str
        What else decides y.
    """

    name: str
    repetition: int
    inputs: Inputs
    target: Callable[[], Floats]
    stamp: str

    @functools.cached_property
    def y(self) -> Floats:
        """Targets, shape (n,)."""
        return self.target()

    @property
    def key(self) -> Mapping[str, Any]:
        """What of it decides a result."""
        own = self.inputs
        place = {"family": own.family, "name": self.name, "dof": own.dof, "repetition": self.repetition}
        return {**place, "inputs": own.digest, "target": self.stamp}


def draw_inputs(dof: int, repetition: int, n: int) -> Inputs:
    """Draw points uniformly from [-5, 5] in every coordinate, for all functions alike.

    Parameters
    ----------
    dof : int
        Number of parameters, called ``x0``, ``x1``, ...
    repetition : int
    n : int
        Points; the last tenth is the test part.

    Returns
    -------
    Inputs
    """
    X = np.random.default_rng([dof, repetition]).uniform(-5, 5, (n, dof))
    table = pa.table({f"x{i}": X[:, i] for i in range(dof)})
    n_fit = n - max(1, n // _TEST_SHARE)
    return Inputs("functions", table, np.arange(n_fit), np.arange(n_fit, n), np.arange(n))


def function_names(names: Sequence[str] = ()) -> list[str]:
    """Names of the 24 noiseless BBOB functions, or of those that are asked for.

    Raises
    ------
    MissingExtraError
        ``ioh`` is not installed.
    UserError
        There is no function of that name.

    References
    ----------
    Hansen et al., 2009, Real-Parameter Black-Box Optimization Benchmarking: Noiseless Functions Definitions.
    """
    known = list(_numbers())
    if unknown := [name for name in names if name not in known]:
        raise UserError(
            f"There is no function {unknown[0]!r}. There are: {', '.join(known)}.",
            hint=nearest(unknown[0], known) or None,
        )
    return list(names) or known


def functions_at(inputs: Inputs, repetition: int, names: Sequence[str]) -> list[Problem]:
    """Put functions over the inputs.

    Parameters
    ----------
    inputs : Inputs
        See :func:`draw_inputs`.
    repetition : int
    names : sequence of str
        See :func:`function_names`.

    Returns
    -------
    list of Problem
    """
    _ioh()
    stamp = f"ioh {version('ioh')}, instance {_INSTANCE}"
    return [Problem(name, repetition, inputs, functools.partial(_evaluate, name, inputs), stamp) for name in names]


def _evaluate(name: str, inputs: Inputs) -> Floats:
    X = np.column_stack([column.to_numpy() for column in inputs.table.columns])
    function = _function(_numbers()[name], inputs.dof)
    return np.array(function(X.copy()), dtype=np.float64)


def _ioh() -> Any:
    return require("ioh", extra="study", needed_for="the black-box functions of the regression study")


def _function(number: int, dof: int) -> Any:
    ioh = _ioh()
    return ioh.get_problem(number, instance=_INSTANCE, dimension=dof, problem_class=ioh.ProblemClass.BBOB)


def _numbers() -> dict[str, int]:
    return {_function(number, 2).meta_data.name: number for number in range(1, 25)}


@dataclass(frozen=True, eq=False)
class TableSource:
    """A real table, from which rows are drawn.

    Attributes
    ----------
    name : str
    table : pa.Table
        Input columns.
    y : array of shape (n,)
    groups : int array of shape (n,)
        Rows that stay on one side of a split: of one group or with equal inputs.
    given : bool array of shape (n,) or None
        Test rows where the table says which they are.
    n_missing : int
        Rows without a target, which are not among these.
    """

    name: str
    table: pa.Table
    y: Floats
    groups: Rows
    given: NDArray[np.bool_] | None
    n_missing: int

    def draw(self, repetition: int, n: int) -> Problem:
        """Draw at most n rows and split them nine to one, whole groups at a time, or as the table says.

        Repetitions split the same rows, so that a backbone reads them once; where the table says which are test rows, they
        draw other ones.
        """
        rng = np.random.default_rng([2, repetition])
        order = np.random.default_rng([3, 0 if self.given is None else repetition]).permutation(len(self.y))
        if self.given is None:
            rows = order[:n]
            fit, test = holdout(self.y[rows], self.groups[rows].tolist(), 1 / _TEST_SHARE, repetition, False)
        else:
            n_test = min(max(1, n // _TEST_SHARE), int(self.given.sum()))
            held = order[self.given[order]][:n_test]
            rows = np.concatenate([order[~self.given[order]][: n - n_test], held])
            fit, test = np.arange(len(rows) - n_test), np.arange(len(rows) - n_test, len(rows))
        fit = rng.permutation(fit)  # holdout gives rows ascending; a cut shall be a random one
        inputs = Inputs("tables", self.table.take(rows), fit, test, self.groups[rows])
        y = self.y[rows]
        stamp = hashlib.blake2b(np.ascontiguousarray(y, dtype="<f8").tobytes(), digest_size=8).hexdigest()
        return Problem(self.name, repetition, inputs, lambda: y, stamp)


def read_tables(data: str | Path | None, names: Sequence[str] = ()) -> list[TableSource]:
    """Read the tables that a folder's ``index.csv`` lists.

    Parameters
    ----------
    data : path or None
        Holds ``index.csv`` with the columns ``name`` and ``targets`` (the first of ``A|B`` is taken) and, optionally,
        ``group`` (a column whose rows stay together) and ``drop`` (columns that are no inputs, ``A|B``); and NAME.parquet,
        .csv or .jsonl, beside it or in a folder NAME. A column ``split`` in a table names its test rows. None = the
        bundled examples.
    names : sequence of str
        Which; none = all.

    Returns
    -------
    list of TableSource

    Raises
    ------
    UserError
        No such folder, index, table or column, or a target that is no number.
    """
    folder = BUNDLED if data is None else Path(data).expanduser()
    index = folder / "index.csv"
    if not index.is_file():
        hint = "run it in a checkout of Frostline, name a folder with --data, or leave tables out with --tables none"
        raise UserError(f"The list of tables {index} does not exist.", hint=hint if data is None else None)
    listed = pa.csv.read_csv(index)
    if missing := {"name", "targets"} - set(listed.column_names):
        raise UserError(f"{index} has no column {sorted(missing)[0]!r}; its columns: {', '.join(listed.column_names)}.")
    entries = {str(entry["name"]): entry for entry in listed.to_pylist()}
    if unknown := [name for name in names if name not in entries]:
        raise UserError(
            f"{index} lists no table {unknown[0]!r}. It lists: {', '.join(entries) or 'none'}.",
            hint=nearest(unknown[0], list(entries)) or None,
        )
    return [_read(folder, entries[name]) for name in (names or entries)]


def _read(folder: Path, entry: Mapping[str, Any]) -> TableSource:
    name, target = str(entry["name"]), str(entry["targets"]).split("|")[0]
    group, dropped = entry.get("group") or None, [one for one in str(entry.get("drop") or "").split("|") if one]
    places = [place / f"{name}{ending}" for place in (folder, folder / name) for ending in _ENDINGS]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise UserError(f"{folder} lists the table {name!r} but holds no {name}.parquet, .csv or .jsonl.")
    table = read_table(path)
    if absent := [column for column in (target, group, *dropped) if column and column not in table.column_names]:
        raise UserError(f"{path} has no column {absent[0]!r}; its columns: {', '.join(table.column_names)}.")
    try:
        y = table[target].cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: the target {target!r} holds no numbers: {error}.") from error
    known = np.isfinite(y)
    table, y = table.filter(pa.array(known)), y[known]
    given = np.array(table["split"].to_pylist()) == "test" if "split" in table.column_names else None
    outside = {*str(entry["targets"]).split("|"), *dropped, "split"}
    inputs = table.select([column for column in table.column_names if column not in outside])
    texts = render_rows(inputs, template="json")
    groups = group_ids(texts, table[group].to_pylist()) if group else group_ids(texts)
    return TableSource(name, inputs, y, groups, given, int((~known).sum()))
