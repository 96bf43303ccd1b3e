"""``frostline study``: the papers' experiments on public data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["app"]

app = typer.Typer(
    help="The papers' experiments: each figure computed once, resumable.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("llmembed")
def llmembed(
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DIR", help="Holds NAME/train.parquet and test.parquet. [default: examples/data]"
        ),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--sets", metavar="S", help="Which; repeat, or a,b. [default: the paper's]")
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone",
            metavar="M",
            help="As for fit; repeat, or a,b. The first is studied in depth. [default: minilm]",
        ),
    ] = None,
    domains: Annotated[bool, typer.Option("--domains", help="Also all other sets, each language on its own.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 rows, two seeds, fewer arms: minutes.")] = False,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="[default: 3; quick: 2]")] = None,
    llm: Annotated[
        str | None,
        typer.Option("--llm", metavar="M", help="Language model to ask: a folder, org/name or api:MODEL[@URL]."),
    ] = None,
    llm_rows: Annotated[
        int | None,
        typer.Option("--llm-rows", metavar="N", help="Test rows that it is asked. [default: 300; quick: 60]"),
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Results and page.")] = "runs/llmembed",
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Depth fusion, co-occurrence pooling, controls and baselines; run again, it goes on where it was stopped."""
    report = frostline.study_llmembed(
        out,
        frostline.LlmembedOptions(
            data, o.split(sets), o.split(backbone) or ("minilm",), domains, quick, seeds, llm, llm_rows,
            o.store_of(store, no_store), "auto" if not quiet else False,
        ),
    )  # fmt: skip
    _show(report, out, json, quiet)


@app.command("regression")
def regression(
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="Real tables: index.csv and NAME.parquet. [default: examples/data]"),
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option("--tables", metavar="T", help="Which; repeat, or a,b; none. [default: all]")
    ] = None,
    functions: Annotated[
        list[str] | None,
        typer.Option("--functions", metavar="F", help="BBOB functions; repeat, or a,b; none. [default: 24; quick: 10]"),
    ] = None,
    dof: Annotated[
        list[str] | None,
        typer.Option(
            "--dof", metavar="N", help="Parameters; repeat, or a,b. [default: 5,10,25,50,100; quick: 5,25,50]"
        ),
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone", metavar="M", help="As for fit; repeat, or a,b; the first in depth. [default: minilm]"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer functions, draws and arms: minutes.")] = False,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", help="Draws. [default: 3; quick: 1, of tables 3]")
    ] = None,
    points: Annotated[
        int | None, typer.Option("--points", metavar="N", help="Rows of a draw. [default: 500; quick: 400]")
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Results and page.")] = "runs/regression",
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Functions and tables as text and as columns, smoothness, controls; run again, it goes on where it was stopped."""
    report = frostline.study_regression(
        out,
        frostline.RegressionOptions(
            data, o.split(tables), o.split(functions), _numbers(o.split(dof)), o.split(backbone) or ("minilm",), quick, seeds,
            points, o.store_of(store, no_store), "auto" if not quiet else False,
        ),
    )  # fmt: skip
    _show(report, out, json, quiet)


@app.command("elm")
def elm(
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="TABLE", help="Rows with a text, or a folder of one table. [default: the bundled films]"
        ),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="C", help="Column of ids. [default: id, else movieId]")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="C", help="Target text. [default: by its name]")] = None,
    tasks: Annotated[
        str, typer.Option("--tasks", metavar="T", help="films, books, generic, or a YAML file.")
    ] = "films",
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="C", help="Calls rows train, valid or test. [default: split, else a hash]"),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option("--vectors", metavar="V", help="Of `frostline space`. [default: MiniLM's of the texts]"),
    ] = None,
    encoder: Annotated[
        str, typer.Option("--encoder", metavar="M", help="Reads texts back: auto, none, words, or a backbone.")
    ] = "auto",
    rows: Annotated[
        int | None, typer.Option("--rows", metavar="N", help="Of the table, at random. [default: all]")
    ] = None,
    llm: Annotated[
        list[str] | None,
        typer.Option("--llm", metavar="M", help="starter, a folder, or org/name; repeat, or a,b; the first in depth."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rows, steps, seeds and arms.")] = False,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="[default: 3; quick: 1]")] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", help="Of each explainer, all stages together. [default: 600; quick: 160]"),
    ] = None,
    tune: Annotated[str, typer.Option("--tune", metavar="T", help="Of the language model: full, lora.")] = "full",
    device: o.Device = "auto",
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Results and page.")] = "runs/elm",
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Explainers of a table that differ in one thing each, on rows they never saw; run again, it goes on where it was stopped."""
    report = frostline.study_elm(
        out,
        frostline.ElmStudyOptions(
            data, id, text, tasks, split, vectors, encoder, rows, o.split(llm) or ("starter",), quick, seeds, steps, tune,
            device, o.store_of(store, no_store), "auto" if not quiet else False,
        ),
    )  # fmt: skip
    _show(report, out, json, quiet)


def _numbers(texts: Sequence[str]) -> list[int]:
    for text in texts:
        if not text.isdecimal():
            raise frostline.UserError(f"--dof takes whole numbers, such as 5,10,25; got {text!r}.")
    return [int(text) for text in texts]


def _show(report: Any, out: str, json: bool, quiet: bool) -> None:
    if not quiet:
        typer.echo(report.to_text())
        typer.echo(f"\nwritten to {out}/study.html and {out}/study.json")
    o.emit({**report.to_json(), "out": out}, as_json=json)
