"""What the regression study covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frostline.errors import UserError

__all__ = ["RegressionOptions"]

_QUICK_FUNCTIONS = (
    "Sphere", "Rastrigin", "LinearSlope", "AttractiveSector", "Rosenbrock", "EllipsoidRotated", "SharpRidge",
    "RastriginRotated", "Schwefel", "Gallagher101",
)  # fmt: skip


@dataclass(frozen=True)
class RegressionOptions:
    """What the study covers.

    Parameters
    ----------
    data : path, optional
        Folder of real tables with an ``index.csv``; None = the bundled examples.
    tables : sequence of str
        Which; none = all; ``"none"`` = no table.
    functions : sequence of str
        Which of the 24 BBOB functions; none = all, quick ten; ``"none"`` = no function.
    dofs : sequence of int
        Numbers of parameters; none = 5, 10, 25, 50, 100, quick 5, 25, 50.
    backbones : sequence of str
        The first is studied in depth; beside it stand random weights of its architecture and its token embeddings alone.
    quick : bool, default=False
        Fewer functions, repetitions, arms and ablations, a smaller MLP sweep: minutes instead of hours.
    seeds : int, optional
        Draws of inputs and splits; None = 3; quick 1, and 3 for real tables.
    points : int, optional
        Of each draw, and rows of a table at most; None = 500, quick 400.
    store
        As for :class:`frostline.TextEmbedder`.
    progress : "auto" or bool, default="auto"
    """

    data: str | None = None
    tables: Sequence[str] = ()
    functions: Sequence[str] = ()
    dofs: Sequence[int] = ()
    backbones: Sequence[str] = ("minilm",)
    quick: bool = False
    seeds: int | None = None
    points: int | None = None
    store: Any = "default"
    progress: Any = "auto"

    def check(self) -> None:
        """Refuse what cannot be studied.

        Raises
        ------
        UserError
        """
        if (self.seeds is not None and self.seeds < 1) or any(dof < 2 for dof in self.dofs):
            raise UserError("seeds must be 1 or more, and functions have 2 parameters or more.")
        if self.points is not None and self.points < 40:
            raise UserError(f"points must be 40 or more, for a test part that can be ranked; got {self.points}.")
        if not self.backbones:
            raise UserError("The study needs at least one backbone.")
        if not self.has_functions and not self.has_tables:
            raise UserError("Neither a function nor a table is left to study.")

    @property
    def has_functions(self) -> bool:
        """Whether functions are studied."""
        return tuple(self.functions) != ("none",)

    @property
    def has_tables(self) -> bool:
        """Whether real tables are studied."""
        return tuple(self.tables) != ("none",)

    @property
    def wanted_functions(self) -> Sequence[str]:
        """Which; none = all there are."""
        return self.functions or (_QUICK_FUNCTIONS if self.quick else ())

    @property
    def n_points(self) -> int:
        """How many."""
        return self.points or (400 if self.quick else 500)

    @property
    def every_dof(self) -> tuple[int, ...]:
        """In rising order."""
        return tuple(sorted(set(self.dofs))) or ((5, 25, 50) if self.quick else (5, 10, 25, 50, 100))

    @property
    def ablated_dofs(self) -> tuple[int, ...]:
        """At which encodings are varied one at a time, in the first draw: the lowest, and in the full study two more."""
        return self.every_dof[:1] if self.quick else self.every_dof[:3]

    @property
    def n_seeds(self) -> int:
        """Of functions."""
        return self.seeds or (1 if self.quick else 3)

    @property
    def n_splits(self) -> int:
        """Of tables."""
        return self.seeds or 3

    @property
    def control_heads(self) -> tuple[str, ...]:
        """Heads on random weights, token embeddings and projections; the MLP in the first draw, not on projections."""
        return ("ridge", "kernel") if self.quick else ("mlp", "ridge", "kernel")

    @property
    def ablation_heads(self) -> tuple[str, ...]:
        """Heads on varied encodings."""
        return ("ridge",)

    @property
    def size_heads(self) -> tuple[str, ...]:
        """Heads that learn from a share of the rows; the MLP at the lowest number of parameters."""
        return ("ridge",) if self.quick else ("mlp", "ridge")

    @property
    def shares(self) -> tuple[float, ...]:
        """Training rows, as shares of all there are."""
        return (0.1, 0.25, 0.5) if self.quick else (0.05, 0.1, 0.25, 0.5)

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats beside the usual one; the longest texts, which take most of the time, in the full study."""
        more = ("rounded(1)", "scientific", "plain")
        return more if self.quick else (*more, "digits", "rounded(0)", "rounded(4)")

    @property
    def poolings(self) -> tuple[str, ...]:
        """Poolings beside the usual one; padded positions, which must all be computed, in the full study."""
        more = ("max", "first_token", "last_token", "weighted_mean")
        return more if self.quick else (*more, "padded_mean")

    @property
    def width_factors(self) -> tuple[float, ...]:
        """Widths of random networks beside that of the first backbone."""
        return (0.25, 0.5) if self.quick else (0.25, 0.5, 2.0)
