"""The bundled data are what their READMEs say: counts, columns, RFC 4180, a notice beside each."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from frostline.keys import key_split

DATA = Path(__file__).parents[1] / "examples" / "data"
TABLES = {
    "mr/train.csv": 7108,
    "mr/test.csv": 3554,
    "auto-mpg/auto-mpg.csv": 398,
    "books/books.csv": 1500,
    "films/films.csv": 6351,
    "films/ratings.csv": 87976,
}


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True, restkey="too many cells"))


def test_no_table_is_left_out() -> None:
    assert {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.csv")} == {*TABLES, "index.csv"}


def test_the_index_names_tables_and_their_columns() -> None:
    for entry in rows("index.csv"):
        header = rows(f"{entry['name']}/{entry['name']}.csv")[0]
        named = [*entry["targets"].split("|"), *entry["group"].split("|"), *entry["drop"].split("|")]
        assert {column for column in named if column} <= set(header)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_its_rows_and_whole_lines(name: str) -> None:
    table = rows(name)
    assert len(table) == TABLES[name]
    assert {len(row) for row in table} == {len(table[0])}
    assert not any(None in row.values() or "too many cells" in row for row in table)
    raw = (DATA / name).read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n")


@pytest.mark.parametrize("name", TABLES)
def test_columns_and_license_are_told(name: str) -> None:
    readme = (DATA / name).parent.joinpath("README.md").read_text("utf-8")
    assert all(f"| `{column}` |" in readme for column in rows(name)[0])
    assert "https://creativecommons.org/" in (DATA / name).parent.joinpath("LICENSE.txt").read_text("utf-8")


def test_mr_is_balanced_and_its_parts_share_no_sentence() -> None:
    train, test = rows("mr/train.csv"), rows("mr/test.csv")
    assert Counter(row["label"] for row in train) == {"negative": 3554, "positive": 3554}
    assert Counter(row["label"] for row in test) == {"negative": 1777, "positive": 1777}
    assert len({row["text"] for row in train + test}) == 7108 + 3554
    assert any("é" in row["text"] for row in train)


def test_auto_mpg_keeps_missing_cells_and_whole_numbers() -> None:
    table = rows("auto-mpg/auto-mpg.csv")
    assert sum(row["horsepower"] == "" for row in table) == 6
    assert all(row[c].isdigit() for row in table for c in ("cylinders", "weight", "model_year"))
    assert all(row["horsepower"].isdigit() for row in table if row["horsepower"])
    assert {row["origin"] for row in table} == {"usa", "europe", "japan"}


def test_books_are_distinct_and_whole() -> None:
    table = rows("books/books.csv")
    assert len({row["isbn13"] for row in table}) == 1500
    assert all(value for row in table for value in row.values())
    assert all(1 <= float(row["average_rating"]) <= 5 for row in table)
    assert (DATA / "books/books.csv").stat().st_size <= 1_000_000


def test_a_film_is_on_one_side_of_the_split_by_key_and_by_text() -> None:
    table = rows("films/films.csv")
    assert Counter(row["split"] for row in table) == {"train": 5296, "valid": 415, "test": 640}
    for column in ("key", "lead"):
        sides: dict[str, set[str]] = {}
        for row in table:
            sides.setdefault(row[column], set()).add(row["split"])
        assert {len(side) for side in sides.values()} == {1}


def test_the_split_of_films_follows_from_the_key() -> None:
    table = rows("films/films.csv")
    drawn = key_split([row["key"] for row in table], {"train": 0.85, "valid": 0.05, "test": 0.1}, "frostline-films-1")
    moved = [(now, row["split"]) for now, row in zip(drawn.tolist(), table, strict=True) if now != row["split"]]
    assert set(moved) == {("train", "valid")}
    assert len(moved) < 0.03 * len(table)


def test_every_rating_is_of_a_film_in_the_table() -> None:
    films = {row["movieId"] for row in rows("films/films.csv")}
    assert len(films) == 6351
    assert {row["movieId"] for row in rows("films/ratings.csv")} <= films
