"""Docstrings are held against the signatures they describe: names, order, defaults, returns."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString

import frostline

ROOT = Path(frostline.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef

DEFAULT = re.compile(r"""\bdefault(?:s\ to)?[ =:]+(?P<value>"[^"]*"|'[^']*'|\([^)]*\)|\[[^\]]*\]|[^\s,;]+)""")
"""How a default is written in a parameter's type: `default="final"`, `default: 0.2`, `default True`."""


@dataclass(frozen=True)
class Documented:
    """One function or class of the source: its docstring beside its parameters and their defaults."""

    where: str
    doc: NumpyDocString
    parameters: dict[str, ast.expr | None]
    returns: ast.expr | None


def parameters_of(node: Function) -> dict[str, ast.expr | None]:
    arguments = node.args
    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found = {a.arg: d for a, d in zip(positional, defaults, strict=True)}
    if arguments.vararg:
        found["*" + arguments.vararg.arg] = None
    found |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    if arguments.kwarg:
        found["**" + arguments.kwarg.arg] = None
    return {name: default for name, default in found.items() if name not in ("self", "cls")}


def constructor_of(node: ast.ClassDef) -> dict[str, ast.expr | None] | None:
    """Parameters of the class's own `__init__`, or its fields if it is a dataclass; None where it inherits them."""
    for child in node.body:
        if isinstance(child, Function) and child.name == "__init__":
            return parameters_of(child)
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        fields = [
            c
            for c in node.body
            if isinstance(c, ast.AnnAssign) and not re.search("ClassVar|init=False", ast.unparse(c))
        ]
        return {ast.unparse(c.target): c.value for c in fields}
    return None


def documented(text: str, path: str = "text") -> Iterator[Documented]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function | ast.ClassDef) and (doc := ast.get_docstring(node)):
            parsed, where = NumpyDocString(doc), f"{path}:{node.lineno}: {node.name}"
            if isinstance(node, Function):
                yield Documented(where, parsed, parameters_of(node), node.returns)
            elif (parameters := constructor_of(node)) is not None:
                yield Documented(where, parsed, parameters, None)


def entries(item: Documented) -> list[tuple[str, str]]:
    """(name, type) for every documented parameter; `a, b : int` documents two."""
    return [(name, p.type) for p in item.doc["Parameters"] for name in re.split(r",\s*", p.name)]


def wrong_names(item: Documented) -> Iterator[str]:
    names = [name for name, _ in entries(item)]
    if names and names != list(item.parameters):
        yield f"{item.where}: documents {names}, takes {list(item.parameters)}"


def same(stated: str, default: ast.expr) -> bool:
    try:
        return bool(ast.literal_eval(stated) == ast.literal_eval(default))
    except (ValueError, SyntaxError):
        return stated.strip("`.") == ast.unparse(default)


def wrong_defaults(item: Documented) -> Iterator[str]:
    for name, kind in entries(item):
        default = item.parameters.get(name)
        stated = DEFAULT.search(kind)
        if stated and default is None:
            yield f"{item.where}: {name} has no default, documented: {stated['value']}"
        elif stated and default is not None and not same(stated["value"], default):
            yield f"{item.where}: the default of {name} is {ast.unparse(default)}, documented: {stated['value']}"
        elif re.search(r"\boptional\b", kind) and default is None:
            yield f"{item.where}: {name} is called optional but has no default"


def wrong_returns(item: Documented) -> Iterator[str]:
    if item.doc["Returns"] and (item.returns is None or ast.unparse(item.returns) == "None"):
        yield f"{item.where}: documents a return value, is annotated to return none"


RULES = {
    wrong_names: ("def f(a, b):\n", "a : int\n    First.\nc : int\n    Other."),
    wrong_defaults: ("def f(a=True):\n", "a : bool, default=False\n    A switch."),
    wrong_returns: ("def f(a) -> None:\n", "a : int\n    First.\n\nReturns\n-------\nint\n    Not so."),
}


def example(head: str, parameters: str) -> Documented:
    doc = f'"""Do.\n\nParameters\n----------\n{parameters}\n"""\n'
    return next(documented(head + textwrap.indent(doc, "    ")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_docstrings_say_what_signatures_say(rule: Any) -> None:
    items = [
        d
        for path in sorted(ROOT.rglob("*.py"))
        for d in documented(path.read_text("utf-8"), str(path.relative_to(ROOT)))
    ]
    broken = [line for item in items for line in rule(item)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_what_breaks_it(rule: Any) -> None:
    assert len(list(rule(example(*RULES[rule])))) == 1


@pytest.mark.parametrize(
    ("head", "kind", "right"),
    [
        ('def f(a="final"):\n', 'str, default="final"', True),
        ("def f(a='final'):\n", "str, default: 'final'", True),
        ("def f(a=0.2):\n", "float, default 0.2", True),
        ("def f(a=0.2):\n", "float, default=0.25", False),
        ("def f(a=()):\n", "tuple, default=()", True),
        ("def f(a=LIMIT):\n", "int, default=LIMIT", True),
        ("def f(a=None):\n", "int, optional", True),
        ("def f(a):\n", "int, optional", False),
        ("def f(a):\n", "int, default=1", False),
        ("def f(*, a=1):\n", "int, default=2", False),
    ],
)
def test_defaults_are_compared_by_value(head: str, kind: str, right: bool) -> None:
    assert (not list(wrong_defaults(example(head, f"a : {kind}\n    A thing.")))) is right


def door() -> Iterator[tuple[str, Any]]:
    """The functions and classes behind the door, those of `frostline.metrics` included."""
    for name in sorted(frostline._HOME):
        value = getattr(frostline, name)
        if isinstance(value, ModuleType):
            yield from ((f"{name}.{n}", getattr(value, n)) for n in value.__all__ if callable(getattr(value, n)))
        else:
            yield name, value


def takes(value: Any) -> list[str]:
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [kinds.get(p.kind, "") + p.name for p in inspect.signature(value).parameters.values()]


def test_whoever_comes_through_the_door_finds_every_parameter_documented() -> None:
    broken = []
    for name, value in door():
        inherits = (
            inspect.isclass(value) and issubclass(value, frostline.FrostlineError) and "__init__" not in vars(value)
        )
        sections = NumpyDocString(inspect.getdoc(value) or "")
        names = [n for p in sections["Parameters"] for n in re.split(r",\s*", p.name)]
        if not inherits and names != takes(value):
            broken.append(f"frostline.{name} takes {takes(value)}, documents {names}")
    assert not broken, "\n" + "\n".join(broken)
