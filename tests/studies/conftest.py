"""A folder of small sets and a tiny backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakes import tiny_bert

WORDS = {0: ["awful", "bad", "dull"], 1: ["fine", "good", "warm"]}


def rows(n: int, seed: int, languages: bool = False) -> pa.Table:
    rng = np.random.default_rng(seed)
    labels = [i % 2 for i in range(n)]
    texts = [f"{rng.choice(WORDS[label])} {rng.integers(10_000)}" for label in labels]
    columns = {"text": texts, "label": labels}
    return pa.table({**columns, "language": [["fr", "es"][i // 2 % 2] for i in range(n)]} if languages else columns)


@pytest.fixture(scope="session")
def sets_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    for name, languages in (("mr", False), ("tweets", True)):
        (folder / name).mkdir()
        pq.write_table(rows(60, 0, languages), folder / name / "train.parquet")
        pq.write_table(rows(40, 1, languages), folder / name / "test.parquet")
    (folder / "no-set").mkdir()
    return folder


@pytest.fixture(scope="session")
def backbone(tmp_path_factory) -> str:
    return str(tiny_bert(tmp_path_factory.mktemp("backbone") / "bert"))
