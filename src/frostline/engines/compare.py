"""The sweep: every layer, pooling, fusion and head that was asked for, compared on the training rows after one pass."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from frostline._energy import EnergyMeter
from frostline.backbones import block_sizes, resolve_layers
from frostline.backbones.written import Written, read_backbones
from frostline.candidates import Candidate, joint, ladder, union
from frostline.contracts import FUSIONS
from frostline.embedder import TextEmbedder
from frostline.engines.data import FitRows, group_rows, read_rows
from frostline.engines.inputs import build_embedder
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions
from frostline.errors import UserError
from frostline.estimators import TextClassifier, TextRegressor
from frostline.features import Features
from frostline.heads import make_head, reads_layers
from frostline.numerics.fusion import check_fusion
from frostline.reports.sweep import SweepReport, SweepRow
from frostline.selection import Trial, attempt, compared_rows, recommend
from frostline.tables import check_output, replacing
from frostline.times import windows

__all__ = ["sweep"]

FINALISTS = 3
"""Readings on which heads other than the first are tried, unless `exhaustive`: those where the first head did best."""


WINDOWS = 4
"""Parts that are predicted from all that is earlier, where rows have times."""


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
        `task`, `group`, `time`, `unlabeled` and `seed` count. With `time` each candidate is judged in expanding windows: trained
        on all that is earlier than what it predicts.
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
    _check_learnable(heads, rows, options.seed)
    embedder = build_embedder(replace(embedding, layers="final", pooling="recipe", fusion="concat"), inputs)
    found = _readings(embedder, embedding.layers, poolings, fusions)
    rendered = embedder.render(rows.table)
    groups = group_rows(rows, rendered.texts)
    y = np.unique(rows.y, return_inverse=True)[1] if rows.task == "classification" else rows.y.astype(np.float64)
    extractor = embedder.extractor(union(found))
    with EnergyMeter() as meter:
        features = rendered.through(extractor)
    began = time.perf_counter()
    trials, how = _run(found, features, y, groups, rows, heads, exhaustive, options.seed)
    trials.sort(key=lambda t: (t.candidate.cost(features), heads.index(t.name)))
    chosen, best = recommend(trials)
    sizes = {part.taps[0].backbone: block_sizes(part.backbone) for part in extractor.parts}
    table = [_row(t, chosen, best, features, sizes) for t in trials]
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
        split=how,
    )
    if html is not None:
        with replacing(Path(html)) as file:
            file.write(report.to_html().encode())
    return report


def _check_learnable(heads: Sequence[str], rows: FitRows, seed: int) -> None:
    """Refuse targets that cannot be learnt, sets of labels, several targets, and heads that do not suit the task."""
    blank = TextRegressor(seed=seed) if rows.task == "regression" else TextClassifier(seed=seed)
    blank.check_params()
    blank.check_target(rows.y, len(rows.y))
    if len(rows.targets) > 1:
        raise UserError("A sweep compares readings for one target.", hint="name one of them")
    if rows.task == "multilabel":
        raise UserError(
            "The sweep compares classes and numbers; these rows have sets of labels.",
            hint="fit compares layers for them",
        )
    for head in heads:
        make_head(head, rows.task, seed)


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
    rows: FitRows,
    heads: Sequence[str],
    exhaustive: bool,
    seed: int,
) -> tuple[list[Trial], str]:
    """The first head on every reading, the others on the best of these; and a sentence on how rows were held out."""
    task: Any = rows.task
    kept, sample, y_sample = compared_rows(found, features, y, groups, task=task, seed=seed)
    own = groups[kept]
    folds, how = None, "Cross-validated, rows held out at random, equal texts and groups together."
    if rows.times is not None:
        times = rows.times.take(kept)
        folds, how = windows(times, own, max(1, min(WINDOWS, len(times.shown) - 1)))

    def tried(candidate: Candidate, head: str) -> Trial:
        trial = attempt(candidate, sample, y_sample, own, task=task, head=head, seed=seed, folds=folds)
        if not len(trial.rows):
            raise UserError("There are too few rows to hold any out.", hint="give more rows")
        return trial

    def readable(candidates: Sequence[Candidate], head: str) -> list[Candidate]:
        """Co-occurrence relates layers to each other: it reads several, side by side."""
        if not reads_layers(make_head(head, task, seed)):
            return list(candidates)
        return [one for one in candidates if one.fusion == "concat" and len(one.taps) > len(one.backbones)]

    for head in heads:
        if not readable(found, head):
            raise UserError(
                f"The head {head!r} reads several layers side by side.", hint="add --fusion concat and layers"
            )
    trials = [tried(candidate, heads[0]) for candidate in readable(found, heads[0])]
    ranked = [trial.candidate for trial in sorted(trials, key=lambda trial: float(trial.losses.mean()))]
    for head in heads[1:]:
        finalists = readable(ranked, head)
        trials += [tried(candidate, head) for candidate in (finalists if exhaustive else finalists[:FINALISTS])]
    return trials, how


def _row(
    trial: Trial, chosen: Trial, best: Trial, features: Features, sizes: Mapping[str, list[int] | None]
) -> SweepRow:
    score, candidate = trial.score(chosen, best), trial.candidate
    blocks = candidate.blocks(features)
    n_read, multiplications = 0, trial.n_trained
    n_total = trial.n_trained
    for name, (depth, _) in blocks.items():
        stats, size = features.stats.backbones.get(name, features.stats), sizes[name]
        n_read += stats.n_tokens
        if n_total is None or multiplications is None or size is None:
            n_total = multiplications = None
        else:
            n_total += sum(size[: depth + 1])
            multiplications += round(sum(size[1 : depth + 1]) * stats.n_tokens / max(1, stats.n_texts))
    return SweepRow(
        layers=[str(layer) for layer in candidate.layers],
        pooling=candidate.pooling,
        fusion=candidate.fusion if len(candidate.taps) > 1 else "",
        head=trial.name,
        blocks=sum(n for n, _ in blocks.values()),
        width=candidate.width(features),
        backbones=_spelled(candidate) if any(candidate.backbones) else [],
        chosen=trial is chosen,
        n_tokens=n_read,
        n_trained=trial.n_trained,
        n_total=n_total,
        multiplications=multiplications,
        joules=trial.joules,
        **{name: value for name, value in asdict(score).items() if name not in ("name", "layer", "note")},
    )
