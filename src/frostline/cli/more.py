"""``frostline suggest``, ``frostline update`` and ``frostline concept``: what comes after a fit."""

from __future__ import annotations

from typing import Annotated

import typer

import frostline
from frostline.cli import options as o
from frostline.cli.apply import Data, Folder

__all__ = ["concept", "suggest", "update"]

_SHOWN = 70


def suggest(
    folder: Folder,
    data: Data,
    n: Annotated[int, typer.Option("-n", "--n-rows", metavar="N", help="How many rows.")] = 20,
    out: Annotated[str | None, typer.Option("--out", metavar="F", help=".csv, .parquet or .jsonl")] = None,
    id: o.Id = None,
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Choose the rows that are most worth a label, the most useful first."""
    found = frostline.suggest_table(
        folder, data, n=n, out=out, id=id, store=o.store_of(store, no_store), device=device, progress=not quiet,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    if not quiet:
        typer.echo(f"{len(found['suggestions'])} of {found['n_candidates']} rows without a label:")
        for row in found["suggestions"]:
            margin = f"{row['margin']:.3f}  " if "margin" in row else ""
            typer.echo(f"{row['row']!s:>8}  {margin}{row['prediction']}  {_brief(row['text'])}")
    o.emit(found, as_json=json)


def concept(
    folder: Folder,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="One of the labels of a classifier.")],
    n: Annotated[int, typer.Option("-n", "--n-texts", metavar="N", help="Texts at either end.")] = 5,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show the training texts that lie furthest along a label's direction, and furthest against it.

    All is in the folder; the store is not used.
    """
    o.store_of(store, no_store)
    found = frostline.concept_texts(folder, label, n=n)
    if not quiet:
        for name in ("toward", "against"):
            typer.echo(f"{name} {label}:")
            for text in found[name]:
                typer.echo(f"  {_brief(text)}")
    o.emit(found, as_json=json)


def update(
    folder: Folder,
    data: Annotated[str, typer.Argument(metavar="MORE", help="The new rows: columns and target of the fit.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder of the new artifact; may be the old one.")],
    id: o.Id = None,
    strength: Annotated[
        str, typer.Option("--strength", metavar="S", help="Of the head: keep, or auto = chosen again.")
    ] = "keep",
    unlabeled: o.Unlabeled = "skip",
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Learn from more rows without starting over; classes may be new."""
    result = frostline.update_table(
        folder, data, out=out, id=id, strength=strength, unlabeled=unlabeled, store=o.store_of(store, no_store),
        device=device, progress=not quiet, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    if not quiet:
        typer.echo(result.to_text())
    o.emit(result.to_json(), as_json=json)


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
