"""``frostline store``: look at the feature store, check it, make it smaller."""

from __future__ import annotations

from typing import Annotated

import typer

import frostline
from frostline.cli import options as o

__all__ = ["app"]

app = typer.Typer(help="The feature store: info, verify, prune.", no_args_is_help=True, rich_markup_mode=None)


@app.command("info")
def info(store: o.StoreDir = None, no_store: o.NoStore = False, json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Say where the store is, how large it is and what it holds."""
    with frostline.Store(_path(store, no_store), read_only=True) as opened:
        found = opened.info()
    if not quiet:
        typer.echo(f"{found['path']}: {found['n_vectors']} vectors, {found['bytes'] / 1e6:.1f} MB")
        for spec in found["specs"]:
            typer.echo(
                f"  {spec['address']}  {spec['n_vectors']:>9} x {spec['dim']}  {spec['bytes'] / 1e6:9.1f} MB  {spec['tap']}"
            )
    o.emit(found, as_json=json)


@app.command("verify")
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop damaged batches, so that they are embedded again.")
    ] = False,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Read everything again and compare checksums."""
    with frostline.Store(_path(store, no_store), read_only=not repair) as opened:
        found = opened.verify(repair=repair)
    if not quiet:
        typer.echo(f"{found['n_vectors']} vectors checked, {found['n_bad']} damaged")
    o.emit(found, as_json=json)


@app.command("prune")
def prune(
    older_than_days: Annotated[
        float | None, typer.Option("--older-than-days", metavar="N", help="Unused for so long.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option("--max-bytes", metavar="N", help="Keep the store below this size.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="A", help="Drop this one; see store info.")
    ] = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Remove garbage, and what the flags name."""
    with frostline.Store(_path(store, no_store)) as opened:
        found = opened.prune(older_than_days=older_than_days, max_bytes=max_bytes, address=address)
    if not quiet:
        typer.echo(", ".join(f"{name} {value}" for name, value in found.items()))
    o.emit(found, as_json=json)


def _path(store: str | None, no_store: bool) -> str:
    found = o.store_of(store, no_store)
    if found is None:
        raise frostline.UserError("--no-store leaves no store to look at.", hint="leave it out")
    return found
