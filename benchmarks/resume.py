"""What a SIGKILL half way through `frostline embed` costs, and whether the file is the same afterwards.

    python benchmarks/resume.py [--rows 200000] [--backbone minilm] [--folder DIR]

The same table is embedded twice, each time into a store of its own: once undisturbed; once killed when half of the texts
are committed, and then by the same command again. The last line of stdout is one JSON object. Texts that ran in the
killed run and were not committed cannot be counted from outside: they are at most one batch, the largest of which is
given. Wall-clock times hold the start of Python three times over.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from frostline import Store, UserError


def write_rows(path: Path, n_rows: int) -> None:
    """Short texts, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        file.writelines(f"{i},item {i * 7919 % 1_000_003} of {'abcdefgh'[i % 8] * (i % 13)}\n" for i in range(n_rows))


def embed_command(data: Path, out: Path, store: Path, backbone: str) -> list[str]:
    """The command line of one run."""
    flags = ["--text", "text", "--backbone", backbone, "--store", store, "--out", out, "--json", "--quiet"]
    return [sys.executable, "-m", "frostline", "embed", *map(str, [data, *flags])]


def finish(command: list[str]) -> dict[str, Any]:
    """Run to the end; the JSON of the last line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def committed(store: Path) -> int:
    """Vectors in the store; 0 before there is one."""
    try:
        with Store(store, read_only=True) as opened:
            return int(opened.info()["n_vectors"])
    except UserError:
        return 0


def kill_half_way(command: list[str], store: Path, n_texts: int) -> int:
    """Start the command, end it with SIGKILL once half of the texts are committed; returns how many then were."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and committed(store) < n_texts // 2:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"The run ended by itself (exit code {process.returncode}) before it could be killed.")
    return committed(store)


def largest_batch(store: Path) -> int:
    """Rows of the largest batch that was committed."""
    with sqlite3.connect(store / "index.sqlite") as connection:
        return int(connection.execute("SELECT MAX(n_rows) FROM batches").fetchone()[0])


def measure(folder: Path, backbone: str, n_rows: int) -> dict[str, Any]:
    """Embed undisturbed, then killed and run again; compare the files and count the texts."""
    write_rows(data := folder / "rows.csv", n_rows)
    began = time.perf_counter()
    undisturbed = finish(embed_command(data, folder / "whole.npy", folder / "whole", backbone))
    seconds = time.perf_counter() - began
    command = embed_command(data, folder / "again.npy", folder / "again", backbone)
    at_kill = kill_half_way(command, folder / "again", undisturbed["n_texts"])
    left_behind = (folder / "again.npy").exists()
    rerun = finish(command)
    return {
        "n_rows": n_rows,
        "n_texts": undisturbed["n_texts"],
        "seconds_undisturbed": round(seconds, 1),
        "committed_at_kill": at_kill,
        "embedded_again": rerun["n_embedded"],
        "largest_batch": largest_batch(folder / "again"),
        "output_at_kill": left_behind,
        "bytes_equal": (folder / "whole.npy").read_bytes() == (folder / "again.npy").read_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--backbone", default="minilm")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go for the time of the run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(json.dumps(measure(Path(folder), args.backbone, args.rows)))


if __name__ == "__main__":
    main()
