"""A cell is computed once, whatever stops the study."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from frostline.errors import UserError
from frostline.studies import Cell, run_cells


def cells_of(log, n=4, fail=()):
    def run(i):
        log.append(i)
        if i in fail:
            raise UserError("these data cannot give it")
        return {"value": i * i}

    return [Cell({"study": "test", "i": i}, lambda i=i: run(i)) for i in range(n)]


def test_results_are_written_and_never_computed_twice(tmp_path):
    log = []
    first = run_cells(cells_of(log), tmp_path, progress=False)
    assert [outcome.result["value"] for outcome in first] == [0, 1, 4, 9]
    assert all(outcome.fresh for outcome in first)
    again = run_cells(cells_of(log, 6), tmp_path, progress=False)
    assert log == [0, 1, 2, 3, 4, 5]
    assert [outcome.fresh for outcome in again] == [False] * 4 + [True] * 2
    assert [outcome.result["value"] for outcome in again] == [0, 1, 4, 9, 16, 25]
    kept = json.loads((tmp_path / f"{cells_of(log)[2].address}.json").read_text())
    assert kept["key"] == {"study": "test", "i": 2}


def test_another_key_is_another_cell_and_order_in_it_does_not_matter():
    assert Cell({"a": 1, "b": 2}, dict).address == Cell({"b": 2, "a": 1}, dict).address
    assert Cell({"a": 1}, dict).address != Cell({"a": 2}, dict).address


def test_an_interrupt_keeps_what_was_done(tmp_path):
    log = []
    cells = cells_of(log)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells([*cells[:2], Cell(cells[2].key, stop), *cells[3:]], tmp_path, progress=False)
    assert log == [0, 1]
    run_cells(cells, tmp_path, progress=False)
    assert log == [0, 1, 2, 3]


def test_what_fails_is_said_and_tried_again(tmp_path):
    log = []
    found = run_cells(cells_of(log, fail=(1,)), tmp_path, progress=False)
    assert [outcome.error for outcome in found] == ["", "these data cannot give it", "", ""]
    assert found[1].result == {}
    assert run_cells(cells_of(log), tmp_path, progress=False)[1].result["value"] == 1
    assert log == [0, 1, 2, 3, 1]


def test_our_own_faults_are_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_cells([Cell({"i": 0}, lambda: {"value": 1 / 0})], tmp_path, progress=False)


def test_a_damaged_result_is_named(tmp_path):
    cells = cells_of([])
    (tmp_path / f"{cells[1].address}.json").write_text('{"key":')
    with pytest.raises(UserError, match=f"{cells[1].address}.json holds no result"):
        run_cells(cells, tmp_path, progress=False)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run_cells(cells_of([]), tmp_path / "file", progress=False)


def test_progress_counts_the_costs_of_what_is_left(tmp_path, capsys):
    cells = [Cell({"i": i}, dict, cost=10 * i) for i in range(4)]
    run_cells(cells[:2], tmp_path, progress=False)
    run_cells(cells, tmp_path, progress=True)
    assert "/50 [" in capsys.readouterr().err


KILLED = """
import sys, time
from frostline.studies import Cell, run_cells

def run(i):
    print(i, flush=True)
    if i == 3 and sys.argv[2] == "first":
        time.sleep(60)
    return {"value": i}

run_cells([Cell({"i": i}, lambda i=i: run(i)) for i in range(6)], sys.argv[1], progress=False)
"""


@pytest.mark.slow
def test_a_killed_study_goes_on(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen([*command, "first"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().strip() for _ in range(4)]
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert seen == ["0", "1", "2", "3"]
    assert len(list(tmp_path.glob("*.json"))) == 3
    again = subprocess.run([*command, "again"], capture_output=True, text=True, check=True)
    assert again.stdout.split() == ["3", "4", "5"]
