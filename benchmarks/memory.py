"""Whether `frostline embed` needs more memory for more rows.

    python benchmarks/memory.py [--rows 10000 200000] [--backbone minilm] [--out-ending .npy]

Each size is a process of its own that embeds a CSV of short rows, no two alike; its highest resident memory is what the
kernel says at its end. The last line of stdout is one JSON object. Pages of the store's shards that are mapped or cached
count where the kernel counts them as resident.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from resume import embed_command, write_rows


def peak_mb(command: list[str]) -> float:
    """Run a command to its end; its highest resident memory in MB."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return usage.ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--out-ending", default=".npy", choices=[".npy", ".parquet"])
    args = parser.parse_args()
    found = {}
    for n_rows in args.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_rows(folder / "rows.csv", n_rows)
            out = folder / f"v{args.out_ending}"
            found[n_rows] = round(peak_mb(embed_command(folder / "rows.csv", out, folder / "store", args.backbone)), 1)
    print(json.dumps({"backbone": args.backbone, "peak_mb": found}))


if __name__ == "__main__":
    main()
