"""The sweep: every layer, pooling, fusion and head that was asked for, compared on the training rows after one pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline._energy import EnergyMeter
from frostline.backbones import resolve_layers
from frostline.backbones.written import Written, read_backbones
from frostline.candidates import Candidate, joint, ladder, union
from frostline.contracts import FUSIONS
from frostline.embedder import TextEmbedder
from frostline.engines.data import group_rows, read_rows
from frostline.engines.inputs import build_embedder
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions
from frostline.errors import UserError
from frostline.features import Features
from frostline.heads import make_head
from frostline.numerics.fusion import check_fusion
from frostline.reports.sweep import SweepReport, SweepRow
from frostline.selection import Trial, attempt, compared_rows, recommend
from frostline.tables import check_output, replacing

__all__ = ["sweep"]

FINALISTS = 3
"""Readings on which heads other than the first are tried, unless `exhaustive`: those where the first head did best."""


def sweep(
    train: str | Path,
    *,
    target: str,
    poolings: Sequence[str] = ("recipe",),
    fusions: Sequence[str] = FUSIONS,
    heads: Sequence[str] = ("linear",),
    exhaustive: bool = False,
    html: str | Path | None = None,
    options: FitOptions | None = None,
    inputs: InputOptions | None = None,
    embedding: EmbedOptions | None = None,
) -> SweepReport:
    """Compare layers, poolings, fusions and heads on the training rows.

    Each layer is tried alone and all of them together by each fusion, for each pooling; of several backbones each in
    turn, then all of them side by side. A backbone reads every text once, or never where the store has it.

    Parameters
    ----------
    train : path
        CSV, JSONL or Parquet.
    target : str
        Column to predict.
    poolings : sequence of str, default=("recipe",)
    fusions : sequence of str, default=FUSIONS
        Among concat, mean and max.
    heads : sequence of str, default=("linear",)
        The first one is tried on every reading of the backbone, the others on the three readings where it did best.
    exhaustive : bool, default=False
        Every head on every reading.
    html : path, optional
        Write table and plots to this page.
    options : FitOptions, optional
        `task`, `group` and `seed` count.
    inputs : InputOptions, optional
    embedding : EmbedOptions, optional
        `layers` None = a ladder of up to seven depths; `pooling` and `fusion` must be None.

    Returns
    -------
    SweepReport

    Raises
    ------
    UserError
        Anything in the file or options that cannot be used; checked before the backbone runs.
    """
    inputs, embedding = inputs or InputOptions(), embedding or EmbedOptions()
    options = replace(options or FitOptions(target), target=target)
    if html is not None:
        check_output(html, (".html",))
    rows = read_rows(train, options, inputs)
    _check_heads(heads, rows.task, options.seed)
    embedder = build_embedder(replace(embedding, layers="final", pooling="recipe", fusion="concat"), inputs)
    found = _readings(embedder, embedding.layers, poolings, fusions)
    rendered = embedder.render(rows.table)
    groups = group_rows(rows, rendered.texts)
    y = np.unique(rows.y, return_inverse=True)[1] if rows.task == "classification" else rows.y.astype(np.float64)
    with EnergyMeter() as meter:
        features = rendered.through(embedder.extractor(union(found)))
    began = time.perf_counter()
    trials = _run(found, features, y, groups, rows.task, heads, exhaustive, options.seed)
    trials.sort(key=lambda t: (t.candidate.cost(features), heads.index(t.name)))
    chosen, best = recommend(trials)
    table = [_row(t, chosen, best, features) for t in trials]
    report = SweepReport(
        task=rows.task,
        title=rows.title,
        target=target,
        metric="accuracy" if rows.task == "classification" else "r2",
        n_rows=len(y),
        rows=table,
        chosen=next(row for row in table if row.chosen),
        embed=features.stats,
        seconds={"embed": features.stats.seconds, "compare": time.perf_counter() - began},
        joules=meter.joules,
        energy=meter.method,
        n_unlabeled=rows.n_unlabeled,
    )
    if html is not None:
        with replacing(Path(html)) as file:
            file.write(report.to_html().encode())
    return report


def _check_heads(heads: Sequence[str], task: str, seed: int) -> None:
    """Refuse heads that do not suit the task, and sets of labels."""
    if task == "multilabel":
        raise UserError(
            "The sweep compares classes and numbers; these rows have sets of labels.",
            hint="fit compares layers for them",
        )
    for head in heads:
        make_head(head, task, seed)


def _readings(embedder: TextEmbedder, layers: Any, poolings: Sequence[str], fusions: Sequence[str]) -> list[Candidate]:
    """Every way to read the backbones: each in its own ways, then all of them, side by side and with all their layers."""
    for fusion in fusions:
        check_fusion(fusion)
    found: list[Candidate] = []
    for pooling in poolings:
        own = clone(embedder).set_params(pooling=pooling)
        whole = []
        for one, part in zip(own.written(), own.extractor().parts, strict=True):
            if part.prompt and len(poolings) > 1:
                raise UserError(
                    f"The recipe of {one.name!r} puts a prompt before every text, other poolings do not, so one pass "
                    "cannot serve them all.",
                    hint="sweep one pooling at a time",
                )
            taps = part.taps
            if not _says_layers(embedder, one.name):
                names = ladder(part.backbone.n_layers) if layers is None else layers
                explicit = resolve_layers(names, part.backbone.n_layers, one.name)
                taps = tuple(replace(taps[0], layer=layer) for layer in explicit)
            written = str(one.pooling)
            found += [Candidate((single,), "concat", written) for single in taps]
            found += [Candidate(taps, fusion, written) for fusion in fusions if len(taps) > 1]
            whole.append(Candidate(taps, "concat", written))
        found += [joint(whole, "concat")] if len(whole) > 1 else []
    return list(dict.fromkeys(found))


def _says_layers(embedder: TextEmbedder, backbone: str) -> bool:
    return any(one.name == backbone and one.layers is not None for one in read_backbones(embedder.backbone))


def _spelled(candidate: Candidate) -> list[str]:
    """Each backbone with its layers and pooling, as the command line takes it."""
    poolings = candidate.pooling.split("+")
    poolings *= len(candidate.backbones) if len(poolings) == 1 else 1
    return [
        str(Written(name, [tap.layer for tap in candidate.taps if tap.backbone == name], pooling))
        for name, pooling in zip(candidate.backbones, poolings, strict=True)
    ]


def _run(
    found: Sequence[Candidate],
    features: Features,
    y: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    heads: Sequence[str],
    exhaustive: bool,
    seed: int,
) -> list[Trial]:
    """The first head on every reading, the others on the best of these."""
    rows, sample, y_sample = compared_rows(found, features, y, groups, task=task, seed=seed)
    own = groups[rows]

    def tried(candidate: Candidate, head: str) -> Trial:
        trial = attempt(candidate, sample, y_sample, own, task=task, head=head, seed=seed)
        if not len(trial.rows):
            raise UserError("There are too few rows to hold any out.", hint="give more rows")
        return trial

    trials = [tried(candidate, heads[0]) for candidate in found]
    ranked = sorted(trials, key=lambda trial: float(trial.losses.mean()))
    finalists = [trial.candidate for trial in (ranked if exhaustive else ranked[:FINALISTS])]
    return trials + [tried(candidate, head) for head in heads[1:] for candidate in finalists]


def _row(trial: Trial, chosen: Trial, best: Trial, features: Features) -> SweepRow:
    score, candidate = trial.score(chosen, best), trial.candidate
    blocks = candidate.blocks(features)
    return SweepRow(
        layers=[str(layer) for layer in candidate.layers],
        pooling=candidate.pooling,
        fusion=candidate.fusion if len(candidate.taps) > 1 else "",
        head=trial.name,
        blocks=sum(n for n, _ in blocks.values()),
        width=candidate.width(features),
        backbones=_spelled(candidate) if any(candidate.backbones) else [],
        chosen=trial is chosen,
        **{name: value for name, value in asdict(score).items() if name not in ("name", "layer", "note")},
    )
