"""A tiny backbone, a folder of small real tables, and the smallest study that fills every table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.studies.regression import RegressionOptions


@pytest.fixture(scope="session")
def tables_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    x, kind = rng.normal(size=90), rng.choice(["a", "b"], 90)
    y = [None if i == 7 else float(v + (k == "b")) for i, (v, k) in enumerate(zip(x, kind, strict=True))]
    columns = {
        "x": [None if i % 9 == 0 else v for i, v in enumerate(x.tolist())],
        "kind": kind.tolist(),
        "no": range(90),
    }
    pq.write_table(pa.table({**{k: list(v) for k, v in columns.items()}, "y": y, "z": y}), folder / "small.parquet")
    (folder / "given").mkdir()
    split = ["test" if i < 20 else "train" for i in range(90)]
    pa.csv.write_csv(
        pa.table({"x": x, "y": x, "who": np.arange(90) // 2, "split": split}), folder / "given" / "given.csv"
    )
    (folder / "index.csv").write_text("name,targets,group,drop\nsmall,y|z,,no\ngiven,y,who,\n")
    return folder


@pytest.fixture
def options(tables_folder, backbone) -> RegressionOptions:
    return RegressionOptions(
        data=str(tables_folder), tables=("small",), functions=("Sphere", "Rastrigin", "LinearSlope", "Schwefel"),
        dofs=(2, 3), backbones=(backbone,), quick=True, seeds=1, points=40, store=None, progress=False,
    )  # fmt: skip
