"""Examples: which task is asked of which ids, and what its answer is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from frostline.elm.records import Records
from frostline.elm.tasks import Task
from frostline.elm.templates import Row
from frostline.numerics.neighbors import nearest

__all__ = ["Example", "Examples", "build_examples", "with_targets"]

N_NEAR = 5

Teacher = Callable[[Sequence[str]], Sequence[str]]
"""Instructions in, answers out; an empty answer is none."""


Asked = tuple[Task, tuple[str, ...], str]
"""A task, its ids, and the target or what a teacher is told."""


@dataclass(frozen=True)
class Example:
    """One question and its answer."""

    task: Task
    ids: tuple[str, ...]
    text: str


@dataclass
class Examples:
    """All examples of some ids.

    Attributes
    ----------
    items : list of Example
    empty : dict of str to int
        For each task, ids whose row lacks a field that the target needs, whose target is too short, or to which the teacher
        gave no answer.
    skipped : dict of str to str
        Tasks that were not asked at all, and why.
    """

    items: list[Example] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def build_examples(
    records: Records,
    ids: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    seed: int,
    teacher: Teacher | None = None,
) -> Examples:
    """Make the examples of ids that stand on one side of the split; partners come from the same side.

    Parameters
    ----------
    records : Records
    ids : sequence of n str
    vectors : array of shape (n, D)
    seed : int
    teacher : callable, optional
        Answers the tasks that need one.
    """
    found = Examples()
    tasks = _possible(records, found, teacher is not None)
    near = nearest(vectors, vectors, min(N_NEAR, len(ids) - 1), "cosine", skip_self=True)[0] if len(ids) > 1 else None
    asked: list[Asked] = []
    for i, name in enumerate(ids):
        rng = np.random.default_rng([seed, _number(name)])
        rows = _row(records, ids, near, i)
        for task in _drawn(tasks, records.pack.per_id, rng):
            partner = _partner(task, i, near, len(ids), rng)
            if partner is None and task.pairs:
                continue
            own = (name,) if partner is None else (name, ids[partner])
            text = task.template.render([rows] if partner is None else [rows, records.rows[ids[partner]]])
            if text:
                asked.append((task, own, text))
            else:
                found.empty[task.name] = found.empty.get(task.name, 0) + 1
    found.items = _answered(_long_enough(asked, found), teacher, found)
    return found


def _long_enough(asked: Sequence[Asked], found: Examples) -> list[Asked]:
    """Leave out targets with fewer words than their task wants, unless most of them have fewer."""
    short: dict[str, int] = {}
    for task, _, text in asked:
        short[task.name] = short.get(task.name, 0) + _is_short(task, text)
    n_asked = Counter(task.name for task, _, _ in asked)
    strict = {name for name, n in short.items() if 0 < 2 * n < n_asked[name]}
    for name in strict:
        found.empty[name] = found.empty.get(name, 0) + short[name]
    return [(task, ids, text) for task, ids, text in asked if task.name not in strict or not _is_short(task, text)]


def _is_short(task: Task, text: str) -> bool:
    return task.source != "teacher" and len(text.split()) < task.min_words


def _possible(records: Records, found: Examples, taught: bool) -> list[Task]:
    tasks = []
    for task in records.pack.tasks:
        missing = [column for column in task.template.columns if column not in records.columns]
        if missing:
            found.skipped[task.name] = f"the table has no column for {', '.join(missing)}"
        elif task.source == "teacher" and not taught:
            found.skipped[task.name] = "it needs a teacher, and none was given"
        else:
            tasks.append(task)
    return tasks


def _drawn(tasks: Sequence[Task], n: int | None, rng: np.random.Generator) -> list[Task]:
    """Tasks for one id: all, or n of them by weight."""
    if n is None or n >= len(tasks):
        return list(tasks)
    weights = np.array([task.weight for task in tasks])
    chosen = rng.choice(len(tasks), size=n, replace=False, p=weights / weights.sum())
    return [tasks[i] for i in sorted(chosen)]


def _partner(task: Task, i: int, near: NDArray[np.intp] | None, n: int, rng: np.random.Generator) -> int | None:
    if not task.pairs or near is None:
        return None
    if task.pairs == "nearest":
        return int(near[i, 0])
    other = int(rng.integers(n - 1))
    return other + (other >= i)


def _row(records: Records, ids: Sequence[str], near: NDArray[np.intp] | None, i: int) -> Row:
    others = [] if near is None else [records.rows[ids[j]].lists for j in near[i]]
    return replace(records.rows[ids[i]], near=others)


def _answered(asked: Sequence[Asked], teacher: Teacher | None, found: Examples) -> list[Example]:
    taught = [i for i, (task, _, _) in enumerate(asked) if task.source == "teacher"]
    answers: Mapping[int, str] = {}
    if taught and teacher is not None:
        answers = dict(zip(taught, teacher([asked[i][2] for i in taught]), strict=True))
    return with_targets(
        [Example(task, ids, answers.get(i, text)) for i, (task, ids, text) in enumerate(asked)], found.empty
    )


def with_targets(examples: Sequence[Example], empty: dict[str, int]) -> list[Example]:
    """Leave out examples without a target, and count them by task in `empty`."""
    for example in examples:
        if not example.text.strip():
            empty[example.task.name] = empty.get(example.task.name, 0) + 1
    return [example for example in examples if example.text.strip()]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big")
