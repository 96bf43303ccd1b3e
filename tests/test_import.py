"""`import frostline` is free: no framework, no file but Python modules, nothing written, no time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

import pytest

HEAVY = {
    "torch",
    "transformers",
    "tokenizers",
    "sklearn",
    "scipy",
    "pandas",
    "polars",
    "pyarrow",
    "skops",
    "typer",
    "rich",
}
MODULE_ENDINGS = (".py", ".pyc", ".so", ".pyd", ".pth")
CHANGES = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.putenv",
    "os.chmod",
    "shutil.",
)
REACHES = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "_thread.",
    "sqlite3.",
    "urllib.",
)

CHILD = """
import json, os, sys, time
events = []
def hook(name, args):
    if name == "open":
        events.append([name, str(args[0]), str(args[1]), int(args[2] or 0)])
    elif name.startswith({watched!r}):
        events.append([name, repr(args), "", 0])
environment, started = dict(os.environ), time.process_time()
sys.addaudithook(hook)
{statement}
seconds, found = time.process_time() - started, list(events)
same_env = environment == dict(os.environ)
print(json.dumps({{"seconds": seconds, "events": found, "modules": sorted(sys.modules), "same_env": same_env}}))
"""


def observe(statement: str) -> dict[str, Any]:
    code = CHILD.format(statement=statement, watched=CHANGES + REACHES)
    # -B: Python itself would write bytecode; -X utf8 keeps the child's output readable everywhere
    done = subprocess.run(
        [sys.executable, "-B", "-X", "utf8", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def written(events: list[Any]) -> list[Any]:
    flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return [e for e in events if e[0] == "open" and (set(e[2]) & set("wax+") or e[3] & flags)]


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    return observe("import frostline")


def test_no_framework_is_loaded(imported: dict[str, Any]) -> None:
    assert "frostline" in imported["modules"]
    assert not HEAVY & set(imported["modules"])


def test_only_python_modules_are_read(imported: dict[str, Any]) -> None:
    opened = [path for name, path, *_ in imported["events"] if name == "open"]
    assert any("frostline" in path for path in opened)
    assert [path for path in opened if not path.endswith(MODULE_ENDINGS)] == []


def test_nothing_is_written_started_or_reached(imported: dict[str, Any]) -> None:
    assert written(imported["events"]) == []
    assert [event for event in imported["events"] if event[0] != "open"] == []
    assert imported["same_env"]


def test_it_takes_no_time() -> None:
    assert statistics.median(observe("import frostline")["seconds"] for _ in range(3)) < 0.5


@pytest.mark.parametrize("module", ["frostline.errors", "frostline.contracts", "frostline._optional"])
def test_the_leaves_load_no_framework_either(module: str) -> None:
    assert not HEAVY & set(observe(f"import {module}")["modules"])


def test_the_observer_sees_what_it_forbids(tmp_path: Any) -> None:
    seen = observe(
        f"open({str(tmp_path / 'f')!r}, 'w').close(); os.mkdir({str(tmp_path / 'd')!r}); "
        "import socket; socket.socket().close(); os.environ['FROSTLINE_X'] = '1'; import numpy"
    )
    assert [path for _, path, *_ in written(seen["events"])] == [str(tmp_path / "f")]
    assert {"os.mkdir", "os.putenv", "socket.__new__"} <= {name for name, *_ in seen["events"]}
    assert not seen["same_env"]
    assert "numpy" in seen["modules"]
