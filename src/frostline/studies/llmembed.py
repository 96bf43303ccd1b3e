"""The LLMEmbed study: depth fusion, co-occurrence pooling, controls and baselines on the paper's sets and others.

References
----------
Liu et al., 2024, LLMEmbed: Rethinking Lightweight LLM's Genuine Function in Text Classification, arXiv 2406.03725.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones.written import is_service, is_untrained
from frostline.errors import UserError
from frostline.lms import LanguageModel, open_lm
from frostline.reports.study import StudyReport
from frostline.studies.arms import Arm, pack, run_arm
from frostline.studies.cells import Cell, run_cells, write_report
from frostline.studies.llmembed_report import Layout, make_report
from frostline.studies.prompting import PROMPT_ARMS, PromptArm, run_prompts
from frostline.studies.readings import DEEPEST, Readings, n_states, stamp_of
from frostline.studies.sets import StudySet, read_sets

__all__ = ["LlmembedOptions", "study_llmembed"]

_VERSION = 1
"""Of what a cell does: with another number old results are not taken."""

_DEPTH = 5
"""States that the paper reads."""


@dataclass(frozen=True)
class LlmembedOptions:
    """What the study covers.

    Parameters
    ----------
    data : path, optional
        Folder of sets; None = the bundled examples.
    sets : sequence of str
        Which; none = those of the paper that are there.
    backbones : sequence of str
        The first is studied in depth. Random weights of its architecture and its token embeddings alone stand beside it
        unless controls are named.
    domains : bool, default=False
        Also all sets of the folder that are not the paper's, each language on its own.
    quick : bool, default=False
        Fewer rows, seeds and arms: minutes instead of hours.
    seeds : int, optional
        None = 3, quick 2.
    llm : str, optional
        A language model to ask, as for :func:`frostline.lms.open_lm`.
    llm_rows : int, optional
        Test rows that it is asked about; None = 300, quick 60.
    store
        As for :class:`frostline.TextEmbedder`.
    progress : "auto" or bool, default="auto"
    """

    data: str | None = None
    sets: Sequence[str] = ()
    backbones: Sequence[str] = ("minilm",)
    domains: bool = False
    quick: bool = False
    seeds: int | None = None
    llm: str | None = None
    llm_rows: int | None = None
    store: Any = "default"
    progress: Any = "auto"

    @property
    def n_seeds(self) -> int:
        """How many."""
        return self.seeds or (2 if self.quick else 3)

    @property
    def n_draws(self) -> int:
        """Draws of a few labels."""
        return 3 if self.quick else 10

    @property
    def few(self) -> tuple[int, ...]:
        """Labels a class."""
        return (8, 64) if self.quick else (8, 16, 32, 64)


def study_llmembed(out: str | Path, options: LlmembedOptions | None = None) -> StudyReport:
    """Run the study, or what of it has no result yet, and write its tables, plots and numbers.

    Parameters
    ----------
    out : path
        Folder: ``cells/`` with a file for each result, ``study.json`` and ``study.html``. Run again, it goes on where it was
        killed.
    options : LlmembedOptions, optional

    Returns
    -------
    StudyReport

    Raises
    ------
    UserError
        Sets, backbones or options that cannot be used; checked before anything runs.
    """
    options, folder = options or LlmembedOptions(), Path(out)
    if (options.seeds is not None and options.seeds < 1) or (options.llm_rows is not None and options.llm_rows < 1):
        raise UserError("seeds and llm_rows must be 1 or more.")
    began = time.perf_counter()
    sets = read_sets(options.data, options.sets, domains=options.domains)
    if options.quick:
        sets = [data.reduced(1000, 1000) for data in sets]
    backbones = _with_controls(options.backbones)
    lm = None if options.llm is None else open_lm(options.llm, cache=folder / "answers.sqlite")
    stamps = {name: stamp_of(name) for name in backbones}
    plan = _Plan(options, sets, stamps, Readings(options.store, options.progress), lm)
    outcomes = run_cells(plan.cells(), folder / "cells", progress=options.progress)
    layout = Layout(sets, backbones, plan.single(), plan.ablations(), plan.heads(), plan.few_arms(), options.few)
    return write_report(make_report(layout, outcomes), folder, began)


def _with_controls(backbones: Sequence[str]) -> list[str]:
    if not backbones:
        raise UserError("The study needs at least one backbone.")
    if any(is_untrained(name) for name in backbones) or is_service(backbones[0]):
        return list(backbones)
    return [*backbones, *(prefix + backbones[0] for prefix in ("random:", "vocabulary:"))]


@dataclass(frozen=True)
class _Plan:
    """Which cells there are."""

    options: LlmembedOptions
    sets: Sequence[StudySet]
    stamps: Mapping[str, str]
    readings: Readings
    lm: LanguageModel | None

    @property
    def backbones(self) -> list[str]:
        """Their names, the one that is studied in depth first."""
        return list(self.stamps)

    def cells(self) -> list[Cell]:
        """All, those of one set and backbone together; a cell that several tables show stands once."""
        found = (cell for data in self.sets for cell in self._of(data))
        return list({cell.address: cell for cell in found}.values())

    def single(self) -> list[Arm]:
        """The paper's ways to fuse, baselines and `auto`, for the first backbone."""
        depth = min(_DEPTH, n_states(self.backbones[0]))
        fused = [Arm(n_layers=depth, fusion=fusion) for fusion in ("concat", "mean", "max")] if depth > 1 else []
        network = [Arm(head=head, n_layers=depth) for head in ("cooccurrence", "cooccurrence, as published")]
        return [Arm("majority"), Arm("words"), Arm(), *fused, *(network if depth > 1 else []), Arm("auto")]

    def ablations(self) -> list[Arm]:
        """Number of layers."""
        most = min(n_states(self.backbones[0]), DEEPEST)
        numbers = [n for n in ((1, 3, 5) if self.options.quick else (1, 2, 3, 5, 7)) if n < most] + [most]
        linear = [
            Arm(n_layers=n, fusion=fusion if n > 1 else "concat") for fusion in ("concat", "mean") for n in numbers
        ]
        return list(dict.fromkeys(linear)) + [Arm(head="cooccurrence", n_layers=n) for n in numbers if n > 1]

    def heads(self) -> list[Arm]:
        """Size of the head, from a linear probe upwards."""
        depth = min(_DEPTH, n_states(self.backbones[0]))
        names = ["linear", "mlp 64", "mlp 1024-256", "cooccurrence, as published"]
        names += [] if self.options.quick else ["mlp 256", "cooccurrence", "cooccurrence 1024", "cooccurrence 25 M"]
        return [Arm(head=name, n_layers=depth) for name in names if depth > 1 or not name.startswith("cooc")]

    def few_arms(self) -> list[Arm]:
        """What learns from few labels."""
        depth = min(_DEPTH, n_states(self.backbones[0]))
        network = [Arm(head="cooccurrence, as published", n_layers=depth)] if depth > 1 else []
        return [Arm("words"), Arm(), *network, Arm("auto")]

    def others(self, backbone: str) -> list[Arm]:
        """For each further backbone: the final layer, and the paper's depth as a mean and as a Gram matrix."""
        depth = min(_DEPTH, n_states(backbone))
        deep = [Arm(n_layers=depth, fusion="mean"), Arm(head="cooccurrence", n_layers=depth)] if depth > 1 else []
        return [Arm(), *deep]

    def _of(self, data: StudySet) -> Iterator[Cell]:
        first, seeds = self.backbones[0], range(self.options.n_seeds)
        everything = np.arange(len(data.train.texts))
        for arm in dict.fromkeys([*self.single(), *self.ablations(), *self.heads()]):
            for seed in seeds:
                yield self._cell(data, [first], arm, everything, seed, 0)
        for n in self.options.few:
            for seed in range(self.options.n_draws):
                rows = _few(data, n, seed)
                for arm in self.few_arms():
                    yield self._cell(data, [first], arm, rows, seed, n)
        for backbone in self.backbones[1:]:
            for arm in self.others(backbone):
                for seed in seeds:
                    yield self._cell(data, [backbone], arm, everything, seed, 0)
        real = [name for name in self.backbones if not is_untrained(name)]
        if len(real) > 1:
            depth = min(_DEPTH, n_states(real[0]))
            for arm in [Arm(), *([Arm(head="cooccurrence", n_layers=depth)] if depth > 1 else [])]:
                for seed in seeds:
                    yield self._cell(data, real, arm, everything, seed, 0)
        yield from self._prompts(data)

    def _cell(
        self, data: StudySet, backbones: Sequence[str], arm: Arm, rows: NDArray[np.intp], seed: int, n_few: int
    ) -> Cell:
        named = arm.kind in ("vectors", "auto")
        key = {
            **_base(data),
            "backbones": [{"name": name, "stamp": self.stamps[name]} for name in backbones] if named else [],
            "arm": arm.key,
            "per_class": n_few,
            "seed": seed,
        }

        def run() -> Mapping[str, Any]:
            readings = [self.readings.of(data, name) for name in backbones] if named else []
            return run_arm(arm, readings, data.train, data.test, rows, seed)

        return Cell(key, run, max(1, arm.cost * len(rows) // 1000) if arm.kind != "majority" else 1)

    def _prompts(self, data: StudySet) -> Iterator[Cell]:
        if self.lm is None:
            return
        n_rows = min(self.options.llm_rows or (60 if self.options.quick else 300), len(data.test.texts))
        rows = np.sort(np.random.default_rng(0).permutation(len(data.test.texts))[:n_rows])
        for arm in PROMPT_ARMS:
            if arm.scored and not self.lm.scores:
                continue
            key = {
                **_base(data),
                "llm": {"name": self.lm.name, **self.lm.identity},
                "prompt": arm.key,
                "n_rows": n_rows,
            }
            if arm.nearest:
                key["neighbors"] = self.stamps[self.backbones[0]]
            for seed in range(self.options.n_seeds if arm.shots and not arm.nearest else 1):
                yield Cell({**key, "seed": seed}, partial(self._ask, arm, data, rows, seed), 5)

    def _ask(self, arm: PromptArm, data: StudySet, rows: NDArray[np.intp], seed: int) -> Mapping[str, Any]:
        if self.lm is None:
            raise UserError("There is no language model to ask.")
        vectors = None
        if arm.nearest:
            reading = self.readings.of(data, self.backbones[0])
            vectors = reading.train.vectors[:, -1], reading.test.vectors[:, -1]
        found = run_prompts(self.lm, arm, data, rows, vectors, seed)
        hits = np.array(found.pop("answers")) == data.test.labels[rows]
        return {**found, "accuracy": float(hits.mean()), "hits": pack(hits), "rows": rows.tolist()}


def _base(data: StudySet) -> dict[str, Any]:
    return {"study": "llmembed", "version": _VERSION, "set": data.name, "data": data.digest}


def _few(data: StudySet, n: int, seed: int) -> NDArray[np.intp]:
    """At most n rows of each class."""
    rng = np.random.default_rng([seed, n])
    labels = data.train.labels
    own = [rng.permutation(np.flatnonzero(labels == label))[:n] for label in np.unique(labels)]
    return np.sort(np.concatenate(own))
