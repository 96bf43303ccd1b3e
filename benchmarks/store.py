"""How fast the feature store gathers and commits, on the disk that holds the temporary folder.

    python benchmarks/store.py [--rows 1000000] [--dim 384] [--taps 7] [--folder DIR]

Needs about ``rows * dim * 4`` bytes of disk, which are freed at the end. The last line of stdout is one JSON object.
What is unfair: the gathered rows have just been written and come from the page cache where memory allows; the first
gather includes opening the store and reading its index, the second does not.
The array that takes the rows is touched beforehand, so its page faults are not counted. Committing is mostly waiting for
the disk to flush, which other work on the machine slows several times over: run it more than once.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from frostline.contracts import FeatureSpec
from frostline.store import Store, keys_of


def measure_append(folder: Path, *, taps: int, dim: int, rows: int, rounds: int) -> dict[str, float]:
    """Commit batches of `rows` texts times `taps` vectors, and time each."""
    rng = np.random.default_rng(0)
    specs = [FeatureSpec(f'{{"tap": {i}}}', dim) for i in range(taps)]
    seconds = []
    with Store(folder) as store:
        for _ in range(rounds):
            keys = rng.integers(0, 2**64, (rows, 2), dtype=np.uint64)
            vectors = rng.standard_normal((rows, taps, dim), dtype=np.float32)
            start = time.perf_counter()
            store.append(specs, keys, vectors)
            seconds.append(time.perf_counter() - start)
    return {
        "append_ms_median": 1e3 * float(np.median(seconds)),
        "append_ms_p95": 1e3 * float(np.quantile(seconds, 0.95)),
    }


def fill(folder: Path, spec: FeatureSpec, keys: np.ndarray, batch: int) -> dict[str, float]:
    """Fill a store with rows whose first entry is their number."""
    block = np.random.default_rng(1).standard_normal((batch, 1, spec.dim), dtype=np.float32)
    start = time.perf_counter()
    with Store(folder) as store:
        for first in range(0, len(keys), batch):
            part = keys[first : first + batch]
            block[: len(part), 0, 0] = np.arange(first, first + len(part))
            store.append([spec], part, block[: len(part)])
    return {"fill_s": time.perf_counter() - start}


def measure_gather(folder: Path, spec: FeatureSpec, keys: np.ndarray) -> dict[str, float]:
    """Gather as many random rows as the store has, twice, and look as many keys up."""
    wanted = np.random.default_rng(2).integers(0, len(keys), len(keys))
    out = np.ones((len(keys), spec.dim), dtype=np.float32)  # touched, so that its page faults are not counted
    result = {}
    with Store(folder) as store:
        for name in ("gather_first", "gather_again"):
            start = time.perf_counter()
            store.gather(spec, keys[wanted], out)
            result[f"{name}_rows_per_s"] = len(keys) / (time.perf_counter() - start)
            if not np.array_equal(out[:, 0], wanted.astype(np.float32)):
                raise SystemExit("the gathered rows are wrong")
        start = time.perf_counter()
        store.contains(spec, keys[wanted])
        result["contains_keys_per_s"] = len(keys) / (time.perf_counter() - start)
        start = time.perf_counter()
        n_bad = store.verify()["n_bad"]
        result["verify_rows_per_s"] = len(keys) / (time.perf_counter() - start)
        result["n_bad"] = n_bad
    return result


def measure_keys(n: int, n_tokens: int = 24) -> dict[str, float]:
    ids = list(np.random.default_rng(3).integers(0, 30000, (n, n_tokens), dtype=np.int32))
    start = time.perf_counter()
    keys_of(ids)
    return {"keys_per_s": n / (time.perf_counter() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--taps", type=int, default=7)
    parser.add_argument("--append-rows", type=int, default=80)
    parser.add_argument("--append-rounds", type=int, default=200)
    parser.add_argument("--fill-batch", type=int, default=1000, help="rows of one commit while filling")
    parser.add_argument("--folder", type=Path, default=None, help="where to put the temporary folder")
    args = parser.parse_args()
    keys = np.random.default_rng(0).integers(0, 2**64, (args.rows, 2), dtype=np.uint64)
    spec = FeatureSpec("{}", args.dim)
    result: dict[str, object] = {"rows": args.rows, "dim": args.dim, "taps": args.taps, "machine": platform.machine()}
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="frostline-bench-") as folder:
        path = Path(folder)
        result |= measure_keys(min(args.rows, 200_000))
        result |= measure_append(
            path / "append", taps=args.taps, dim=args.dim, rows=args.append_rows, rounds=args.append_rounds
        )
        result |= fill(path / "gather", spec, keys, args.fill_batch)
        result |= measure_gather(path / "gather", spec, keys)
    for name, value in result.items():
        print(f"{name:24} {value:,.5g}" if isinstance(value, float) else f"{name:24} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
