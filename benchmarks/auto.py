"""What `auto` scores beside single recipes: final layer, all layers, words; official test parts, several seeds.

Each set is NAME=TRAIN:TEST, files that have the columns `text` and `label`:

    python benchmarks/auto.py mr=examples/data/mr/train.csv:examples/data/mr/test.csv --seeds 3 --store /tmp/store

The arms share one embedding pass. Nothing is chosen on test rows. Each set ends with the gain of `auto` over every other
arm, in points of accuracy, with a 95 % interval over its test rows (a row counts by its mean over the seeds).
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import frostline
from frostline.engines.inputs import column_values
from frostline.numerics.metrics import classification_metrics, paired_difference
from frostline.tables import read_table

ARMS: dict[str, dict[str, Any]] = {
    "final": {"layers": "final", "features": "embedding", "fusion": "concat", "head": "linear"},
    "all": {"layers": "all", "features": "embedding", "fusion": "concat", "head": "linear"},
    "words": {"features": "tfidf"},
    "auto, vectors only": {"features": "embedding"},
    "auto": {},
}


def run(name: str, train: str, test: str, seed: int, store: str, arms: list[str]) -> dict[str, dict[str, Any]]:
    """Fit each of `arms` on the training file and score it on the test file."""
    parts = [read_table(path) for path in (train, test)]
    texts, labels = ([column_values(part, column) for part in parts] for column in ("text", "label"))
    found = {}
    for arm in arms:
        params = ARMS[arm]
        embedder = frostline.TextEmbedder(
            **{key: params.get(key, "auto") for key in ("layers", "fusion")},
            pooling="auto",
            store=store,
            progress=False,
        )
        head, features = params.get("head", "auto"), params.get("features", "auto")
        clf = frostline.TextClassifier(embedder=embedder, head=head, features=features, seed=seed)
        rendered = clf.prepare(texts[0])
        reader = clf.training_reader(rendered.table)
        vectors = rendered.through(reader)  # the pass over the backbone is not timed
        began = time.perf_counter()
        clf.fit_features(vectors, np.array(labels[0], dtype=object))
        seconds = time.perf_counter() - began
        proba = clf.predict_proba(texts[1])
        metrics = classification_metrics(labels[1], proba, clf.classes_)
        hits = clf.classes_[proba.argmax(axis=1)] == np.array(labels[1], dtype=object)
        read = "+".join(map(str, clf.layers_)) or "none"
        kinds = "+".join(part.kind for part in clf.arms_)
        found[arm] = {**metrics, "seconds": seconds, "layers": read, "learns_on": kinds, "hits": hits}
        score = f"{100 * metrics['accuracy']:.2f} ece {metrics['ece']:.4f} {seconds:6.1f} s"
        print(f"{name:12s} seed {seed} {arm:20s} {score} {kinds} {read}", flush=True)
    return found


def gains(found: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """`auto` less each other arm, in points, over the test rows of one set."""
    mean = {arm: np.mean([one[arm].pop("hits") for one in found], axis=0) for arm in found[0]}
    pairs = {arm: paired_difference(100 * mean["auto"], 100 * hits) for arm, hits in mean.items() if arm != "auto"}
    return {arm: {key: pair[key] for key in ("difference", "lower", "upper")} for arm, pair in pairs.items()}


def main() -> None:
    """Print a line an arm, the means over sets, and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="NAME=TRAIN:TEST")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    parser.add_argument("--store", default="default")
    arguments = parser.parse_args()
    rows = []
    for entry in arguments.sets:
        name, _, files = entry.partition("=")
        train, _, test = files.partition(":")
        found = [run(name, train, test, seed, arguments.store, arguments.arms) for seed in range(arguments.seeds)]
        gained = gains(found) if "auto" in arguments.arms else {}
        for arm, gain in gained.items():
            print(
                f"{name:12s} auto less {arm:20s} {gain['difference']:+.2f} [{gain['lower']:+.2f}, {gain['upper']:+.2f}]"
            )
        rows.extend({"set": name, "seed": seed, "arms": one, "gains": gained} for seed, one in enumerate(found))
    for arm in arguments.arms:
        scores = [100 * row["arms"][arm]["accuracy"] for row in rows]
        print(f"{'mean':12s} {arm:20s} {np.mean(scores):.2f}")
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
