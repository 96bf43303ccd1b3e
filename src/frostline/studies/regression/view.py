"""A plan and what its cells found, side by side, for the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frostline.reports.study import Estimate, StudyTable
from frostline.studies.regression.encodings import RAW, Encoding
from frostline.studies.regression.heads import HEADS
from frostline.studies.regression.plan import Plan
from frostline.studies.regression.results import Arm, Place, Results, mean_over

__all__ = ["TITLES", "View"]

TITLES = {"mlp": "MLP", "boosting": "boosting", "ridge": "ridge", "kernel": "kernel"}


@dataclass(frozen=True)
class View:
    """What there is to show.

    Attributes
    ----------
    plan : Plan
    results : Results
    """

    plan: Plan
    results: Results

    @property
    def function_places(self) -> list[Place]:
        """Functions by their number of parameters."""
        return [("functions", dof) for dof in self.plan.options.every_dof] if self.plan.functions else []

    @property
    def table_places(self) -> list[Place]:
        """Real tables, all together."""
        return [("tables", 0)] if self.plan.tables else []

    @property
    def places(self) -> list[Place]:
        """All."""
        return self.function_places + self.table_places

    @property
    def ablated_places(self) -> list[Place]:
        """Where encodings are varied."""
        functions = [place for place in self.function_places if place[1] in self.plan.options.ablated_dofs]
        return functions + self.table_places

    def tau(self, place: Place, encoding: Encoding, head: str, share: float = 1.0) -> Estimate | None:
        """Mean Kendall tau over the problems of a place."""
        return mean_over(self.results.scores(place, encoding, head, share))

    def gain(self, place: Place, arm: Arm, other: Arm) -> dict[str, float]:
        """Kendall tau of one arm minus that of another, problem by problem."""
        return self.results.gain(place, arm, other)

    def of_first_draw(self) -> View:
        """What only the first draw has, beside the same of that draw."""
        return replace(self, results=self.results.of_first_draw())

    def arms(self, family: str) -> list[tuple[Encoding, str]]:
        """Encodings with their heads, as the plan has them."""
        usual = [(one, head) for one in (RAW, *self.plan.main(family)) for head in HEADS]
        return usual + [(one, head) for one in self.plan.controls(family) for head in self.plan.heads_on(one)]

    def grid(
        self,
        title: str,
        first: str,
        places: Sequence[Place],
        rows: Sequence[tuple[str, Callable[[Place], Any]]],
        note: str = "",
    ) -> StudyTable:
        """A column for each place, and the rows that have a figure in any."""
        found = [[name, *(cell(place) for place in places)] for name, cell in rows]
        kept = [row for row in found if any(value is not None for value in row[1:])]
        return StudyTable(title, [first, *(place_name(place) for place in places)], kept, note)


def place_name(place: Place) -> str:
    """For the head of a column."""
    return f"DOF {place[1]}" if place[0] == "functions" else "real tables"


def arm_name(arm: tuple[Encoding, str]) -> str:
    """For the first column."""
    return f"{arm[0].name} + {TITLES[arm[1]]}"
