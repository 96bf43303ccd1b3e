"""``frostline predict`` and ``frostline evaluate``: use an artifact on another table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["evaluate", "predict"]

Folder = Annotated[str, typer.Argument(metavar="DIR", help="Artifact of a fit.")]
Out = Annotated[str | None, typer.Option("--out", metavar="F", help=".csv, .parquet or .jsonl")]
Proba = Annotated[bool, typer.Option("--proba", help="Class probabilities as well.")]
Interval = Annotated[float | None, typer.Option("--interval", metavar="P", help="Level of intervals: 0.9")]
Data = Annotated[str, typer.Argument(metavar="DATA", help="CSV, JSONL or Parquet with the columns of the fit.")]


def predict(
    folder: Folder,
    data: Data,
    out: Out = None,
    proba: Proba = False,
    interval: Interval = None,
    neighbors: Annotated[
        int | None, typer.Option("--neighbors", metavar="K", help="The K nearest training rows as well.")
    ] = None,
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    dry_run: o.DryRun = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Predict every row of a file, in its order."""
    how: dict[str, Any] = {
        "store": o.store_of(store, no_store),
        "device": device,
        "trust_remote_code": trust_remote_code,
    }
    how |= {"proba": proba, "interval": interval, "neighbors": neighbors}
    if dry_run:
        o.show_forecast(frostline.forecast_predict(folder, data, out=out, **how), as_json=json)
        return
    if out is None:
        raise frostline.UserError("No --out is given.", hint="name the file of the predictions: --out predictions.csv")
    stats = frostline.predict_table(folder, data, out=out, progress=not quiet, **how)
    if not quiet:
        typer.echo(f"{stats.n_rows} predictions in {out} ({stats.n_embedded} texts embedded, {o.cuts(stats)} cut)")
    result = {"n_rows": stats.n_rows, "out": out, "n_texts": stats.n_texts, "n_embedded": stats.n_embedded}
    result |= {"n_truncated": stats.n_truncated, "truncated_columns": stats.truncated_columns}
    result |= {"fields": {name: asdict(own) for name, own in stats.fields.items()}}
    o.emit({**result, "seconds": stats.seconds}, as_json=json)


def evaluate(
    folder: Folder,
    data: Data,
    out: Out = None,
    proba: Proba = False,
    interval: Interval = None,
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Score an artifact on a file that has the target column of the fit; with --out the predictions as well."""
    result = frostline.evaluate_table(
        folder,
        data,
        out=out,
        proba=proba,
        interval=interval,
        store=o.store_of(store, no_store),
        device=device,
        progress=not quiet,
        trust_remote_code=trust_remote_code,
    )
    if not quiet:
        for name, value in result["metrics"].items():
            typer.echo(f"{name:12s} {value:.4f}")
        if out is not None:
            typer.echo(f"Predictions in {out}")
    o.emit(result, as_json=json)
