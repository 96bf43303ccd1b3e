"""Few labels: what `auto` scores beside a logistic regression of the final layer, over draws of training rows.

Each set is NAME=TRAIN:TEST, files that have the columns `text` and `label`:

    python benchmarks/few.py mr=examples/data/mr/train.csv:examples/data/mr/test.csv --per-class 8,64 --draws 10 --store /tmp/store

Two references, both on the final layer: our own linear head, its strength cross-validated, and scikit-learn's logistic
regression with C = 10 on vectors of length one. A class with fewer rows than asked for gives all it has. Nothing is chosen on
test rows; differences are paired by draw.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

import frostline
from frostline.features import Features
from frostline.heads import LinearClassifier
from frostline.tables import read_table


def draw(labels: NDArray[Any], per_class: int, seed: int) -> NDArray[np.intp]:
    """At most `per_class` rows of each class."""
    rng = np.random.default_rng([seed, per_class])
    own = [rng.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(own))


def embedded(clf: frostline.TextClassifier, texts: list[list[str]]) -> list[Features]:
    """Every layer that `auto` may choose, of both parts; one pass."""
    clf.prepare(texts[0])
    extractor = clf.training_reader(clf.embedder_.render(texts[0]).table).whole
    return [extractor(part) for part in texts]


def scores(train: Features, test: Features, labels: list[NDArray[Any]], seed: int, embedder: Any) -> dict[str, float]:
    """Accuracy of each arm on the test rows."""
    clf = frostline.TextClassifier(embedder=embedder, seed=seed)
    clf.prepare(list(train.texts))
    clf.fit_features(train, labels[0])
    own, other = (part.vectors[:, -1] for part in (train, test))
    ours = LinearClassifier(seed=seed).fit(own, labels[0])
    plain = LogisticRegression(C=10, max_iter=1000).fit(normalize(own), labels[0])
    predicted = {
        "auto": clf.predict_features(test),
        "final": ours.predict(other),
        "scikit-learn": plain.predict(normalize(other)),
    }
    return {name: float((found == labels[1]).mean()) for name, found in predicted.items()}


def run(
    name: str, files: list[str], per_class: list[int], draws: int, test_rows: int | None, store: str
) -> list[dict[str, Any]]:
    """All draws of one set; a line for each number of labels."""
    tables = [read_table(path) for path in files]
    some = np.random.default_rng(9).permutation(tables[1].num_rows)[:test_rows]
    tables[1] = tables[1].take(np.sort(some))
    texts = [[str(text) for text in table["text"].to_pylist()] for table in tables]
    labels = [np.array(table["label"].to_pylist()) for table in tables]
    embedder = frostline.TextEmbedder(layers="auto", pooling="auto", fusion="auto", store=store, progress=False)
    train, test = embedded(frostline.TextClassifier(embedder=embedder), texts)
    found = []
    for n in per_class:
        rows = [draw(labels[0], n, seed) for seed in range(draws)]
        each = [
            scores(train.take(own), test, [labels[0][own], labels[1]], seed, embedder) for seed, own in enumerate(rows)
        ]
        found += [{"set": name, "per_class": n, "draw": i, **score} for i, score in enumerate(each)]
        auto = np.array([score["auto"] for score in each])
        parts = [f"{name:12s} {n:3d} a class  auto {100 * auto.mean():.1f}"]
        for reference in ("final", "scikit-learn"):
            gaps = auto - [score[reference] for score in each]
            error = gaps.std(ddof=1) / np.sqrt(draws) if draws > 1 else np.nan
            parts.append(f"{reference} {100 * (auto - gaps).mean():.1f} ({100 * gaps.mean():+.1f} ± {100 * error:.1f})")
        print("  ".join(parts), flush=True)
    return found


def main() -> None:
    """Print a line a set and number of labels, and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="NAME=TRAIN:TEST")
    parser.add_argument("--per-class", default="8,64")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--test-rows", type=int, help="at most so many test rows, drawn at random")
    parser.add_argument("--store", default="default")
    arguments = parser.parse_args()
    per_class = [int(n) for n in arguments.per_class.split(",")]
    rows = []
    for entry in arguments.sets:
        name, _, files = entry.partition("=")
        rows += run(name, files.split(":"), per_class, arguments.draws, arguments.test_rows, arguments.store)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
