"""``frostline adapt`` and ``frostline explain``: a language model that says what vectors mean."""

from __future__ import annotations

from typing import Annotated

import typer

import frostline
from frostline.cli import options as o

__all__ = ["adapt", "explain"]


def adapt(
    vectors: Annotated[str, typer.Argument(metavar="V", help="Vectors: .parquet (id, vector) or .npy.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV, JSONL or Parquet.")],
    id: Annotated[str, typer.Option("--id", metavar="C", help="Column of ids.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    ids: Annotated[
        str | None, typer.Option("--ids", metavar="F", help="Ids of a .npy, one a line. [default: the rows of TABLE]")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="C", help="Target text. [default: by its name]")] = None,
    tasks: Annotated[
        str, typer.Option("--tasks", metavar="T", help="films, books, generic, or a YAML file.")
    ] = "generic",
    llm: Annotated[str, typer.Option("--llm", metavar="M", help="starter, a model folder, or org/name.")] = "starter",
    n_soft_tokens: Annotated[int, typer.Option("--n-soft-tokens", metavar="N", help="1 to 16.")] = 4,
    adapter: Annotated[str, typer.Option("--adapter", metavar="A", help="mlp, linear, deep, residual.")] = "mlp",
    stages: Annotated[str, typer.Option("--stages", metavar="S", help="1, 1+2, 2, reversed, joint.")] = "1",
    tune: Annotated[str, typer.Option("--tune", metavar="T", help="Of the language model: lora, full.")] = "lora",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="At most, in each stage.")] = 20,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", metavar="N", help="At most, a stage; 0 = a warm start as it is.")
    ] = None,
    batch_tokens: Annotated[int, typer.Option("--batch-tokens", metavar="N")] = 4096,
    accumulate: Annotated[int, typer.Option("--accumulate", metavar="N", help="Batches a step.")] = 1,
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="R", help="Of the adapter. [default: 1e-3; MiniLM's space, warm: 5e-5]"),
    ] = None,
    max_target_tokens: Annotated[
        int, typer.Option("--max-target-tokens", metavar="N", help="Longer targets are cut.")
    ] = 128,
    select: Annotated[
        str,
        typer.Option(
            "--select", metavar="S", help="Best state: loss, consistency, auto (MiniLM's space, warm: consistency)."
        ),
    ] = "auto",
    precision: Annotated[str, typer.Option("--precision", metavar="P", help="float32, bfloat16.")] = "float32",
    checkpointing: Annotated[bool, typer.Option("--gradient-checkpointing", help="Less memory, more time.")] = False,
    held_out: Annotated[
        float | None, typer.Option("--held-out", metavar="P", help="Share of ids never learnt from. [default: 0.1]")
    ] = None,
    encoder: Annotated[
        str,
        typer.Option("--encoder", metavar="M", help="What embedded the texts: auto = as V says; none; or a backbone."),
    ] = "auto",
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="C", help="Column that calls rows train or valid; others are left out."),
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Leave the starter's warm adapter aside.")] = False,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="Keep names of people and titles in targets.")
    ] = False,
    teacher: Annotated[
        str | None, typer.Option("--teacher", metavar="M", help="Writes targets: a model, or api:M.")
    ] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Keep no training texts in the folder.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be learnt and asked.")] = False,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Adapt a language model so that it explains vectors."""
    o.refuse_empty(locals(), "id", "out", "ids", "text", "tasks", "llm", "encoder", "split", "teacher")
    if split is not None and held_out is not None:
        raise frostline.UserError(
            "Both --split and --held-out are given; allowed is one of them.",
            hint="the column says which ids are held out",
        )
    job = frostline.AdaptJob(
        vectors, table, id, text, tasks, llm, n_soft_tokens, adapter,
        split or (frostline.AdaptJob.held_out if held_out is None else held_out), encoder, cold, keep_names, teacher, seed, ids,
    )  # fmt: skip
    options = frostline.AdaptOptions(
        stages=stages, tune=tune, epochs=epochs, max_steps=max_steps, batch_tokens=batch_tokens, accumulate=accumulate, lr=lr,
        max_target_tokens=max_target_tokens, select=select, precision=precision, gradient_checkpointing=checkpointing,
    )  # fmt: skip
    options.checked()
    if dry_run or (teacher and not quiet):
        forecast = frostline.forecast_adapt(job, out)
        typer.echo(
            f"{forecast['n_train']} ids to learn from, {forecast['n_val']} held out, {forecast['n_examples']} examples; a "
            f"teacher would be asked {forecast['n_instructions']} times ({forecast['n_tokens']} tokens to read, at most "
            f"{forecast['n_new_tokens']} to write)."
        )
        if dry_run:
            o.emit({"dry_run": True, **forecast}, as_json=json)
            return
    elm = frostline.adapt_table(
        job, out, options=options, texts=not no_texts, device=device, store=o.store_of(store, no_store),
        progress=not quiet, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    if not quiet:
        typer.echo(elm.card())
    shown = ("n_train", "n_val", "seconds", "loss", "scores", "start", "skipped", "empty")
    o.emit({**{key: elm.report_[key] for key in shown}, "artifact": out}, as_json=json)


def explain(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of an adapt.")],
    id: Annotated[
        list[str] | None, typer.Option("--id", metavar="X", help="A row it knows, or of F; repeat, or a,b.")
    ] = None,
    vectors: Annotated[str | None, typer.Option("--vectors", metavar="F", help="File of vectors.")] = None,
    ids: Annotated[
        str | None, typer.Option("--ids", metavar="G", help="Ids of a .npy, one a line. [default: numbers from 0]")
    ] = None,
    blend: Annotated[
        tuple[str, str] | None, typer.Option("--blend", metavar="A B", help="The point between two rows.")
    ] = None,
    weight: Annotated[float, typer.Option("--weight", metavar="W", help="Of the second, 0 to 1.")] = 0.5,
    start: Annotated[str | None, typer.Option("--from", metavar="X", help="A row to start from.")] = None,
    along: Annotated[str | None, typer.Option("--along", metavar="CONCEPT", help="genre=comedy and the like.")] = None,
    steps: Annotated[int, typer.Option("--steps", metavar="K", help="Points on the way.")] = 3,
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="A task over one vector.")] = None,
    ask: Annotated[str | None, typer.Option("--ask", metavar="S", help="A question, with {vector} in it.")] = None,
    n_candidates: Annotated[
        int, typer.Option("--n-candidates", metavar="N", help="Keep the most consistent of N.")
    ] = 1,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", metavar="N")] = 96,
    guidance: Annotated[float, typer.Option("--guidance", metavar="W", help="0: the LM's own words.")] = 1.0,
    opening: Annotated[
        int | None,
        typer.Option(
            "--opening", metavar="N", help="Tokens written before guidance begins. [default: films 14, others 0]"
        ),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="F", help=".jsonl or .parquet, for many.")] = None,
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Say in words what vectors mean, with scores and controls beside."""
    found = frostline.explain_table(
        folder,
        frostline.Selection(o.split(id), vectors, blend, weight, start, along, steps, ids),
        task=task,
        ask=ask,
        n_candidates=n_candidates,
        decoding=frostline.Decoding(max_new_tokens=max_new_tokens, guidance=guidance, opening=opening),
        out=out,
        device=device,
        store=o.store_of(store, no_store),
        progress=not quiet,
        trust_remote_code=trust_remote_code,
    )
    if not quiet:
        typer.echo(f"Explanations in {out}" if out else "\n\n".join(f"{one.id}\n{one}".strip() for one in found))
    o.emit({"explanations": [one.to_json() for one in found], "out": out}, as_json=json)
