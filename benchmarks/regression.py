"""What `TextRegressor()` scores beside what it has to beat: raw columns + boosting, embedding + ridge, embedding + MLP.

A folder holds Parquet files and an index.csv with the columns `name` and `targets` (several by `|`; the first is taken):

    python benchmarks/regression.py data/regression-text data/regression-config --rows 2000 --out runs/regression.jsonl

Five repeated splits, a fifth of the rows for testing; rows of one value of `--group`, and rows with equal texts, are never
split. All methods of a split see the same rows; the backbone runs once. A line for each set is appended to `--out`, and
sets that stand there are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

import frostline
from frostline.baselines import RawColumns, boosting
from frostline.heads import LinearRegressor, MLPRegressor
from frostline.numerics.metrics import paired_difference, regression_metrics
from frostline.splits import group_ids, holdout
from frostline.tables import read_table

LEVEL = 0.9
NOT_INPUT = ("split", "config_group", "seconds")
RIVALS = ("raw + boosting", "embedding + ridge", "embedding + MLP")


def sets(folders: list[str], only: list[str]) -> Iterator[tuple[str, Path, list[str], int]]:
    """Name, file, targets and number of input columns of every set."""
    for folder in folders:
        with (Path(folder) / "index.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if not only or row["name"] in only:
                    path = Path(folder) / f"{row['name']}.parquet"
                    yield row["name"], path, row["targets"].split("|"), int(row["n_features"])


def load(path: Path, targets: list[str], n_features: int, n_rows: int) -> tuple[pa.Table, np.ndarray, list[Any] | None]:
    """Input columns, the first target, and groups; at most `n_rows` rows, whole groups."""
    table = read_table(path)
    y = table[targets[0]].to_numpy().astype(float)
    groups = table["config_group"].to_pylist() if "config_group" in table.column_names else None
    names = [name for name in table.column_names if name not in (*NOT_INPUT, *targets)]
    if "config" in names and n_features == 1:
        names = ["config"]
    order = np.random.default_rng(0).permutation(len(y))
    if groups is not None:
        first = np.random.default_rng(0).permutation(len(set(groups)))[group_ids(groups)]
        order = np.argsort(first, kind="stable")
    rows = np.sort([row for row in order if np.isfinite(y[row])][:n_rows])
    picked = table.select(names[:n_features] if len(names) > n_features else names).take(rows)
    return picked, y[rows], None if groups is None else [groups[row] for row in rows]


def one_split(reg: Any, features: Any, y: np.ndarray, groups: np.ndarray, seed: int) -> dict[str, Any]:
    """Scores of every method on one split."""
    train, test = holdout(y, groups, 0.2, seed, stratify=False)
    final = features.vectors[:, -1]
    found: dict[str, Any] = {"n_test": len(test)}

    def score(name: str, began: float, predicted: np.ndarray, *interval: np.ndarray) -> None:
        seconds = time.perf_counter() - began
        found[name] = {**regression_metrics(y[test], predicted, *interval), "seconds": seconds}

    with threadpool_limits(1, user_api="openmp"):
        began = time.perf_counter()
        encoder = RawColumns(seed=seed).fit(features.table.take(train))
        X, new = (encoder.transform(features.table.take(rows)) for rows in (train, test))
        score(
            RIVALS[0], began, boosting("regression", y[train], encoder.categorical_, seed).fit(X, y[train]).predict(new)
        )
    for name, head in zip(RIVALS[1:], (LinearRegressor(seed=seed), MLPRegressor(seed=seed)), strict=True):
        began = time.perf_counter()
        score(name, began, head.fit(final[train], y[train], groups=list(groups[train])).predict(final[test]))
    began = time.perf_counter()
    fitted = frostline.TextRegressor(embedder=reg.embedder, seed=seed)
    fitted.prepare(features.table)
    fitted.fit_features(features.take(train), y[train], groups[train])
    score("auto", began, *fitted.predict_with_interval(features.take(test), LEVEL))
    found["auto"] |= {"kinds": sorted({arm.kind for arm in fitted.arms_}), "scale": fitted.scale_.kind}
    return found


def run(table: pa.Table, y: np.ndarray, groups: list[Any] | None, n_splits: int, store: str) -> dict[str, Any]:
    """All splits of one set, and the paired differences of auto to each rival and to the best of them."""
    embedder = frostline.TextEmbedder(layers="auto", pooling="auto", fusion="auto", store=store, progress=False)
    reg = frostline.TextRegressor(embedder=embedder)
    rendered = reg.prepare(table)
    features = rendered.through(reg.training_reader(rendered.table))
    ids = group_ids(rendered.texts, *([groups] if groups is not None else []))
    splits = [one_split(reg, features, y, ids, seed) for seed in range(n_splits)]
    tau = {name: np.array([split[name]["kendall_tau"] for split in splits]) for name in (*RIVALS, "auto")}
    best = max(RIVALS, key=lambda name: float(tau[name].mean()))
    return {
        "n_rows": len(y),
        "n_test": splits[0]["n_test"],
        "n_truncated": features.stats.n_truncated,
        "tau": {name: float(values.mean()) for name, values in tau.items()},
        "r2": {name: float(np.mean([split[name]["r2"] for split in splits])) for name in (*RIVALS, "auto")},
        "best": best,
        "ahead": {name: paired(tau["auto"], tau[name]) for name in RIVALS},
        "coverage": float(np.mean([split["auto"]["coverage"] for split in splits])),
        "width": float(np.mean([split["auto"]["width"] for split in splits]) / y.std()),
        "kinds": [split["auto"]["kinds"] for split in splits],
        "scale": [split["auto"]["scale"] for split in splits],
        "seconds": {name: float(np.mean([split[name]["seconds"] for split in splits])) for name in (*RIVALS, "auto")},
    }


def paired(own: np.ndarray, other: np.ndarray) -> list[float]:
    """Mean of paired differences and the ends of its 95 % t interval."""
    found = paired_difference(own, other)
    return [found["difference"], found["lower"], found["upper"]]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all sets: mean difference to each rival, sets clearly behind the best rival, coverage."""
    to_best = [row["ahead"][row["best"]] for row in rows]
    return {
        "n_sets": len(rows),
        "ahead": {name: float(np.mean([row["ahead"][name][0] for row in rows])) for name in (*RIVALS,)},
        "ahead_of_best": float(np.mean([mean for mean, _, _ in to_best])),
        "clearly_behind": [
            r["set"] for r, (mean, _, high) in zip(rows, to_best, strict=True) if mean < -0.02 and high < 0
        ],
        "coverage": float(np.mean([row["coverage"] for row in rows])),
        "least_coverage_with_200_test_rows": min((r["coverage"] for r in rows if r["n_test"] >= 200), default=None),
    }


def main() -> None:
    """Print a line a set and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--store", default="default")
    parser.add_argument("--out", default="regression.jsonl")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {row["set"] for row in rows}
    for name, path, targets, n_features in sets(arguments.folders, arguments.only):
        if name not in done:
            data = load(path, targets, n_features, arguments.rows)
            row = {"set": name, "folder": path.parent.name, **run(*data, arguments.splits, arguments.store)}
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            rows.append(row)
            mean, low, high = row["ahead"][row["best"]]
            scores = " ".join(f"{row['tau'][method]:.3f}" for method in (*RIVALS, "auto"))
            line = f"{scores}  ahead of {row['best']} {mean:+.3f} [{low:+.3f}, {high:+.3f}]  coverage {row['coverage']:.3f}"
            print(f"{name:32s} {row['n_rows']:5d} {line} {'+'.join(row['kinds'][0])} {row['scale'][0]}", flush=True)
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
