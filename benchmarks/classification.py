"""Test accuracy of all layers of MiniLM, mean-pooled, concatenated, with a linear head, beside its baselines.

Each set is a folder with train and test files (Parquet or CSV) that have the columns `text` and `label`:

    python benchmarks/classification.py examples/data/mr path/to/sst2 path/to/r8 --store /tmp/store
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import frostline


def part(folder: Path, name: str) -> Path:
    """The file of a part, whichever its ending."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".csv", ".parquet", ".jsonl"))
    if len(found) != 1:
        raise SystemExit(f"{folder} should hold one {name} file, found {[path.name for path in found]}")
    return found[0]


def run(folder: Path, head: str, store: str) -> dict[str, object]:
    """Fit on the training file and score on the test file."""
    with tempfile.TemporaryDirectory() as out:
        result = frostline.fit_table(
            part(folder, "train"),
            options=frostline.FitOptions("label", test=str(part(folder, "test")), task="classification", head=head),
            inputs=frostline.InputOptions(text="text"),
            embedding=frostline.EmbedOptions(layers="all", pooling="mean", fusion="concat", store=store, progress=True),
            out=Path(out) / "artifact",
        )
    report = result.to_json()
    return {
        "set": folder.name,
        **{name: round(value, 4) for name, value in report["metrics"].items()},
        "tfidf_accuracy": round(report["baselines"]["text"]["accuracy"], 4),
        "strength": report["chosen"].get("strength"),
        **{f"{name}_s": round(value, 1) for name, value in report["seconds"].items()},
    }


def main() -> None:
    """Print a line a set, then one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--head", default="linear")
    parser.add_argument("--store", default="default")
    arguments = parser.parse_args()
    rows = []
    for folder in arguments.sets:
        rows.append(run(folder, arguments.head, arguments.store))
        print(rows[-1], flush=True)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
