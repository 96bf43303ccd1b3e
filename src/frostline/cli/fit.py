"""``frostline fit``: a table in; a trained, judged, saved predictor out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["fit"]


def fit(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help="CSV, JSONL or Parquet.")],
    target: Annotated[
        list[str], typer.Option("--target", metavar="C", help="Column to predict; of numbers also several.")
    ],
    out: Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder of the artifact.")] = None,
    test: Annotated[str | None, typer.Option("--test", metavar="F", help="File of test rows, used as given.")] = None,
    test_size: Annotated[
        float | None, typer.Option("--test-size", metavar="S", help="Share of rows held out. [default: 0.2]")
    ] = None,
    cv: Annotated[int | None, typer.Option("--cv", metavar="K", help="K folds instead of a test part.")] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Train the saved model on the test part as well.")] = False,
    group: Annotated[
        str | None, typer.Option("--group", metavar="C", help="Values of this column are never split.")
    ] = None,
    task: Annotated[
        str, typer.Option("--task", metavar="T", help="auto, classification, multilabel, regression.")
    ] = "auto",
    head: Annotated[
        str, typer.Option("--head", metavar="H", help="auto, linear, mlp, kernel, boosting, cooccurrence[-published].")
    ] = "auto",
    features: Annotated[
        str, typer.Option("--features", metavar="F", help="auto, embedding, tfidf or raw (no backbone), both.")
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    on_overlap: Annotated[
        str, typer.Option("--on-overlap", metavar="O", help="Test rows seen in training: report, error.")
    ] = "report",
    target_transform: Annotated[
        str,
        typer.Option(
            "--target-transform", metavar="S", help="Of numbers: auto, none, log, log1p, yeo-johnson, quantile."
        ),
    ] = "auto",
    intervals: Annotated[
        str, typer.Option("--intervals", metavar="M", help="Of numbers: auto, cv+ (models of folds), oof (none).")
    ] = "auto",
    class_weight: Annotated[
        str | None, typer.Option("--class-weight", metavar="W", help="balanced, or JSON: {label: weight}.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option("--cost", metavar="J", help="JSON (file): {true: {predicted: cost}}, or a matrix.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option("--threshold", metavar="L=P", help="Predict L from probability P on; P = f1: chosen.")
    ] = None,
    min_precision: Annotated[
        float | None,
        typer.Option("--min-precision", metavar="P", help="Answer only where so many answers are right: 0.95"),
    ] = None,
    label_separator: Annotated[
        str | None,
        typer.Option("--label-separator", metavar="S", help="What parts several labels of a row in a text: '|'."),
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Quote no texts of mistakes on the screen either.")
    ] = False,
    time: o.Time = None,
    unlabeled: o.Unlabeled = "skip",
    keep_texts: Annotated[
        bool,
        typer.Option("--keep-texts", help="The folder keeps texts: of training rows, and of mistakes in its report."),
    ] = False,
    no_neighbors: Annotated[
        bool, typer.Option("--no-neighbors", help="The folder keeps no vectors of the training rows.")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="A",
            help="finetune: the backbone fine-tuned on the same rows beside it; finetune-full, finetune-lora: one of the two.",
        ),
    ] = None,
    compare_minutes: Annotated[
        float, typer.Option("--compare-minutes", metavar="N", help="Refuse a comparison that may take longer.")
    ] = 60,
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
    """Train a classifier or regressor on a table and judge it beside its baselines."""
    given = locals()
    o.check_price(price, dry_run)
    o.check_precision(precision)
    job: dict[str, Any] = {
        "options": frostline.FitOptions(
            target, test, test_size, cv, refit, group, task, head, features, seed, on_overlap, target_transform,
            o.class_weight_of(class_weight), o.decision_of(cost, threshold, min_precision), not no_texts,
            label_separator=label_separator, time=time, unlabeled=unlabeled, keep_rows=not no_neighbors, keep_texts=keep_texts,
            intervals=intervals, compare=compare, compare_minutes=compare_minutes,
        ),
        "inputs": o.inputs_of(given),
        "embedding": o.embedding_of(given),
    }  # fmt: skip
    if dry_run:
        o.show_forecast(frostline.forecast_fit(train, out=out, **job), price=price, as_json=json)
        return
    if out is None:
        raise frostline.UserError("No --out is given.", hint="name the folder of the artifact: --out my-model")
    result = frostline.fit_table(train, out=out, **job)
    if not quiet:
        typer.echo(result.to_text())
    o.emit(result.to_json(), as_json=json)
