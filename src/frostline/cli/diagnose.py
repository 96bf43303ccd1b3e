"""``frostline diagnose``: numbered checks of rows, vectors and predictions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["diagnose"]

FAILED = 3
"""Exit code where ``--fail-on`` was met."""


def diagnose(
    source: Annotated[str, typer.Argument(metavar="TRAIN|DIR", help="A table to train on, or the artifact of a fit.")],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="With DIR: labeled rows that it has not seen.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="C", help="With TRAIN: column to predict.")] = None,
    against: Annotated[str | None, typer.Option("--against", metavar="F", help="Rows to test for drift.")] = None,
    perturb: Annotated[bool, typer.Option("--perturb", help="Change rows a little and measure what moves.")] = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write findings and plots to one page.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="O", help="issue, or tip (and issues): exit 3 where there is one."),
    ] = None,
    test: Annotated[str | None, typer.Option("--test", metavar="F", help="Test rows, used as given.")] = None,
    test_size: Annotated[
        float | None, typer.Option("--test-size", metavar="P", help="Share of rows held out. [default: 0.2]")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="C", help="Values of this column are never split.")
    ] = None,
    task: Annotated[str, typer.Option("--task", metavar="T", help="auto, classification, regression.")] = "auto",
    head: Annotated[str, typer.Option("--head", metavar="H", help="As for fit.")] = "auto",
    features: Annotated[str, typer.Option("--features", metavar="F", help="As for fit.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    text: o.Text = None,
    template: o.Template = None,
    columns: o.Columns = None,
    id: o.Id = None,
    number_format: o.NumberFormat = "plain",
    backbone: o.Backbone = "minilm",
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
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Look for what is wrong with rows, vectors and predictions."""
    given = locals()
    if fail_on not in (None, "issue", "tip"):
        raise frostline.UserError(f"Unknown --fail-on {fail_on!r}. Allowed: issue, tip.")
    shared: dict[str, Any] = {"against": against, "perturb": perturb, "html": html}
    where = o.store_of(store, no_store)
    if data is None:
        if target is None:
            raise frostline.UserError("No --target is given.", hint="name the column, or give a DIR and its DATA")
        report = frostline.diagnose_table(
            source,
            target=target,
            options=frostline.FitOptions(
                target, test, test_size, group=group, task=task, head=head, features=features, seed=seed
            ),
            inputs=o.inputs_of(given),
            embedding=o.embedding_of(given),
            **shared,
        )  # fmt: skip
    else:
        if target is not None or test is not None:
            raise frostline.UserError(
                "With a DIR, the target is that of the fit and the rows are DATA: leave --target and --test out."
            )
        report = frostline.diagnose_artifact(
            source, data, store=where, device=device, progress=not quiet, trust_remote_code=trust_remote_code, **shared
        )
    if not quiet:
        typer.echo(report.to_text())
    o.emit(report.to_json(), as_json=json)
    failing = {"issue": ["issue"], "tip": ["issue", "tip"]}.get(fail_on or "", [])
    if any(finding.outcome in failing for finding in report.findings):
        raise typer.Exit(FAILED)
