"""How much faster is the batched sweep of the MLP head than scikit-learn's MLPRegressor doing the same, one by one?

15 configurations (5 learning rates by 3 weight decays) of 2 x 256 ReLU, equal batches, epochs and rows, no early stopping:

    OMP_NUM_THREADS=2 python benchmarks/mlp.py --epochs 40 --rounds 5

The two run in turn, so that a busy machine slows both; read the ratio, not the seconds. scikit-learn's decay is
an L2 term of the loss, ours is decoupled (AdamW); the work of a step is the same.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor as Plain

from frostline.heads import MLPRegressor

Clock = Callable[[], float]
LRS, DECAYS = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2), (0.0, 0.1, 1.0)


def ours(X: np.ndarray, y: np.ndarray, epochs: int, batch: int, clock: Clock) -> float:
    """Seconds of the batched sweep."""
    began = clock()
    MLPRegressor(epochs=epochs, patience=None, batch_size=batch).fit(X, y)
    return clock() - began


def theirs(X: np.ndarray, y: np.ndarray, epochs: int, batch: int, clock: Clock) -> float:
    """Seconds of one fit after the other, on the rows that the sweep does not hold out."""
    began = clock()
    for rate in LRS:
        for decay in DECAYS:
            model = Plain(
                hidden_layer_sizes=(256, 256), alpha=decay, learning_rate_init=rate, batch_size=batch, max_iter=epochs, tol=0.0,
                n_iter_no_change=epochs, random_state=0,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
    return clock() - began


def main() -> None:
    """Print a line a round and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time: best with one thread on a busy machine"
    )
    parser.add_argument("--dtype", default="float64", help="of the rows that both are given")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(arguments.rows, arguments.width)).astype(arguments.dtype)
    y = X[:, :5].sum(axis=1) + rng.normal(size=arguments.rows)
    y = (y - y.mean()) / y.std()
    train = arguments.rows - arguments.rows // 10  # what the sweep trains on, a tenth being held out
    clock = time.process_time if arguments.cpu else time.perf_counter
    ratios = []
    for i in range(arguments.rounds):
        own = ours(X, y, arguments.epochs, arguments.batch, clock)
        other = theirs(X[:train], y[:train], arguments.epochs, arguments.batch, clock)
        ratios.append(other / own)
        print(f"round {i}: {other:.1f} s one by one, {own:.1f} s as one batch, {ratios[-1]:.1f} times", flush=True)
    n_threads = torch.get_num_threads()
    print(json.dumps({**vars(arguments), "threads": n_threads, "ratio": float(np.median(ratios)), "ratios": ratios}))


if __name__ == "__main__":
    main()
