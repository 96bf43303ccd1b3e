"""Split the films by one key and write the starter's corpus: texts of the training part only.

    python -m recipe.corpus --corpus DIR [--movies DIR ...] --out ../runs/starter

DIR holds Parquet files with the columns `title`, `year`, `text` and `split`: `wikipedia-film-leads.parquet`,
`classic-books-*.parquet` and `movie-reviews-v2.parquet`. Each `--movies` folder holds further tables that describe
films (`movies.parquet`, `movie_texts.parquet`, `items.parquet`); they give no text, they only tell which films are one.
Out come `films.parquet` (id, title, year, key, part, text of every lead), `movies.parquet` (movieId, key, part),
`corpus.parquet` and `held_out.parquet` (source, part, key, text) and `corpus.json`, the counts and the hashes of the inputs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from frostline.keys import key_split, linked_keys, plain_text, title_key

PARTS = {"train": 0.85, "valid": 0.05, "test": 0.10}
SALT = "frostline-films-1"
TEXT_COLUMNS = ("text", "overview", "overview_long", "description")


@dataclass(frozen=True)
class Film:
    """What one row of a table says of a film: its name, one text about it, and its MovieLens id where it has one."""

    name: str
    text: str | None
    movie: int | None = None

    @property
    def copied_text(self) -> str | None:
        """The text by which copies know each other. Short ones ("Plot unknown.") name no film; leads have 80 and more."""
        return plain_text(self.text) if self.text and len(self.text) >= 80 else None


def film_rows(folder: Path) -> Iterator[Film]:
    """List what a folder's tables say of films."""
    named = {}
    if (folder / "movie_texts.parquet").exists():
        movies = pq.read_table(folder / "movies.parquet", columns=["movieId", "title"]).to_pylist()
        named = {row["movieId"]: row["title"] for row in movies}
    for name in ("movies", "movie_texts", "items"):
        path = folder / f"{name}.parquet"
        for row in pq.read_table(path).to_pylist() if path.exists() else []:
            key = title_key(row.get("title") or named[row["movieId"]])
            texts = [row[column] for column in TEXT_COLUMNS if row.get(column)]
            yield from (Film(key, text, row.get("movieId")) for text in texts or [None])


def part_of_keys(keys: Sequence[str], held_out: Sequence[bool]) -> dict[str, str]:
    """Give each key its part. A key with a row that its source holds out too is never in training."""
    parts = dict(zip(keys, key_split(keys, PARTS, SALT).tolist(), strict=True))
    for key, held in zip(keys, held_out, strict=True):
        if held and parts[key] == "train":
            parts[key] = "valid"
    return parts


def split_films(corpus: Path, folders: Sequence[Path]) -> tuple[pa.Table, pa.Table]:
    """Write each lead, and each MovieLens id, with its film's key and part."""
    leads = pq.read_table(corpus / "wikipedia-film-leads.parquet").to_pylist()
    rows = [Film(title_key(lead["title"], lead["year"]), lead["text"]) for lead in leads]
    for folder in folders:
        rows.extend(film_rows(folder))
    keys = linked_keys([row.name for row in rows], [row.copied_text for row in rows])
    held_out = [lead["split"] != "train" for lead in leads] + [False] * (len(rows) - len(leads))
    parts = part_of_keys(keys, held_out)
    own = keys[: len(leads)]
    columns = {"id": "doc_id", "title": "title", "year": "year", "text": "text"}
    table = {name: [lead[source] for lead in leads] for name, source in columns.items()}
    films = pa.table({**table, "key": own, "part": [parts[key] for key in own]})
    movies = {row.movie: key for row, key in zip(rows, keys, strict=True) if row.movie is not None}
    ids = sorted(movies)
    named = [movies[movie] for movie in ids]
    return films, pa.table({"movieId": ids, "key": named, "part": [parts[key] for key in named]})


def other_texts(corpus: Path) -> Iterator[tuple[str, str, str, str]]:
    """List (source, part, key, text) of the books and the reviews; their own split column stands."""
    for path in [*sorted(corpus.glob("classic-books-*.parquet")), corpus / "movie-reviews-v2.parquet"]:
        source = "books" if path.name.startswith("classic") else "reviews"
        for row in pq.read_table(path, columns=["doc_id", "text", "split"]).to_pylist():
            yield source, row["split"], row["doc_id"], row["text"]


def build(corpus: Path, folders: Sequence[Path], out: Path) -> dict[str, object]:
    """Write the corpus, the held-out texts and their counts."""
    out.mkdir(parents=True, exist_ok=True)
    films, movies = split_films(corpus, folders)
    pq.write_table(films, out / "films.parquet")
    pq.write_table(movies, out / "movies.parquet")
    rows = list(other_texts(corpus))
    rows.extend(("leads", film["part"], film["key"], film["text"]) for film in films.to_pylist())
    held_texts = {plain_text(row[3]) for row in rows if row[1] != "train"}
    train, left = [], []
    for row in rows:
        clean = row[1] == "train" and plain_text(row[3]) not in held_texts
        (train if clean else left).append(row)
    write(train, ("source", "part", "key", "text"), out / "corpus.parquet")
    write(left, ("source", "part", "key", "text"), out / "held_out.parquet")
    inputs = sorted(corpus.glob("*.parquet")) + [
        path for folder in folders for path in sorted(folder.glob("*.parquet"))
    ]
    report = {
        "parts": PARTS,
        "salt": SALT,
        "documents": count(train, left, lambda text: 1),
        "characters": count(train, left, len),
        "inputs": {path.name: sha256(path.read_bytes()).hexdigest() for path in inputs},
    }
    (out / "corpus.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def write(rows: Sequence[tuple[str, ...]], names: Sequence[str], path: Path) -> None:
    """Write rows as Parquet."""
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}), path)


def count(train: Sequence[tuple[str, ...]], left: Sequence[tuple[str, ...]], size) -> dict[str, dict[str, int]]:  # type: ignore[no-untyped-def]
    """Sum a size of the texts by source and by whether they train."""
    totals: dict[str, dict[str, int]] = {}
    for side, rows in (("train", train), ("held_out", left)):
        for source, *_, text in rows:
            of_source = totals.setdefault(source, {"train": 0, "held_out": 0})
            of_source[side] += size(text)
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--movies", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    report = build(args.corpus, args.movies, args.out)
    print(json.dumps({"documents": report["documents"], "characters": report["characters"]}, indent=1))


if __name__ == "__main__":
    main()
