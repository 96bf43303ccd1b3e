"""``frostline sweep``: which layer, pooling, fusion and head."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["sweep"]


def sweep(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help="CSV, JSONL or Parquet.")],
    target: Annotated[str, typer.Option("--target", metavar="C", help="Column to predict.")],
    html: Annotated[str | None, typer.Option("--html", metavar="F", help="Write table and plots to one page.")] = None,
    task: Annotated[str, typer.Option("--task", metavar="T", help="auto, classification, regression.")] = "auto",
    group: Annotated[
        str | None, typer.Option("--group", metavar="C", help="Values of this column are never split.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    pooling: Annotated[
        list[str] | None, typer.Option("--pooling", metavar="P", help="As for fit; repeat, or a,b. [default: recipe]")
    ] = None,
    fusion: Annotated[
        list[str] | None,
        typer.Option("--fusion", metavar="F", help="concat, mean, max; repeat, or a,b. [default: all three]"),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="H", help="linear, mlp, cooccurrence[-published]; repeat, or a,b. [default: linear]"
        ),
    ] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Try further heads on every reading, not on the best three only.")
    ] = False,
    time: o.Time = None,
    unlabeled: o.Unlabeled = "skip",
    text: o.Text = None,
    template: o.Template = None,
    columns: o.Columns = None,
    id: o.Id = None,
    number_format: o.NumberFormat = "plain",
    backbone: o.Backbones = None,
    layers: o.Layers = None,
    max_length: o.MaxLength = None,
    overflow: o.Overflow = "truncate",
    precision: o.Precision = "exact",
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Compare layers, poolings, fusions and heads on the training rows."""
    given = locals()
    grid: dict[str, Any] = {"poolings": o.split(pooling), "fusions": o.split(fusion), "heads": o.split(head)}
    report = frostline.sweep(
        train,
        target=target,
        **{name: values for name, values in grid.items() if values},
        exhaustive=exhaustive,
        html=html,
        options=frostline.FitOptions(target, task=task, group=group, seed=seed, time=time, unlabeled=unlabeled),
        inputs=o.inputs_of(given),
        embedding=o.embedding_of(given | {"pooling": None, "fusion": None}),
    )  # fmt: skip
    if not quiet:
        typer.echo(report.to_text())
    o.emit(report.to_json(), as_json=json)
