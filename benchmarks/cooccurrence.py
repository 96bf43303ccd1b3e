"""How fast does the co-occurrence head train beside the published loop? One epoch of each in turn, on random tensors.

The published loop is written anew from its description: rows from a DataLoader that indexes them one by one, one linear
map for each layer, element-wise dropout, softmax before cross-entropy, Adam, batch 1024, scores of every batch. What its
four loader processes cost or save on a CPU is shown by --workers.

    python benchmarks/cooccurrence.py --compressed 96 384 1024 --workers 0 4
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from frostline.heads._cooccurrence import CooccurrenceNetwork, Shape, Training, epochs_of

HIDDEN, SIGMA, BATCH = (1024, 256), 0.1, 1024


class Published(nn.Module):
    """The published network at any width."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.compress = nn.ModuleList(
            nn.Sequential(nn.Linear(shape.width, shape.compressed), nn.ReLU(), nn.Dropout(0.5))
            for _ in range(shape.n_layers)
        )
        first, second = shape.hidden
        self.head = nn.Sequential(
            nn.Linear(shape.n_layers**2 + shape.width, first), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(first, second), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(second, shape.n_classes), nn.Softmax(dim=1),
        )  # fmt: skip

    def forward(self, X: Tensor) -> Tensor:
        """Probabilities of rows (B, L, D)."""
        vectors = torch.stack([own(X[:, i]) for i, own in enumerate(self.compress)], dim=1)
        gram = torch.matmul(vectors, vectors.transpose(1, 2)).reshape(len(X), -1)
        powers = 2 * torch.sigmoid(SIGMA * gram) - 1
        found: Tensor = self.head(torch.cat([powers, X.mean(dim=1)], dim=1))
        return found


def published(shape: Shape, X: Tensor, y: Tensor, workers: int) -> Iterator[None]:
    """Epochs of the published loop."""
    network = Published(shape)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loader = DataLoader(TensorDataset(X, y), batch_size=BATCH, shuffle=True, num_workers=workers)
    while True:
        for rows, labels in loader:
            network.train()
            outputs = network(rows.float())
            loss = nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found = outputs.max(1).indices
            accuracy_score(labels, found)
            for average in ("micro", "macro"):
                f1_score(labels, found, average=average)
            loss.item()
        yield


def ours(shape: Shape, X: Tensor, y: Tensor, as_published: bool) -> Iterator[int]:
    """Epochs of the library's loop, batches as large as the published ones."""
    rate, decay = (1e-4, 0.0) if as_published else (1e-3, 0.01)
    training = Training(rate, decay, BATCH, 10**6, not as_published, as_published, 0)
    network = CooccurrenceNetwork.initialized(shape, 0)
    return epochs_of(network, (X.flatten(1), y), torch.arange(len(y)), SIGMA, training)


def seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def compare(shape: Shape, n: int, repeats: int, workers: list[int]) -> dict[str, object]:
    """Median seconds of an epoch, the loops taking turns, and the median of the ratios within a turn."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, shape.n_layers, shape.width, generator=generator)
    y = torch.randint(0, shape.n_classes, (n,), generator=generator)
    loops: dict[str, Iterator[object]] = {f"published, {w} workers": published(shape, X, y, w) for w in workers}
    loops |= {"as_published=True": ours(shape, X, y, True), "default": ours(shape, X, y, False)}
    for loop in loops.values():
        next(loop)
    turns = [{name: seconds(lambda loop=loop: next(loop)) for name, loop in loops.items()} for _ in range(repeats)]
    ratios = {
        f"{name} / {mine}": round(statistics.median(turn[name] / turn[mine] for turn in turns), 2)
        for name in loops
        if name.startswith("published")
        for mine in ("as_published=True", "default")
    }
    medians = {name: round(statistics.median(turn[name] for turn in turns), 3) for name in loops}
    return {"compressed": shape.compressed, "seconds": medians, "ratios": ratios}


def main() -> None:
    """Print a line for each compressed width, then one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7108, help="as many as MR's training part")
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--compressed", type=int, nargs="+", default=[96, 384, 1024])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2048 rows, one width, no workers, three turns")
    a = parser.parse_args()
    if a.quick:
        a.rows, a.compressed, a.workers, a.repeats = 2048, [96], [0], 3
    torch.set_num_threads(a.threads)
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    rows = []
    for compressed in a.compressed:
        shape = Shape(a.layers, a.width, (), compressed, HIDDEN, a.classes)
        rows.append(compare(shape, a.rows, a.repeats, a.workers))
        print(rows[-1], flush=True)
    print(json.dumps({"rows": rows, "n": a.rows, "layers": a.layers, "width": a.width, "threads": a.threads}))


if __name__ == "__main__":
    main()
