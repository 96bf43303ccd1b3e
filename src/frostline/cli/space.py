"""``frostline space``: vectors where there are none, from texts, from ratings or clicks, from links."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import frostline
from frostline.cli import options as o

__all__ = ["app"]

app = typer.Typer(help="Make vectors: semantic, behavioral, graph.", no_args_is_help=True, rich_markup_mode=None)

Out = Annotated[str, typer.Option("--out", metavar="V.parquet", help="Rows of id and vector.")]
Dim = Annotated[int, typer.Option("--dim", metavar="N", help="Width of the vectors.")]
TestSize = Annotated[
    float, typer.Option("--test-size", metavar="S", help="Share held out for the scores; 0 = no scores.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N")]


@app.command("semantic")
def semantic(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV, JSONL or Parquet.")],
    out: Out,
    id: Annotated[str, typer.Option("--id", metavar="C", help="Column of row ids.")],
    text: o.Text = None,
    template: o.Template = None,
    columns: o.Columns = None,
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
    """Embed a text for each id with a backbone: what `embed` does, with ids."""
    given = locals()
    _require_parquet(out)
    embedding = o.embedding_of(given)
    inputs = o.inputs_of(given)
    stats, dim = frostline.embed_table(table, out=out, inputs=inputs, embedding=embedding, distinct_ids=True)
    if not quiet:
        typer.echo(f"{stats.n_rows} vectors of width {dim} in {out} ({stats.n_embedded} embedded, {o.cuts(stats)} cut)")
    o.emit({**vars(stats), "dim": dim, "out": out}, as_json=json)


@app.command("behavioral")
def behavioral(
    ratings: Annotated[str, typer.Argument(metavar="RATINGS", help="A row for each rating, purchase or click.")],
    out: Out,
    user: Annotated[str, typer.Option("--user", metavar="C", help="Column of users.")],
    item: Annotated[str, typer.Option("--item", metavar="C", help="Column of items.")],
    rating: Annotated[
        str | None, typer.Option("--rating", metavar="C", help="Column of ratings. [default: none, rows count alike]")
    ] = None,
    out_users: Annotated[
        str | None, typer.Option("--out-users", metavar="U.parquet", help="The users' vectors, in the same space.")
    ] = None,
    catalog: Annotated[
        str | None, typer.Option("--catalog", metavar="F", help="Table of all items: says which have no vector.")
    ] = None,
    dim: Dim = 32,
    test_size: TestSize = 0.1,
    seed: Seed = 0,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Factorize who did what: a vector for each item and each user. The store, which holds vectors of texts, is not used."""
    o.store_of(store, no_store)
    found = frostline.behavioral_table(
        ratings, user=user, item=item, rating=rating, out=out, out_users=out_users, catalog=catalog,
        dim=dim, test_size=test_size, seed=seed,
    )  # fmt: skip
    if not quiet:
        users = (
            f", {found['n_users']} users in {out_users}"
            if out_users
            else f"; {found['n_users']} users (--out-users writes them)"
        )
        typer.echo(f"{found['n_items']} items of width {dim} in {out}{users}")
        typer.echo(_ranking(found["scores"]))
        for kind, what in (
            ("cold_items", "items have fewer than 5 rows"),
            ("cold_users", "users have fewer than 5 rows"),
            ("absent_items", "items of the catalog have no row and so no vector"),
        ):
            if found[kind] and found[kind]["n"]:
                typer.echo(f"{found[kind]['n']} {what}: {_listed(found[kind])}")
    o.emit(found, as_json=json)


@app.command("graph")
def graph(
    edges: Annotated[str, typer.Argument(metavar="EDGES", help="A row for each link.")],
    out: Out,
    source: Annotated[str, typer.Option("--source", metavar="C", help="Column of one end.")],
    target: Annotated[str, typer.Option("--target", metavar="C", help="Column of the other end.")],
    weight: Annotated[str | None, typer.Option("--weight", metavar="C", help="Column of weights.")] = None,
    dim: Dim = 32,
    test_size: TestSize = 0.1,
    seed: Seed = 0,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Embed the nodes of an undirected graph by its spectrum. The store, which holds vectors of texts, is not used."""
    o.store_of(store, no_store)
    found = frostline.graph_table(
        edges, source=source, target=target, weight=weight, out=out, dim=dim, test_size=test_size, seed=seed
    )
    if not quiet:
        typer.echo(
            f"{found['n_nodes']} nodes of width {dim} in {out}; the graph has {found['n_components']} connected parts"
        )
        scores = found["scores"]
        if scores["auc"] is not None:
            typer.echo(
                f"held-out links: AUC {scores['auc']:.3f}; by degrees {scores['degree_auc']:.3f} ({scores['n_held_out']} links)"
            )
    o.emit(found, as_json=json)


def _require_parquet(out: str) -> None:
    """A space is a file of ids and vectors; an array alone has no ids."""
    if not out.lower().endswith(".parquet"):
        raise frostline.UserError(
            f"{out}: a space is written as .parquet, with id and vector.", hint="name it V.parquet"
        )


def _ranking(scores: dict[str, Any]) -> str:
    """One line on held-out ranking quality."""
    if scores["recall"] is None:
        return "held-out ranking: nothing to rank"
    k, popular, better = scores["k"], scores["popularity"], scores["better"]
    gap = f"; NDCG better by {better['lower']:+.3f} to {better['upper']:+.3f} (95 %)" if better else ""
    return (
        f"held-out ranking, {scores['n_users']} users: recall@{k} {scores['recall']:.3f}, ndcg@{k} {scores['ndcg']:.3f}; "
        f"by popularity {popular['recall']:.3f}, {popular['ndcg']:.3f}{gap}"
    )


def _listed(named: dict[str, Any]) -> str:
    """The ids of a report, with dots where there are more."""
    return ", ".join(map(str, named["ids"])) + (", ..." if named["n"] > len(named["ids"]) else "")
