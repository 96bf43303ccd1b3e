"""The door: what `frostline` exports, where it lives, and that nothing else is promised."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import frostline


def imported_for_type_checkers() -> dict[str, tuple[str, str]]:
    """Name bound under `if TYPE_CHECKING:` -> (module, name there)."""
    tree = ast.parse(Path(frostline.__file__).read_text("utf-8"))
    guards = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    statements = [n for guard in guards for n in guard.body]
    assert all(isinstance(n, ast.ImportFrom) for n in statements)
    return {
        alias.asname or "": (node.module or "", alias.name)
        for node in statements
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_all_is_sorted_and_is_what_dir_shows() -> None:
    assert frostline.__all__ == sorted(set(frostline.__all__), key=str.casefold)
    assert dir(frostline) == sorted(frostline.__all__)
    assert set(frostline.__all__) == {*frostline._HOME, "__version__"}


@pytest.mark.parametrize("name", sorted(frostline._HOME))
def test_a_name_is_the_object_that_lives_at_home(name: str) -> None:
    home = importlib.import_module(frostline._HOME[name])
    value = getattr(frostline, name)
    assert value is getattr(home, name)
    assert isinstance(value, ModuleType) or name in home.__all__


def test_type_checkers_see_the_same_names_in_the_same_homes() -> None:
    seen = imported_for_type_checkers()
    assert set(seen) == set(frostline._HOME)
    for name, (module, original) in seen.items():
        assert original == name, "written `x as x`, which marks a re-export"
        assert module == frostline._HOME[name]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'TextClasifier'"):
        _ = frostline.TextClasifier


def test_every_all_in_the_package_names_what_exists() -> None:
    root = Path(frostline.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(("frostline", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        missing = [n for n in getattr(module, "__all__", []) if not hasattr(module, n)]
        assert not missing, f"{name}.__all__ names {missing}"
