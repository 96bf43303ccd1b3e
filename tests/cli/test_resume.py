"""`frostline embed`, killed with SIGKILL half way and run again: the benchmark, on a table that takes seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fakes import tiny_llama


@pytest.mark.slow
def test_killed_and_run_again_writes_the_same_bytes(tmp_path):
    path = Path(__file__).parents[2] / "benchmarks" / "resume.py"
    spec = importlib.util.spec_from_file_location("resume", path)
    resume = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(resume)
    found = resume.measure(tmp_path, str(tiny_llama(tmp_path / "m")), 3_000)
    assert found["n_rows"] == found["n_texts"] == 3_000
    assert found["bytes_equal"]
    assert not found["output_at_kill"]
    # What was committed is never run again, so that beyond it only the batch of the moment ran twice.
    assert found["committed_at_kill"] + found["embedded_again"] == 3_000
    assert 1_500 <= found["committed_at_kill"] < 3_000
    assert found["largest_batch"] < 250
