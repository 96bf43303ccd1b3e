"""Write `examples/data/films` from the split that the starter's corpus was made by.

    python -m recipe.films --run ../runs/starter --movielens DIR --out ../examples/data/films

DIR is MovieLens ml-latest-small as Parquet: `movies.parquet`, `ratings.parquet`, and `movie_texts.parquet` with the
Wikipedia leads (`source` is "wikipedia-lead") by movieId. Films without a lead are left out, and so are their ratings.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

_QUOTED = re.compile(r'[",\r\n]')


def natural_title(title: str) -> str:
    """Write "Matrix, The (1999)" as "The Matrix"; remarks in parentheses stay."""
    bare = re.sub(r"\s*\(\d{4}\)\s*$", "", title)
    return re.sub(r"^([^()]+), (The|A|An|La|Le|Les|L'|El|Los|Las|Il|Der|Die|Das)(?= \(|$)", r"\2 \1", bare).replace(
        "L' ", "L'"
    )


def films(run: Path, movielens: Path) -> list[dict[str, object]]:
    """List the films that have a lead, by movieId."""
    split = {row["movieId"]: row for row in pq.read_table(run / "movies.parquet").to_pylist()}
    texts = pq.read_table(movielens / "movie_texts.parquet").to_pylist()
    leads = {row["movieId"]: row["text"] for row in texts if row["source"] == "wikipedia-lead"}
    rows = pq.read_table(movielens / "movies.parquet", columns=["movieId", "title", "year", "genres"]).to_pylist()
    return [
        {
            "movieId": row["movieId"],
            "title": natural_title(row["title"]),
            "year": row["year"],
            "genres": "" if row["genres"] == "(no genres listed)" else row["genres"],
            "lead": leads[row["movieId"]],
            "key": split[row["movieId"]]["key"],
            "split": split[row["movieId"]]["part"],
        }
        for row in sorted(rows, key=lambda row: row["movieId"])
        if row["movieId"] in leads
    ]


def write_csv(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as in RFC 4180."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    lines = (",".join(_quoted("" if cell is None else str(cell)) for cell in row) for row in cells)
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--movielens", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = films(args.run, args.movielens)
    write_csv(args.out / "films.csv", table)
    kept = {row["movieId"] for row in table}
    ratings = pq.read_table(args.movielens / "ratings.parquet", columns=["userId", "movieId", "rating"]).to_pylist()
    write_csv(args.out / "ratings.csv", [row for row in ratings if row["movieId"] in kept])


if __name__ == "__main__":
    main()
