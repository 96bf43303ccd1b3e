"""README and docs are executed: their commands and their Python, in a copy of the project's examples."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from frostline.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}


def blocks(language):
    return [block for page in PAGES.values() for block in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_commands(project):
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) >= 6
    for command in commands:
        program, *args = shlex.split(command, comments=True)
        assert program == "frostline"
        with pytest.raises(SystemExit) as stop:
            main([*args, "--quiet"])
        assert stop.value.code == 0, command
    assert (project / "runs" / "predictions.csv").read_text().startswith("prediction,lower,upper")


@pytest.mark.slow
def test_python(project):
    code = blocks("python")
    assert code
    for block in code:
        exec(compile(block, "README.md", "exec"), {})


def test_named_flags_exist(capsys):
    for command in ("fit", "adapt", "explain"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    known = capsys.readouterr().out
    flags = set(re.findall(r"--[a-z][a-z-]+", README)) - {"--interval", "--help"}
    assert {flag for flag in flags if flag not in known} == set()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    targets = re.findall(r"\]\((?!http)([^)#]+)", PAGES[name])
    home = ROOT if name == "README.md" else ROOT / "docs"
    assert [target for target in targets if not (home / target).exists()] == []
