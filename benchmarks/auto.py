"""What `auto` scores beside single recipes: final layer, all layers, words; official test parts, several seeds.

Each set is NAME=TRAIN:TEST, files that have the columns `text` and `label`:

    python benchmarks/auto.py mr=examples/data/mr/train.csv:examples/data/mr/test.csv --seeds 3 --store /tmp/store

The arms share one embedding pass. Nothing is chosen on test rows.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import frostline
from frostline.engines.inputs import column_values
from frostline.numerics.metrics import classification_metrics
from frostline.tables import read_table

ARMS: dict[str, dict[str, Any]] = {
    "final": {"layers": "final", "features": "embedding", "fusion": "concat", "head": "linear"},
    "all": {"layers": "all", "features": "embedding", "fusion": "concat", "head": "linear"},
    "words": {"features": "tfidf"},
    "auto, vectors only": {"features": "embedding"},
    "auto": {},
}


def run(name: str, train: str, test: str, seed: int, store: str) -> dict[str, dict[str, Any]]:
    """Fit every arm on the training file and score it on the test file."""
    parts = [read_table(path) for path in (train, test)]
    texts, labels = ([column_values(part, column) for part in parts] for column in ("text", "label"))
    found = {}
    for arm, params in ARMS.items():
        embedder = frostline.TextEmbedder(
            **{key: params.get(key, "auto") for key in ("layers", "fusion")},
            pooling="auto",
            store=store,
            progress=False,
        )
        head, features = params.get("head", "auto"), params.get("features", "auto")
        clf = frostline.TextClassifier(embedder=embedder, head=head, features=features, seed=seed)
        clf.prepare(texts[0])
        vectors = clf.training_extractor()(texts[0])  # the pass over the backbone is not timed
        began = time.perf_counter()
        clf.fit_features(vectors, np.array(labels[0], dtype=object))
        seconds = time.perf_counter() - began
        metrics = classification_metrics(labels[1], clf.predict_proba(texts[1]), clf.classes_)
        read = "+".join(map(str, clf.layers_)) or "none"
        kinds = "+".join(part.kind for part in clf.arms_)
        found[arm] = {**metrics, "seconds": seconds, "layers": read, "learns_on": kinds}
        score = f"{100 * metrics['accuracy']:.2f} ece {metrics['ece']:.4f} {seconds:6.1f} s"
        print(f"{name:12s} seed {seed} {arm:20s} {score} {kinds} {read}", flush=True)
    return found


def main() -> None:
    """Print a line an arm, the means over sets, and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="NAME=TRAIN:TEST")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--store", default="default")
    arguments = parser.parse_args()
    rows = []
    for entry in arguments.sets:
        name, _, files = entry.partition("=")
        train, _, test = files.partition(":")
        seeds = range(arguments.seeds)
        rows.extend({"set": name, "seed": s, "arms": run(name, train, test, s, arguments.store)} for s in seeds)
    for arm in ARMS:
        scores = [100 * row["arms"][arm]["accuracy"] for row in rows]
        print(f"{'mean':12s} {arm:20s} {np.mean(scores):.2f}")
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
