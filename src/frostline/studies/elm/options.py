"""What the ELM study covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frostline.errors import UserError, nearest

__all__ = ["ElmStudyOptions"]

_TUNES = ("full", "lora")


@dataclass(frozen=True)
class ElmStudyOptions:
    """What the study covers.

    Parameters
    ----------
    data : path, optional
        Table of rows with a text, or a folder NAME that holds NAME.parquet, .csv or .jsonl; None = the bundled films.
    id : str, optional
        Column of ids; None = ``id``, else ``movieId``.
    text : str, optional
        Column of texts; None = by its name.
    tasks : str, default="films"
        As for :meth:`frostline.ELM.fit`.
    split : str, optional
        Column that calls rows ``train``, ``valid`` and ``test``; None = the column ``split`` where there is one, else a hash.
    vectors : path, optional
        As ``frostline space`` writes them; None = MiniLM's of the texts.
    encoder : str, default="auto"
        What reads texts back, as for :meth:`frostline.ELM.fit`; without `vectors`, also what embeds the texts.
    rows : int, optional
        Of the table, drawn at random; None = all.
    llms : sequence of str
        Language models; the first is studied in depth.
    quick : bool, default=False
        Fewer rows, steps, seeds and arms.
    seeds : int, optional
        None = 3; quick 1.
    steps : int, optional
        Of each explainer, its stages together; None = 600, quick 160.
    tune : {"full", "lora"}, default="full"
        How a stage trains the language model: all of it, as the paper, or low-rank matrices.
    device : str, default="auto"
    store
        As for :class:`frostline.TextEmbedder`.
    progress : "auto" or bool, default="auto"
    """

    data: str | None = None
    id: str | None = None
    text: str | None = None
    tasks: str = "films"
    split: str | None = None
    vectors: str | None = None
    encoder: str = "auto"
    rows: int | None = None
    llms: Sequence[str] = ("starter",)
    quick: bool = False
    seeds: int | None = None
    steps: int | None = None
    tune: str = "full"
    device: str = "auto"
    store: Any = "default"
    progress: Any = "auto"

    def check(self) -> None:
        """Refuse what cannot be studied.

        Raises
        ------
        UserError
        """
        if self.seeds is not None and self.seeds < 1:
            raise UserError(f"seeds must be 1 or more, got {self.seeds}.")
        if self.steps is not None and self.steps < 2:
            raise UserError(f"steps must be 2 or more, one for each of two stages; got {self.steps}.")
        if self.rows is not None and self.rows < 1:
            raise UserError(f"rows must be 1 or more, got {self.rows}.")
        if self.tune not in _TUNES:
            raise UserError(
                f"Unknown tune {self.tune!r}. Allowed: {', '.join(_TUNES)}.", hint=nearest(self.tune, _TUNES) or None
            )
        if not self.llms:
            raise UserError("The study needs at least one language model.")
        if self.vectors is None and self.encoder in ("none", "words"):
            raise UserError(
                f"encoder={self.encoder!r} embeds nothing, and no vectors are given.", hint="give a file of vectors"
            )

    @property
    def n_seeds(self) -> int:
        """How many."""
        return self.seeds or (1 if self.quick else 3)

    @property
    def n_steps(self) -> int:
        """Of each explainer."""
        return self.steps or (160 if self.quick else 600)

    @property
    def most_rows(self) -> dict[str, int | None]:
        """Rows of each part, at most."""
        return {
            "train": 800 if self.quick else None,
            "valid": 60 if self.quick else 200,
            "test": 100 if self.quick else 300,
        }

    @property
    def pair_shares(self) -> tuple[float, ...]:
        """Training pairs, as shares of all there are."""
        return (0.06, 0.25) if self.quick else (0.02, 0.06, 0.2, 0.5)

    @property
    def soft_tokens(self) -> tuple[int, ...]:
        """Beside 4."""
        return (1,) if self.quick else (1, 2, 8, 16)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Beside ``mlp``."""
        return ("linear",) if self.quick else ("linear", "deep", "residual")
