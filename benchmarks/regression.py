"""What `TextRegressor()` scores beside what it has to beat: raw columns + boosting, embedding + ridge, embedding + MLP.

A folder holds Parquet files and an index.csv with the columns `name` and `targets` (several by `|`; the first is taken):

    python benchmarks/regression.py data/regression-text data/regression-config --rows 2000 --out runs/regression.jsonl

Five repeated splits, a fifth of the rows for testing; rows of one value of `config_group`, and rows with equal texts, are
never split. All methods of a split see the same rows; the backbone runs once. A line for each set and method is appended
to `--out`, and what stands there is not run again, so that `--methods` may add the slow ones later.
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


def boosted(features: Any, y: np.ndarray, groups: np.ndarray, train: np.ndarray, seed: int) -> Any:
    """Trees on the raw columns."""
    encoder = RawColumns(seed=seed).fit(features.table.take(train))
    trees = boosting("regression", y[train], encoder.categorical_, seed)
    trees.fit(encoder.transform(features.table.take(train)), y[train])
    return lambda rows: (trees.predict(encoder.transform(features.table.take(rows))),)


def final_layer(head: Any) -> Any:
    """A head on the final layer's vectors of whole rows."""

    def fitted(features: Any, y: np.ndarray, groups: np.ndarray, train: np.ndarray, seed: int) -> Any:
        final = features.vectors[:, -1]
        own = head(seed=seed).fit(final[train], y[train], groups=list(groups[train]))
        return lambda rows: (own.predict(final[rows]),)

    return fitted


def auto(embedder: Any) -> Any:
    """What a user gets who sets nothing."""

    def fitted(features: Any, y: np.ndarray, groups: np.ndarray, train: np.ndarray, seed: int) -> Any:
        own = frostline.TextRegressor(embedder=embedder, seed=seed)
        own.prepare(features.table)
        own.fit_features(features.take(train), y[train], groups[train])
        found = {"kinds": "+".join(sorted({arm.kind for arm in own.arms_})), "scale": own.scale_.kind}
        return lambda rows: (*own.predict_with_interval(features.take(rows), LEVEL), found)

    return fitted


def run(method: str, fit: Any, features: Any, y: np.ndarray, groups: np.ndarray, n_splits: int) -> dict[str, Any]:
    """A method's scores on every split."""
    splits = []
    for seed in range(n_splits):
        train, test = holdout(y, groups, 0.2, seed, stratify=False)
        began = time.process_time()
        with threadpool_limits(1, user_api="openmp"):
            predicted, *rest = fit(features, y, groups, train, seed)(test)
        scores = regression_metrics(y[test], predicted, *rest[:2])
        scores |= {"width": scores["width"] / y.std()} if rest else {}
        splits.append({**scores, **(rest[2] if rest else {}), "seconds": time.process_time() - began})
    found = {name: [split[name] for split in splits] for name in splits[0]}
    return {"method": method, "n_rows": len(y), "n_test": len(test), "n_truncated": features.stats.n_truncated, **found}


def paired(own: np.ndarray, other: np.ndarray) -> list[float]:
    """Mean of paired differences and the ends of its 95 % t interval."""
    found = paired_difference(own, other)
    return [found["difference"], found["lower"], found["upper"]]


def line(own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of one set, by method: auto beside the best of its rivals."""
    tau = {method: np.array(row["kendall_tau"]) for method, row in own.items()}
    rivals = [method for method in tau if method != "auto"]
    best = max(rivals, key=lambda method: float(tau[method].mean()))
    first = own["auto"]
    return {
        "set": first["set"],
        "folder": first["folder"],
        "n_rows": first["n_rows"],
        "n_test": first["n_test"],
        "tau": {method: float(values.mean()) for method, values in tau.items()},
        "best": best,
        "ahead": {method: paired(tau["auto"], tau[method]) for method in rivals},
        "coverage": float(np.mean(first["coverage"])),
        "width": float(np.mean(first["width"])),
        "kinds": first["kinds"],
        "scale": first["scale"],
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all sets: mean difference to each rival, sets clearly behind the best rival, coverage."""
    to_best = [(row["set"], *row["ahead"][row["best"]]) for row in rows]
    ahead = {rival: [row["ahead"][rival][0] for row in rows if rival in row["ahead"]] for rival in RIVALS}
    return {
        "n_sets": len(rows),
        "ahead": {rival: [float(np.mean(found)), len(found)] for rival, found in ahead.items() if found},
        "ahead_of_best": float(np.mean([mean for _, mean, _, _ in to_best])),
        "clearly_behind": [name for name, mean, _, high in to_best if mean < -0.02 and high < 0],
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
    parser.add_argument("--methods", nargs="+", default=["auto", *RIVALS], choices=["auto", *RIVALS])
    parser.add_argument("--store", default="default")
    parser.add_argument("--out", default="regression.jsonl")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    done: dict[str, dict[str, Any]] = {}
    for text in out.read_text().splitlines() if out.exists() else []:
        row = json.loads(text)
        done.setdefault(row["set"], {})[row["method"]] = row
    for name, path, targets, n_features in sets(arguments.folders, arguments.only):
        own = done.setdefault(name, {})
        missing = [method for method in arguments.methods if method not in own]
        if missing:
            table, y, groups = load(path, targets, n_features, arguments.rows)
            embedder = frostline.TextEmbedder(
                layers="auto", pooling="auto", fusion="auto", store=arguments.store, progress=False
            )
            reg = frostline.TextRegressor(embedder=embedder)
            rendered = reg.prepare(table)
            features = rendered.through(reg.training_reader(rendered.table))
            ids = group_ids(rendered.texts, *([groups] if groups is not None else []))
            fits = dict(
                zip(RIVALS, (boosted, final_layer(LinearRegressor), final_layer(MLPRegressor)), strict=True),
                auto=auto(embedder),
            )
        for method in missing:
            own[method] = {"set": name, "folder": path.parent.name}
            own[method] |= run(method, fits[method], features, y, ids, arguments.splits)
            with out.open("a") as file:
                file.write(json.dumps(own[method]) + "\n")
        if "auto" in own and len(own) > 1:
            show(line(own))
    print(json.dumps(summary([line(own) for own in done.values() if "auto" in own and len(own) > 1])))


def show(row: dict[str, Any]) -> None:
    """Print what a set says."""
    mean, low, high = row["ahead"][row["best"]]
    scores = " ".join(f"{method} {tau:.3f}" for method, tau in row["tau"].items())
    print(
        f"{row['set']:32s} {row['n_rows']:5d} {scores}  ahead of {row['best']} {mean:+.3f} [{low:+.3f}, {high:+.3f}]  "
        f"coverage {row['coverage']:.3f} {row['kinds'][0]} {row['scale'][0]}",
        flush=True,
    )


if __name__ == "__main__":
    main()
