"""How long do exact nearest neighbors of every row take, and are they exact?

    python benchmarks/neighbors.py [--rows 100000] [--dim 384] [--k 1] [--threads 2] [--near 0.0]

Random normal vectors in single precision, the hardest case for pruning (there is none: every pair is compared). `--near`
makes that share of the rows near-duplicates of others, which single precision cannot rank. A sample of the rows is compared
with all distances in double precision. The last line of stdout is one JSON object.
What is unfair: nothing else is compared; an approximate index answers sooner.
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import numpy as np
from threadpoolctl import threadpool_limits

from frostline.numerics.neighbors import nearest


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--near", type=float, default=0.0)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((options.rows, options.dim), dtype=np.float32)
    n_near = int(options.near * options.rows)
    X[:n_near] = X[-1 - np.arange(n_near)] * (1 + 1e-6 * rng.standard_normal((n_near, 1), dtype=np.float32))
    with threadpool_limits(options.threads):
        began, worked = time.perf_counter(), time.process_time()
        index, distance = nearest(X, X, options.k, skip_self=True)
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    wrong = 0
    for row in rng.choice(options.rows, min(100, options.rows), replace=False):
        gaps = X.astype(np.float64) - X[row]
        exact = np.sqrt(np.einsum("nd,nd->n", gaps, gaps))
        exact[row] = np.inf
        expected = np.argsort(exact, kind="stable")[: options.k]
        wrong += not np.array_equal(index[row], expected) or not np.array_equal(distance[row], exact[expected])
    result = {**vars(options), "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "wrong_of_100": wrong}
    print(json.dumps({**result, "machine": platform.machine()}))


if __name__ == "__main__":
    main()
