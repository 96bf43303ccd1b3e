"""Which explainers the ELM study trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from frostline.elm.warm import MINILM, space_name
from frostline.studies.cells import Cell
from frostline.studies.elm.arms import Arm, run_arm
from frostline.studies.elm.data import ElmData
from frostline.studies.elm.options import ElmStudyOptions

__all__ = ["Plan"]

_VERSION = 4
"""Of what a cell does: with another number old results are not taken."""


@dataclass(frozen=True)
class Plan:
    """All explainers.

    Attributes
    ----------
    options : ElmStudyOptions
    data : ElmData
    stamps : mapping of str to mapping
        Digests of each language model's files.
    """

    options: ElmStudyOptions
    data: ElmData
    stamps: Mapping[str, Mapping[str, str]]

    @property
    def base(self) -> Arm:
        """From which every other arm differs in one thing."""
        return Arm(self.options.llms[0])

    @property
    def n_choices(self) -> int:
        """Among how many vectors a text is to find its own: 100, or all test rows where they are fewer."""
        return min(100, len(self.data.parts["test"].ids))

    def cells(self) -> list[Cell]:
        """Seed by seed, so that a study that is killed has whole rows of its tables."""
        arms = [arm for own in self.groups().values() for arm in own]
        return [self._cell(arm, seed) for seed in range(self.options.n_seeds) for arm in dict.fromkeys(arms)]

    def groups(self) -> dict[str, list[Arm]]:
        """Arms by what is varied; the usual one stands in every group."""
        base, options, data = self.base, self.options, self.data
        n = len(data.parts["train"].ids)
        sizes = sorted({max(1, round(n * share)) for share in options.pair_shares} - {n})
        tokens = sorted({*options.soft_tokens, base.n_soft_tokens})
        found = {
            "vectors": [base, replace(base, vectors="shuffled"), replace(base, vectors="random")],
            "pairs": [*(replace(base, n_pairs=size) for size in sizes), base],
            "soft tokens": [replace(base, n_soft_tokens=number) for number in tokens],
            "adapter": [base, *(replace(base, adapter=kind) for kind in options.adapters)],
            "stages": [replace(base, stages=stages) for stages in ("1", "1+2", "joint")],
            "language model": [replace(base, llm=name) for name in options.llms],
        }
        if base.llm == "starter" and space_name(data.reader) == MINILM:
            found["start"] = [base, replace(base, cold=False)]
        return {name: arms for name, arms in found.items() if len(arms) > 1}

    def _cell(self, arm: Arm, seed: int) -> Cell:
        options = self.options
        key = {
            "study": "elm", "version": _VERSION, "data": self.data.digest, "arm": arm.key,
            "llm": dict(self.stamps[arm.llm]), "steps": options.n_steps, "tune": options.tune, "seed": seed,
        }  # fmt: skip
        return Cell(
            key,
            lambda: run_arm(arm, self.data, seed, steps=options.n_steps, tune=options.tune, device=options.device),
            options.n_steps,
        )
