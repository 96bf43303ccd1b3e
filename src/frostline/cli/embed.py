"""``frostline embed``: rows to vectors in a file."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["embed"]


def embed(
    data: Annotated[str, typer.Argument(metavar="DATA", help="CSV, JSONL or Parquet.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="F", help=".npy (n, F), or .parquet with id and vector")
    ] = None,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Keep the layers apart: (n, L, D), .npy only.")
    ] = False,
    ids: Annotated[
        str | None, typer.Option("--ids", metavar="F", help="File for the ids of --id, one a line, beside a .npy.")
    ] = None,
    text: o.Text = None,
    template: o.Template = None,
    columns: o.Columns = None,
    id: o.Id = None,
    number_format: o.NumberFormat = "plain",
    backbone: o.Backbones = None,
    layers: o.Layers = None,
    pooling: o.Pooling = None,
    fusion: o.Fusion = None,
    max_length: o.MaxLength = None,
    overflow: o.Overflow = "truncate",
    precision: o.Precision = "exact",
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    dry_run: o.DryRun = False,
    price: o.Price = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Embed every row of a file."""
    given = locals()
    o.check_price(price, dry_run)
    job: dict[str, Any] = {
        "inputs": o.inputs_of(given),
        "embedding": o.embedding_of(given),
        "per_layer": per_layer,
        "ids_out": ids,
    }
    if dry_run:
        o.show_forecast(frostline.forecast_embed(data, out=out, **job), price=price, as_json=json)
        return
    if out is None:
        raise frostline.UserError("No --out is given.", hint="name the file of the vectors: --out vectors.npy")
    stats, dim = frostline.embed_table(data, out=out, **job)
    if not quiet:
        typer.echo(f"{stats.n_rows} vectors of width {dim} in {out} ({stats.n_embedded} embedded, {o.cuts(stats)} cut)")
    o.emit({**dataclasses.asdict(stats), "dim": dim, "out": out}, as_json=json)
