"""Tasks as data: a prompt over one or two vectors, and where its target comes from. Packs are YAML files of tasks.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475, table 1: 24 tasks about films and a user profile. The wording of its prompts is not
public; ours is our own, and each task says what it follows and from what its target is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from frostline.elm.prompts import Prompt
from frostline.elm.templates import Template
from frostline.errors import UserError, nearest

__all__ = ["PACKS", "Attribute", "Pack", "Task", "load_pack", "pack_from_json"]

PACKS = ("films", "books", "generic")

_SOURCES = ("column", "template", "teacher")
_PAIRS = ("random", "nearest")


@dataclass(frozen=True)
class Task:
    """One task.

    Parameters
    ----------
    name : str
    prompt : str
        With a ``{vector}`` for each vector.
    source : {"column", "template", "teacher"}
        What `target` is: a column, a template over columns, or a template of what a teacher is asked.
    target : str
    note : str
        What it follows, and where its words come from.
    pairs : {"", "random", "nearest"}, default=""
        Of a task over two vectors: which row stands beside a row.
    weight : float, default=1.0
        How often it is drawn beside others.
    space : str, default=""
        Of its vectors; empty = the only one.
    min_words : int, default=0
        Shorter targets are left out, as long as they are less than half: beside short targets the likeliest answer is a short
        one, which says little of the vector.
    """

    name: str
    prompt: str
    source: str
    target: str
    note: str
    pairs: str = ""
    weight: float = 1.0
    space: str = ""
    min_words: int = 0

    @property
    def template(self) -> Template:
        """The target as a template; a column is the template of that column alone."""
        return Template.parse("{" + self.target + "}" if self.source == "column" else self.target)

    @property
    def n_vectors(self) -> int:
        """Vectors in its prompt."""
        return 2 if self.pairs else 1

    def parsed(self, spaces: Sequence[str]) -> Prompt:
        """Its prompt, read for these spaces."""
        text = self.prompt.replace("{vector}", f"{{vector:{self.space}}}") if self.space else self.prompt
        return Prompt.parse(text, spaces, n_vectors=self.n_vectors)


@dataclass(frozen=True)
class Attribute:
    """What of a row can be read from its vector and looked for in a text.

    Parameters
    ----------
    column : str
    kind : {"list", "decade"}, default="list"
    words : mapping of str to sequence of str
        Other words for a value.
    """

    column: str
    kind: str = "list"
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pack:
    """Tasks that go together.

    Parameters
    ----------
    name, noun : str
        The noun is what a row is: a film.
    columns : mapping of str to sequence of str
        What a column may be called in a table; the first that is there is taken.
    lists : mapping of str to str
        Columns whose cells hold several values, and what stands between them.
    tasks : sequence of Task
    attributes : mapping of str to Attribute
    per_id : int or None
        Tasks drawn for each id; None = all.
    opening : int, default=0
        Tokens in which an answer says what a row is; see :class:`frostline.Decoding`.
    """

    name: str
    noun: str
    columns: Mapping[str, Sequence[str]]
    lists: Mapping[str, str]
    tasks: Sequence[Task]
    attributes: Mapping[str, Attribute]
    per_id: int | None = None
    opening: int = 0

    def task(self, name: str, skipped: Mapping[str, str] | None = None) -> Task:
        """The task of this name; of tasks that were not learnt it is told why.

        Raises
        ------
        UserError
        """
        found = {task.name: task for task in self.tasks}
        if name not in found and (why := (skipped or {}).get(name)):
            raise UserError(f"The task {name!r} was not learnt: {why}.", hint=f"allowed: {', '.join(found)}")
        if name not in found:
            raise UserError(f"Unknown task {name!r}. Allowed: {', '.join(found)}.", hint=nearest(name, found) or None)
        return found[name]

    def to_json(self) -> dict[str, Any]:
        """As plain values, for :func:`pack_from_json`."""
        return {
            "name": self.name, "noun": self.noun, "columns": {k: list(v) for k, v in self.columns.items()},
            "lists": dict(self.lists), "per_id": self.per_id, "opening": self.opening,
            "tasks": [vars(task) for task in self.tasks],
            "attributes": {
                name: {"column": a.column, "kind": a.kind, "words": {k: list(v) for k, v in a.words.items()}}
                for name, a in self.attributes.items()
            },
        }  # fmt: skip


def load_pack(name: str | Path) -> Pack:
    """Read a pack.

    Parameters
    ----------
    name : str or path
        ``"films"``, ``"books"``, ``"generic"``, or a YAML file.

    Raises
    ------
    UserError
        No such pack, or a file that is none.
    """
    if str(name) in PACKS:
        text = resources.files("frostline.elm").joinpath("packs", f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{name} cannot be read as YAML: {error}.") from error
    else:
        raise UserError(
            f"Unknown tasks {str(name)!r}. Allowed: {', '.join(PACKS)}, or a YAML file.",
            hint=nearest(str(name), PACKS) or None,
        )
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{name} cannot be read as YAML: {error}.") from error
    return pack_from_json(said, str(name))


def pack_from_json(said: Any, where: str = "the pack") -> Pack:
    """Make a pack of plain values, as a YAML file holds them.

    Raises
    ------
    UserError
        Unknown or missing keys, values of another kind, or a task that contradicts itself.
    """
    kinds = dict.fromkeys(("columns", "lists", "attributes"), dict) | {
        "name": str,
        "noun": str,
        "tasks": list,
        "per_id": int,
        "opening": int,
    }
    _check_keys(said, set(kinds), {"name", "tasks"}, where)
    _check_kinds(said, kinds, where)
    columns = {key: [value] if isinstance(value, str) else value for key, value in (said.get("columns") or {}).items()}
    attributes = {}
    for name, value in (said.get("attributes") or {}).items():
        _check_keys(value, {"column", "kind", "words"}, {"column"}, f"{where}: attribute {name}")
        _check_kinds(value, {"column": str, "words": dict}, f"{where}: attribute {name}")
        if value.get("kind", "list") not in ("list", "decade"):
            raise UserError(f"{where}: attribute {name}: unknown kind {value['kind']!r}. Allowed: list, decade.")
        words = {key: [own] if isinstance(own, str) else own for key, own in (value.get("words") or {}).items()}
        for key, own in words.items():
            if not isinstance(own, list) or not all(isinstance(word, str) for word in own):
                raise UserError(f"{where}: attribute {name}: the words of {key} must be a list of text, got {own!r}.")
        attributes[name] = Attribute(value["column"], value.get("kind", "list"), words)
    tasks = [_task(value, where) for value in said["tasks"]]
    if len({task.name for task in tasks}) < len(tasks):
        raise UserError(f"{where}: two tasks have one name.")
    lists = said.get("lists") or {}
    _check_kinds(columns, dict.fromkeys(columns, list), f"{where}: columns")
    _check_kinds(lists, dict.fromkeys(lists, str), f"{where}: lists")
    if "" in lists.values() or None in lists.values():
        raise UserError(f"{where}: lists say what stands between their values; here it is empty.", hint='such as "|"')
    if said.get("per_id") is not None and said["per_id"] < 1:
        raise UserError(f"{where}: per_id must be 1 or more, got {said['per_id']}.")
    if (opening := said.get("opening") or 0) < 0:
        raise UserError(f"{where}: opening must be 0 or more tokens, got {opening}.")
    return Pack(said["name"], said.get("noun", "item"), columns, lists, tasks, attributes, said.get("per_id"), opening)


def _task(value: Any, where: str) -> Task:
    fields = {"name", "prompt", "note", "pairs", "weight", "space", "min_words", "source", "target", *_SOURCES}
    _check_keys(value, fields, {"name", "prompt", "note"}, where)
    where = f"{where}: task {value['name']}"
    _check_kinds(value, dict.fromkeys(fields, str) | {"weight": (int, float), "min_words": int}, where)
    value = {key: own for key, own in value.items() if own is not None}
    given = [source for source in _SOURCES if source in value]
    if "source" not in value:
        if len(given) != 1:
            raise UserError(f"{where} needs one of {', '.join(_SOURCES)}; it has {', '.join(given) or 'none'}.")
        value["source"], value["target"] = given[0], value.pop(given[0])
    task = Task(**value)
    if not 0 < task.weight < float("inf"):
        raise UserError(f"{where}: weight must be a positive number, got {task.weight}.")
    if task.pairs not in ("", *_PAIRS):
        raise UserError(f"{where}: unknown pairs {task.pairs!r}. Allowed: {', '.join(_PAIRS)}.")
    if task.template.n_rows > task.n_vectors:
        raise UserError(f"{where} has one vector, and its target speaks of two rows.", hint="add pairs: random")
    return task


_KINDS: dict[Any, str] = {
    str: "text",
    dict: "a mapping",
    list: "a list",
    int: "a whole number",
    (int, float): "a number",
}


def _check_kinds(value: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> None:
    """Refuse what is of another kind than its key asks for; a key without a value is one left out."""
    for key, kind in kinds.items():
        found = value.get(key)
        if found is not None and (isinstance(found, bool) or not isinstance(found, kind)):
            raise UserError(f"{where}: {key} must be {_KINDS[kind]}, got {found!r}.")


def _check_keys(value: Any, known: set[str], needed: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise UserError(f"{where} must be a mapping, got {type(value).__name__}.")
    if unknown := sorted(map(str, set(value) - known)):
        raise UserError(f"{where} has the unknown key {unknown[0]!r}.", hint=nearest(unknown[0], known) or None)
    if missing := sorted(key for key in needed if value.get(key) is None):
        raise UserError(f"{where} lacks {', '.join(missing)}.")
