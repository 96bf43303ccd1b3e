"""Writers that are killed at random instants.

python tests/store/writers.py write FOLDER SEED [--n N]    commits batches, and prints each once it is committed
python tests/store/writers.py kill [--kills 200]           kills that many writers, checks all they reported
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from frostline.contracts import FeatureSpec
from frostline.store import Store

SPECS = [FeatureSpec(f'{{"tap":{i}}}', 96) for i in range(3)]


def batch(seed: int, i: int) -> tuple[np.ndarray, np.ndarray]:
    """The batch that writer `seed` commits as its number `i`."""
    rng = np.random.default_rng([seed, i])
    n = int(rng.integers(1, 40))
    return rng.integers(0, 2**64, (n, 2), dtype=np.uint64), rng.standard_normal((n, 3, 96), dtype=np.float32)


def write(folder: Path, seed: int, n: int, *, stay: bool = False) -> None:
    with Store(folder) as store:
        for i in range(n):
            store.append(SPECS, *batch(seed, i))
            print(i, flush=True)
        if stay:
            time.sleep(600)


def start_writer(folder: Path, seed: int, n: int = 10**6, *, stay: bool = False) -> subprocess.Popen[str]:
    """Start a process that commits `n` batches, and with `stay` keeps its shards open afterwards until it is killed."""
    command = [sys.executable, __file__, "write", str(folder), str(seed), "--n", str(n), *(["--stay"] if stay else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def last_reported(writer: subprocess.Popen[str], heard: int = -1) -> int:
    """Wait for a writer's end; the last batch that it said was committed, `heard` where it said nothing since."""
    lines = writer.communicate()[0].splitlines()
    return int(lines[-1]) if lines else heard


def check(store: Store, seed: int, reported: int) -> None:
    """All that was reported is there and right, one batch more may be, and nothing is half there."""
    for i in range(reported + 3):
        keys, vectors = batch(seed, i)
        there = np.stack([store.contains(spec, keys) for spec in SPECS])
        if there.any() != there.all() or (i <= reported and not there.all()) or (i > reported + 1 and there.any()):
            raise AssertionError(f"writer {seed} reported {reported}; batch {i} is there: {there.mean():.0%}")
        for j, spec in enumerate(SPECS if there.all() else []):
            out = np.empty((len(keys), 96), dtype=np.float32)
            store.gather(spec, keys, out)
            if not np.array_equal(out, vectors[:, j]):
                raise AssertionError(f"writer {seed}, batch {i}, specification {j}: wrong numbers")


def kill(folder: Path, n_kills: int, at_once: int = 4, seed: int = 0) -> int:
    """Kill writers that work at once, round by round; returns how many batches they had reported."""
    rng, n_reported = random.Random(seed), 0
    with Store(folder) as store:
        for first in range(0, n_kills, at_once):
            seeds = range(first, min(first + at_once, n_kills))
            writers = [start_writer(folder, s) for s in seeds]
            heard = [-1] * len(writers)
            # Every other round dies between the birth of the processes and their first batches.
            if first // at_once % 2:
                time.sleep(rng.uniform(0.2, 0.5))
            else:
                heard = [int(writer.stdout.readline()) for writer in writers]
            for writer in rng.sample(writers, len(writers)):
                time.sleep(rng.expovariate(1 / 0.02))
                writer.kill()
            for s, writer, first_heard in zip(seeds, writers, heard, strict=True):
                reported = last_reported(writer, first_heard)
                check(store, s, reported)
                n_reported += reported + 1
        if (found := store.verify())["n_bad"]:
            raise AssertionError(f"verify found {found['bad']}")
    return n_reported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("write")
    one.add_argument("folder", type=Path)
    one.add_argument("seed", type=int)
    one.add_argument("--n", type=int, default=10**6)
    one.add_argument("--stay", action="store_true")
    many = commands.add_parser("kill")
    many.add_argument("--kills", type=int, default=200)
    args = parser.parse_args()
    if args.command == "write":
        write(args.folder, args.seed, args.n, stay=args.stay)
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{args.kills} kills, {kill(Path(folder) / 'store', args.kills)} batches reported, all of them right")


if __name__ == "__main__":
    main()
