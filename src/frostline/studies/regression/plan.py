"""Which cells the regression study has: problems, encodings, heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from frostline.backbones import resolve, resolve_layers
from frostline.backbones.written import is_service, is_untrained
from frostline.candidates import ladder
from frostline.contracts import BackboneSpec
from frostline.studies.cells import Cell
from frostline.studies.readings import pooling_of, stamp_of
from frostline.studies.regression.encodings import PROJECTIONS, RAW, Encoder, Encoding
from frostline.studies.regression.heads import HEADS, measure_smoothness, plane, score, warp_inputs, warp_of
from frostline.studies.regression.options import RegressionOptions
from frostline.studies.regression.problems import Inputs, Problem, TableSource, draw_inputs, functions_at

__all__ = ["FORMATS", "Plan"]

_VERSION = 1
"""Of what a cell does: with another number old results are not taken."""

FORMATS: Mapping[str, str] = {"functions": "rounded(2)", "tables": "plain"}
"""How numbers are usually written: drawn ones would have sixteen digits, measured ones have what they have."""

_COSTS = {"mlp": 12, "boosting": 6, "kernel": 3, "ridge": 1}


@dataclass(frozen=True)
class Plan:
    """All cells of a study.

    Attributes
    ----------
    options : RegressionOptions
    functions : sequence of str
    tables : sequence of TableSource
    grown : sequence of Encoding
        Random networks of other widths.
    stamps : dict of str to str
        Digests of backbones' weights, as far as they are known; others are added.
    """

    options: RegressionOptions
    functions: Sequence[str]
    tables: Sequence[TableSource]
    grown: Sequence[Encoding]
    stamps: dict[str, str] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """Those of one draw together; a cell that several tables show stands once."""
        first = self.options.backbones[0]
        encoder = Encoder({first: self.layers()}, self.options.store, self.options.progress)
        found = [cell for problems in self.draws() for cell in self._of(problems, encoder)]
        if self.functions:
            found += [*self._warps(encoder), *self._projections(encoder)]
        return list({cell.address: cell for cell in found}.values())

    def draws(self) -> Iterator[list[Problem]]:
        """Problems that share their inputs."""
        options = self.options
        for dof in options.every_dof if self.functions else ():
            for seed in range(options.n_seeds):
                yield functions_at(draw_inputs(dof, seed, options.n_points), seed, self.functions)
        for table in self.tables:
            yield from ([table.draw(seed, options.n_points)] for seed in range(options.n_splits))

    def main(self, family: str) -> list[Encoding]:
        """The backbones, as the paper reads them."""
        how = FORMATS[family]
        return [Encoding(name, pooling=pooling_of(name), number_format=how) for name in self.options.backbones]

    def by_size(self, family: str) -> list[Encoding]:
        """The backbones that run here, from the smallest to the largest by the numbers in their blocks."""

        def size(one: Encoding) -> int:
            backbone = resolve(BackboneSpec(one.source))
            return backbone.n_layers * backbone.dim**2

        real = [one for one in self.main(family) if not (is_service(one.source) or is_untrained(one.source))]
        return sorted(real, key=size)

    def controls(self, family: str) -> list[Encoding]:
        """Random weights and token embeddings of the first backbone, and projections to its width."""
        first = self.main(family)[0]
        width = resolve(BackboneSpec(first.source)).dim
        if is_service(first.source) or is_untrained(first.source):
            untrained = []
        else:
            untrained = [replace(first, source=f"{prefix}:{first.source}") for prefix in ("random", "vocabulary")]
        return [*untrained, *(Encoding(name, width=width) for name in PROJECTIONS)]

    def heads_on(self, control: Encoding) -> tuple[str, ...]:
        """Heads on a control; the MLP, which trains longest on projections of the columns, only where a backbone reads."""
        heads = self.options.control_heads
        return heads if control.reads else _without_mlp(heads)

    def layers(self) -> list[Any]:
        """Depths of the first backbone; none where a service runs it."""
        first = self.options.backbones[0]
        if is_service(first):
            return []
        n = resolve(BackboneSpec(first)).n_layers
        return [*resolve_layers("all" if n <= 12 else ladder(n), n)][:-1]

    def varied(self, family: str) -> dict[str, list[Encoding]]:
        """One thing changed at a time, by what is changed; the unchanged encoding is not among them."""
        first = self.main(family)[0]
        local = not is_service(first.source)
        poolings = self.options.poolings if local else ()
        if family == "tables":  # padding fills one window, and rows of a table may be longer
            poolings = tuple(pooling for pooling in poolings if pooling != "padded_mean")
        found = {
            "pooling": [replace(first, pooling=pooling) for pooling in poolings],
            "layer": [replace(first, layer=layer) for layer in self.layers()],
            "names": [replace(first, names=False)],
            "numbers": [replace(first, number_format=how) for how in self.options.formats]
            if family == "functions"
            else [],
            "width": [replace(one, number_format=first.number_format) for one in self.grown],
        }
        if family == "tables" and self.options.quick:
            return {"names": found["names"]}
        return found

    def _of(self, problems: Sequence[Problem], encoder: Encoder) -> Iterator[Cell]:
        inputs = problems[0].inputs
        family, options = inputs.family, self.options
        usual = [RAW, *self.main(family)]
        first_draw = problems[0].repetition == 0
        arms = [(one, head) for one in usual for head in HEADS]
        for one in self.controls(family):
            own_heads = self.heads_on(one)
            arms += [(one, head) for head in (own_heads if first_draw else _without_mlp(own_heads))]
        smooth = [*usual, *self.controls(family)]
        shares: Sequence[float] = ()
        size_heads: Sequence[str] = ()
        if first_draw and (family == "tables" or inputs.dof in options.ablated_dofs):
            varied = [one for own in self.varied(family).values() for one in own]
            arms += [(one, head) for one in varied for head in options.ablation_heads]
            in_depth = inputs.dof == options.ablated_dofs[0] if family == "functions" else not self.functions
            shares, size_heads = options.shares, options.size_heads if in_depth else _without_mlp(options.size_heads)
        for encoding, head in arms:  # the problems of one draw share its vectors
            yield from (self._score(problem, encoding, head, 1.0, encoder) for problem in problems)
        for share in shares:
            for encoding in usual[:2]:
                for head in size_heads:
                    yield from (self._score(problem, encoding, head, share, encoder) for problem in problems)
        for encoding in smooth:
            yield from (self._smoothness(problem, encoding, encoder) for problem in problems)

    def _base(self, kind: str, encoding: Encoding) -> dict[str, Any]:
        if encoding.reads and encoding.source not in self.stamps:
            self.stamps[encoding.source] = stamp_of(encoding.source)
        stamp = {"stamp": self.stamps[encoding.source]} if encoding.reads else {}
        return {"study": "regression", "version": _VERSION, "kind": kind, "encoding": encoding.key, **stamp}

    def _score(self, problem: Problem, encoding: Encoding, head: str, share: float, encoder: Encoder) -> Cell:
        quick = self.options.quick

        def run() -> Mapping[str, Any]:
            as_trees_take_them = encoding == RAW and head == "boosting"
            X = None if as_trees_take_them else encoder(problem.inputs, encoding)
            return score(problem, X, head, quick=quick, share=share)

        sweep = {"sweep": "small" if quick else "paper"} if head == "mlp" else {}
        own = {"problem": problem.key, "head": head, "share": share, **sweep}
        return Cell({**self._base("score", encoding), **own}, run, _COSTS[head])

    def _smoothness(self, problem: Problem, encoding: Encoding, encoder: Encoder) -> Cell:
        compared = problem.inputs.family == "tables" and encoding.reads

        def run() -> Mapping[str, Any]:
            X = encoder(problem.inputs, encoding)
            return measure_smoothness(problem, X, encoder(problem.inputs, RAW) if compared else None)

        return Cell({**self._base("smoothness", encoding), "problem": problem.key}, run)

    def _warps(self, encoder: Encoder) -> Iterator[Cell]:
        dof = self.options.every_dof[-1]
        inputs, radii = warp_inputs(dof, 0, _unlabeled)
        for encoding in self.main("functions") + self.controls("functions")[:2]:
            if encoding.reads:
                key = {**self._base("warp", encoding), "dof": dof, "inputs": inputs.digest}
                yield Cell(key, lambda encoding=encoding: warp_of(encoder(inputs, encoding), radii), 10)  # type: ignore[misc]

    def _projections(self, encoder: Encoder) -> Iterator[Cell]:
        dof, name = self.options.every_dof[0], self.functions[0]
        (problem,) = functions_at(draw_inputs(dof, 0, self.options.n_points), 0, [name])
        for encoding in [*self.main("functions"), *self.controls("functions")[:1]]:
            if not encoding.reads:
                continue

            def run(encoding: Encoding = encoding) -> Mapping[str, Any]:
                return {**plane(encoder(problem.inputs, encoding)), "y": np.round(problem.y, 6).tolist()}

            yield Cell({**self._base("projection", encoding), "problem": problem.key}, run)


def _without_mlp(heads: Sequence[str]) -> tuple[str, ...]:
    """The heads that take little time."""
    return tuple(head for head in heads if head != "mlp")


def _unlabeled(X: np.ndarray[Any, Any]) -> Inputs:
    table = pa.table({f"x{i}": X[:, i] for i in range(X.shape[1])})
    rows = np.arange(len(X))
    return Inputs("functions", table, rows, rows[:0], rows)
