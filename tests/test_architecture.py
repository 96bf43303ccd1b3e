"""The limits of the house, read off the source by `ast`: what breaks one is rewritten."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import frostline

ROOT = Path(frostline.__file__).parent

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40
MAX_INIT_PARAMETERS = 10
WIDE_INITS = {"TextEmbedder": 13}
"""The one signature that CONTRACTS fixes above the limit."""

MAY_IMPORT_FRAMEWORKS = ("backbones/", "heads/", "lms/", "elm/")
MAY_PRINT = ("cli/",)
PASS_TRUST_ON = {
    "cli/diagnose.py", "engines/diagnosis.py",
    "embedder.py", "estimators/saving.py", "backbones/load.py", "backbones/build.py", "backbones/vocabulary.py",
    "engines/inputs.py", "engines/loading.py", "engines/apply.py", "engines/more.py", "engines/health.py",
    "cli/apply.py", "cli/more.py", "cli/health.py",
    "lms/__init__.py", "lms/local.py", "elm/elm.py", "engines/explain.py", "cli/explain.py",
}  # fmt: skip
"""Where the user's own word on remote code is handed down; nobody says it for him."""

FRAMEWORKS = {"torch", "transformers"}
EXECUTES_FILES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


Rule = Callable[[Source], Iterator[str]]


def _walk(source: Source, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(source.tree) if isinstance(node, kinds))


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _modules(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Modules that a file imports, whether by statement or by name in a call."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node, node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__", "require"):
                yield node, str(node.args[0].value)


def long_file(source: Source) -> Iterator[str]:
    if (n := len(source.text.splitlines())) > MAX_FILE_LINES:
        yield f"{source.path}: {n} lines"


def long_function(source: Source) -> Iterator[str]:
    for node in _walk(source, ast.FunctionDef, ast.AsyncFunctionDef):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if body and (n := (body[-1].end_lineno or 0) - body[0].lineno + 1) > MAX_BODY_LINES:
            yield source.at(node, f"{node.name} has {n} body lines")


def wide_init(source: Source) -> Iterator[str]:
    for owner in _walk(source, ast.ClassDef):
        for node in owner.body:
            if isinstance(node, Function) and node.name == "__init__":
                n = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs) - 1
                if n > WIDE_INITS.get(owner.name, MAX_INIT_PARAMETERS):
                    yield source.at(node, f"{owner.name} takes {n} parameters")


def undocumented(source: Source) -> Iterator[str]:
    if ast.get_docstring(source.tree) is None:
        yield f"{source.path}: the module has no docstring"
    for node in _public(source.tree.body):
        if ast.get_docstring(node) is None and not any("overload" in ast.unparse(d) for d in node.decorator_list):
            yield source.at(node, f"{node.name} has no docstring")


def untyped_return(source: Source) -> Iterator[str]:
    for node in _public(source.tree.body):
        if isinstance(node, Function) and node.returns is None:
            yield source.at(node, f"{node.name} has no return annotation")


def framework_outside_its_rooms(source: Source) -> Iterator[str]:
    for node, module in _modules(source):
        if module.partition(".")[0] in FRAMEWORKS and not source.path.startswith(MAY_IMPORT_FRAMEWORKS):
            yield source.at(node, f"imports {module}")


def assertion(source: Source) -> Iterator[str]:
    for node in _walk(source, ast.Assert):
        yield source.at(node, "assert: raise UserError, or let the types say it")


def printing(source: Source) -> Iterator[str]:
    for node in _walk(source, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "print" and not source.path.startswith(MAY_PRINT):
            yield source.at(node, "print")


def code_from_data(source: Source) -> Iterator[str]:
    for node, module in _modules(source):
        if module.partition(".")[0] in EXECUTES_FILES:
            yield source.at(node, f"imports {module}")
    for node in _walk(source, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile"):
            yield source.at(node, node.func.id)
        if ast.unparse(node.func) == "torch.load":
            yield source.at(node, "torch.load")
        for keyword in node.keywords:
            if keyword.arg not in ("trust_remote_code", "allow_pickle") or ast.unparse(keyword.value) == "False":
                continue
            passed_on = source.path in PASS_TRUST_ON and not isinstance(keyword.value, ast.Constant)
            if keyword.arg == "allow_pickle" or not passed_on:
                yield source.at(node, f"{keyword.arg}={ast.unparse(keyword.value)}")


def bare_except(source: Source) -> Iterator[str]:
    for node in _walk(source, ast.ExceptHandler):
        if node.type is None:
            yield source.at(node, "bare except")


# Each rule beside a text that breaks it once.
RULES: dict[Rule, str] = {
    long_file: "\n" * (MAX_FILE_LINES + 1),
    long_function: 'def f():\n    """Doc."""\n' + "    pass\n" * (MAX_BODY_LINES + 1),
    wide_init: "class A:\n    def __init__(self, a, b, c, d, e, f, g, h, *, i, j, k): ...\n",
    undocumented: '"""Module."""\n\nclass A:\n    """Class."""\n\n    def f(self): ...\n    def _g(self): ...\n',
    untyped_return: "class A:\n    def f(self): ...\n    def _g(self): ...\n",
    framework_outside_its_rooms: "def f():\n    from torch.nn import Linear\n",
    assertion: "def f(x):\n    assert x > 0\n",
    printing: "print('x')\n",
    code_from_data: "import os\nfrom joblib import load\n",
    bare_except: "try:\n    f()\nexcept:\n    pass\n",
}

SOURCES = [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    broken = [line for source in SOURCES for line in rule(source)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_sees_what_breaks_it(rule: Rule) -> None:
    assert len(list(rule(Source("module.py", RULES[rule])))) == 1


def test_a_body_at_the_limit_passes_whatever_its_docstring() -> None:
    doc = '    """' + "line\n" * 100 + '    """\n'
    assert not list(long_function(Source("module.py", "def f():\n" + doc + "    pass\n" * MAX_BODY_LINES)))


def test_rooms_are_exempt_by_path() -> None:
    assert not list(framework_outside_its_rooms(Source("heads/mlp.py", "import torch\n")))
    assert not list(printing(Source("cli/fit.py", "print('x')\n")))
    assert list(printing(Source("client.py", "print('x')\n")))


@pytest.mark.parametrize(
    "line", ["eval('1')", "torch.load(f)", "np.load(f, allow_pickle=True)", "m(trust_remote_code=x)"]
)
def test_calls_that_run_data_as_code_are_seen(line: str) -> None:
    assert list(code_from_data(Source("module.py", line)))


def test_trust_is_handed_down_and_never_given() -> None:
    assert not list(code_from_data(Source("embedder.py", "m(trust_remote_code=x)")))
    assert list(code_from_data(Source("embedder.py", "m(trust_remote_code=True)")))
    assert list(code_from_data(Source("embedder.py", "m(allow_pickle=x)")))


def test_calls_that_look_alike_are_not() -> None:
    assert not list(
        code_from_data(Source("module.py", "model.eval(); re.compile('x'); np.load(f, allow_pickle=False)"))
    )


def test_all_of_the_package_is_read() -> None:
    assert {"__init__.py", "contracts.py", "errors.py"} <= {source.path for source in SOURCES}
