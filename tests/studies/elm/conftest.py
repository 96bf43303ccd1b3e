"""A small table whose vectors say what the texts say, and the smallest study that fills every table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from frostline.studies.elm import ElmStudyOptions
from frostline.tables import write_vectors
from tiny_llms import save_llm

KINDS = ("comedy", "horror", "war")
N = 130


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=N)
    vectors = (rng.normal(size=(N, 6)) + 4 * np.eye(3, 6)[kind]).astype(np.float32)
    write_vectors(folder / "v.parquet", [str(i) for i in range(N)], vectors)
    parts = ["train"] * 80 + ["valid"] * 22 + ["test"] * 23 + ["no"] * 5
    rows = [
        {
            "movieId": i,
            "lead": f"a {KINDS[k]} of {' '.join(rng.choice(list('abcdefgh'), 4))}",
            "kind": KINDS[k],
            "part": part,
        }
        for i, (k, part) in enumerate(zip(kind, parts, strict=True))
    ]
    (folder / "films.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tasks.yaml").write_text(
        "name: tiny\ncolumns: {text: [lead]}\nattributes: {kind: {column: kind}}\n"
        "tasks:\n  - {name: tell, prompt: 'tell {vector}', note: n, column: text}\n"
    )
    return folder


@pytest.fixture(scope="session")
def options(place) -> ElmStudyOptions:
    return ElmStudyOptions(
        data=str(place), tasks=str(place / "tasks.yaml"), split="part", vectors=str(place / "v.parquet"), encoder="words",
        llms=(str(save_llm(place / "a")), str(save_llm(place / "b", seed=1))), quick=True, steps=4, device="cpu", store=None,
        progress=False,
    )  # fmt: skip


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setattr("frostline.studies.elm.arms._TARGET_TOKENS", 20)
