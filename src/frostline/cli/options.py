"""Flags that several commands share, and how their values become the library's options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import frostline
from frostline._names import split_names

__all__ = [
    "Backbone",
    "Backbones",
    "Columns",
    "Device",
    "DryRun",
    "Fusion",
    "Id",
    "Json",
    "Layers",
    "MaxLength",
    "NoStore",
    "NumberFormat",
    "Overflow",
    "Pooling",
    "Precision",
    "Price",
    "Quiet",
    "StoreDir",
    "Template",
    "Text",
    "Time",
    "TrustRemoteCode",
    "Unlabeled",
    "backbone_of",
    "check_precision",
    "check_price",
    "class_weight_of",
    "cuts",
    "decision_of",
    "embedding_of",
    "emit",
    "inputs_of",
    "refuse_empty",
    "show_forecast",
    "split",
    "store_of",
]

Text = Annotated[str | None, typer.Option("--text", metavar="C", help="Text column, read as it is.")]
Template = Annotated[
    str | None, typer.Option("--template", metavar="S", help="Template over columns: '{title}: {body}'.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="C",
        help="Columns to write as JSON with names; repeat, or a,b; with a comma inside: '\"a, b\",c'.",
    ),
]
Id = Annotated[str | None, typer.Option("--id", metavar="C", help="Column of row ids.")]
NumberFormat = Annotated[
    str, typer.Option("--number-format", metavar="F", help="plain, rounded(k), scientific or digits.")
]
_BACKBONE = "minilm, a model folder, org/name, api:MODEL[@URL]; random:M, vocabulary:M."
Backbone = Annotated[str, typer.Option("--backbone", metavar="M", help=_BACKBONE)]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        metavar="M",
        help=f"{_BACKBONE} Repeat for several, each perhaps as M::layers=4,5,final::pooling=mean::max_length=128. "
        "[default: minilm]",
    ),
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layers", metavar="L", help="0..n, -1 = last, final, all; repeat, or a,b. [default: final; fit: auto]"
    ),
]
Pooling = Annotated[
    str | None,
    typer.Option(
        "--pooling",
        metavar="P",
        help="recipe, recipe:PROMPT, mean, max, first_token, last_token, weighted_mean. [fit: auto]",
    ),
]
Fusion = Annotated[
    str | None, typer.Option("--fusion", metavar="F", help="concat, mean, max. [default: concat; fit: auto]")
]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", metavar="N", help="Window in tokens. [default: the model's]")
]
Overflow = Annotated[str, typer.Option("--overflow", metavar="O", help="Longer texts: truncate, chunk, error.")]
Precision = Annotated[str, typer.Option("--precision", metavar="P", help="exact, fast, int8, or a dtype.")]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda, mps, balanced.")]
TrustRemoteCode = Annotated[
    str | None,
    typer.Option("--trust-remote-code", metavar="M", help="Name of the backbone whose own Python code may run."),
]
StoreDir = Annotated[
    str | None, typer.Option("--store", metavar="DIR", help="Feature store. [default: the user's cache folder]")
]
NoStore = Annotated[bool, typer.Option("--no-store", help="Keep no vectors on disk.")]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="C", help="Column of dates, times or numbers: the latest rows are tested."),
]
Unlabeled = Annotated[
    str, typer.Option("--unlabeled", "--unlabelled", metavar="U", help="Rows without a target: skip, error.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no report.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many rows, texts, tokens, seconds and bytes.")]

Price = Annotated[
    float | None,
    typer.Option("--price-per-million-tokens", metavar="P", help="With --dry-run: what a service (api:) would cost."),
]


def split(values: Sequence[str] | None) -> tuple[str, ...]:
    """Values of an option that may be repeated, comma-separated, or both."""
    return tuple(split_names(values or ()))


def refuse_empty(given: Mapping[str, Any], *names: str) -> None:
    """Refuse flags that name nothing: an empty variable of a script would else change the job without a word."""
    for name in names:
        value = given.get(name)
        if value not in (None, []) and not (value.strip() if isinstance(value, str) else split(value)):
            raise frostline.UserError(
                f"--{name.replace('_', '-')} is given and names nothing.", hint="leave it out, or say which"
            )


def inputs_of(given: Mapping[str, Any]) -> Any:
    """The library's `inputs`, from a command's arguments by name: ``locals()`` before anything else."""
    refuse_empty(given, "text", "template", "columns", "id")
    return frostline.InputOptions(
        given["text"], given["template"], split(given["columns"]), given["id"], given["number_format"]
    )


def embedding_of(given: Mapping[str, Any]) -> Any:
    """The library's `embedding`, from a command's arguments by name: ``locals()`` before anything else."""
    refuse_empty(given, "layers", "pooling", "fusion")
    plain = ("pooling", "fusion", "max_length", "overflow", "precision", "device", "trust_remote_code")
    return frostline.EmbedOptions(
        backbone=backbone_of(given["backbone"]),
        layers=list(split(given["layers"])) or None,
        store=store_of(given["store"], given["no_store"]),
        progress=not given["quiet"],
        **{name: given[name] for name in plain},
    )


def backbone_of(backbones: str | Sequence[str] | None) -> str | list[str]:
    """The library's `backbone` argument: a name, or a list where several are given."""
    given = [backbones] if isinstance(backbones, str) else list(backbones or ["minilm"])
    return given[0] if len(given) == 1 else given


def store_of(store: str | None, no_store: bool) -> str | None:
    """The library's `store` argument."""
    if store is not None and no_store:
        raise frostline.UserError("Both --store and --no-store are given; allowed is one of them.")
    if store == "":
        raise frostline.UserError("--store is given without a folder.", hint="name one, or leave the flag out")
    return None if no_store else store or "default"


def class_weight_of(value: str | None) -> Any:
    """The library's `class_weight`: None, a word, or a mapping from JSON."""
    return value if value is None or value == "balanced" else _json_of(value, "--class-weight")


def decision_of(cost: str | None, threshold: str | None, min_precision: float | None) -> Any:
    """The library's `decision`; None where nothing was asked for."""
    if cost is None and threshold is None and min_precision is None:
        return None
    return frostline.Decision(
        cost=None if cost is None else _json_of(cost, "--cost"),
        threshold=None if threshold is None else _threshold_of(threshold),
        precision=min_precision,
    )


def _threshold_of(text: str) -> Any:
    """A value, or a mapping of one label to it."""
    label, given, number = text.rpartition("=")
    try:
        value = number if number == "f1" else float(number)
    except ValueError as error:
        raise frostline.UserError(
            f"--threshold {text}: {number!r} is neither a number nor f1.", hint="allowed is LABEL=0.3 or LABEL=f1"
        ) from error
    return {label: value} if given else value


def _json_of(value: str, flag: str) -> Any:
    """JSON that was given in place, or in a file."""
    try:
        text = value if value.lstrip().startswith(("{", "[")) else Path(value).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as error:
        raise frostline.UserError(
            f"{flag} {value} cannot be read: {error.strerror}.", hint="give a JSON file, or JSON itself in quotes"
        ) from error
    except ValueError as error:
        raise frostline.UserError(f"{flag} is not JSON: {error}.") from error
    if not isinstance(found, dict | list):
        raise frostline.UserError(f"{flag} must be a JSON object or array, got {found!r}.")
    return found


def emit(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the result as the last line of stdout where it was asked for."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, allow_nan=False))


def cuts(stats: Any) -> str:
    """Rows that were cut, and the columns that lost text, in the whole row or read on their own."""
    parts = [f"{column} in {n}" for column, n in stats.truncated_columns.items()]
    parts += [f"{column} on its own in {own.n_truncated}" for column, own in stats.fields.items() if own.n_truncated]
    lost = ", ".join(parts)
    return f"{stats.n_truncated} rows" + (f" ({lost})" if lost else "")


def show_forecast(forecast: Any, *, price: float | None = None, as_json: bool) -> None:
    """Print what a command would do, and with a price what a service would ask for it."""
    stats, remote = forecast.stats, forecast.n_requests is not None
    if price is not None and (not remote or not 0 <= price < float("inf")):
        raise frostline.UserError(
            f"--price-per-million-tokens {price:g}: allowed is a price of 0 or more, and only for a service (--backbone api:M)."
        )
    cost = None if price is None else round(forecast.n_billed * price / 1e6, 6)
    lines = [
        f"{stats.n_rows} rows, {stats.n_texts} distinct texts, {stats.n_tokens} tokens; {cuts(stats)} are too long.",
        f"{stats.n_embedded} texts are not in the store: {_work(forecast)}.",
        *(
            f"  {name}: {own.stats.n_embedded} texts, {own.stats.n_tokens} tokens, {own.stats.n_truncated} rows too long, "
            f"{_work(own)}"
            for name, own in [
                *forecast.backbones.items(),
                *((f"{n} on its own", f) for n, f in forecast.fields.items()),
            ]
        ),
    ]
    lines += [f"Fine-tuning ({how}): at most about {s:.0f} s." for how, s in forecast.comparisons.items()]
    if cost is not None:
        lines.append(f"Estimated cost at {price:g} per million tokens: {cost:g}.")
    typer.echo("\n".join(lines))
    own, fields = ({name: _counts(one) for name, one in of.items()} for of in (forecast.backbones, forecast.fields))
    parts = {"backbones": own, "fields": fields, "comparisons": forecast.comparisons}
    emit({"dry_run": True, **_counts(forecast), "cost": cost, **parts}, as_json=as_json)


def _work(forecast: Any) -> str:
    """What a run would take, in words."""
    parts = (
        []
        if forecast.n_requests is None
        else [f"{forecast.n_requests} requests, {forecast.n_billed} tokens (estimated)"]
    )
    if forecast.n_requests is None or forecast.stats.seconds:
        parts.append(f"{forecast.stats.seconds:.0f} s")
    return f"about {' and '.join(parts)} and {forecast.bytes / 1e6:.1f} MB"


def _counts(forecast: Any) -> dict[str, Any]:
    """What a run would take, as JSON; `seconds` are those of backbones that run here, None where none does."""
    stats = forecast.stats
    seconds = None if forecast.n_requests is not None and not stats.seconds else round(stats.seconds, 3)
    return {
        "n_rows": stats.n_rows,
        "n_texts": stats.n_texts,
        "n_to_embed": stats.n_embedded,
        "n_truncated": stats.n_truncated,
        "truncated_columns": stats.truncated_columns,
        "n_tokens": stats.n_tokens,
        "seconds": seconds,
        "bytes": forecast.bytes,
        "n_requests": forecast.n_requests,
    }


def check_precision(precision: str) -> None:
    """Tell the precision of answers from that of the backbone's numbers."""
    if precision.replace(".", "", 1).isdigit():
        raise frostline.UserError(
            f"--precision {precision} is about the backbone's numbers: allowed are exact, fast, int8, or a dtype.",
            hint=f"for answers of which so many are right: --min-precision {precision}",
        )


def check_price(price: float | None, dry_run: bool) -> None:
    """Refuse a price where nothing would read it."""
    if price is not None and not dry_run:
        raise frostline.UserError(
            "--price-per-million-tokens is only for --dry-run.", hint="add --dry-run, or leave it out"
        )
