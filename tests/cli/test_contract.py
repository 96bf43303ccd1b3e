"""What every command shares, whatever it does: scripts pass these flags without looking."""

from __future__ import annotations

import json

import pytest
import typer.main

from frostline.cli import app, main

GROUP = typer.main.get_command(app)
COMMANDS = {
    " ".join(path): command
    for name, own in GROUP.commands.items()
    for path, command in (
        [((name, sub), part) for sub, part in own.commands.items()] if hasattr(own, "commands") else [((name,), own)]
    )
}


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_of_every_command(command):
    flags = {flag for parameter in COMMANDS[command].params for flag in parameter.opts}
    assert {"--json", "--quiet", "--store", "--no-store"} <= flags


def test_commands_that_are_promised():
    first = {name.split()[0] for name in COMMANDS}
    assert {"embed", "fit", "predict", "evaluate", "sweep", "diagnose", "adapt", "explain", "doctor"} <= first
    for promised in ("space semantic", "space behavioral", "space graph", "study llmembed", "study regression",
                     "study elm", "store info", "store verify", "store prune"):  # fmt: skip
        assert promised in COMMANDS


@pytest.mark.parametrize("command", ["info", "verify", "prune"])
def test_a_command_of_the_store_without_a_store(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main(["store", command, "--no-store", "--json"])
    out, err = capsys.readouterr()
    assert stop.value.code == json.loads(out)["exit_code"] == 2
    assert "leaves no store to look at" in err


@pytest.mark.parametrize(
    "args",
    [
        ("space", "behavioral", "d.csv", "--user", "a", "--item", "b", "--out", "v.parquet"),
        ("space", "graph", "d.csv", "--source", "a", "--target", "b", "--out", "v.parquet"),
        ("concept", "m", "good"),
    ],
)
def test_a_store_and_none_are_refused_also_where_neither_matters(capsys, args):
    with pytest.raises(SystemExit) as stop:
        main([*args, "--store", "s", "--no-store"])
    assert stop.value.code == 2
    assert "Both --store and --no-store" in capsys.readouterr().err
