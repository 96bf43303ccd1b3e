"""What is trained, in which order, how fast: the stages of training as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from frostline._optional import require
from frostline.errors import UserError, nearest

__all__ = ["LOW_RANK", "STAGES", "AdaptOptions", "Stage"]

LOW_RANK = "training language models by low-rank matrices (tune='lora')"
"""What needs peft, for messages."""


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Parameters
    ----------
    name : str
        For progress and reports.
    adapter, llm : bool
        Whether each is trained.
    adapter_as_llm : bool, default=False
        Whether the adapter goes on at the language model's pace: in stage 2, where it has its place already.
    """

    name: str
    adapter: bool
    llm: bool
    adapter_as_llm: bool = False


_FIRST = Stage("stage 1: adapter", adapter=True, llm=False)
_SECOND = Stage("stage 2: adapter and language model", adapter=True, llm=True, adapter_as_llm=True)

STAGES: dict[str, tuple[Stage, ...]] = {
    "1": (_FIRST,),
    "1+2": (_FIRST, _SECOND),
    "2": (_SECOND,),
    "reversed": (
        Stage("first: language model", adapter=False, llm=True),
        Stage("then: adapter", adapter=True, llm=False),
    ),
    "joint": (Stage("joint: adapter and language model", adapter=True, llm=True),),
}
"""By the name that ``stages=`` takes. The paper's training is ``"1+2"``; the others are for comparison, but for ``"1"``."""


NEW_RATE, OWN_RATE = 1e-3, 5e-5
"""Learning rates of an adapter that is new to its space, from random weights or not, and of one that goes on in it."""


@dataclass(frozen=True)
class AdaptOptions:
    """How an explainer is trained.

    Parameters
    ----------
    stages : {"1", "1+2", "2", "reversed", "joint"}, default="1"
        ``1``: the adapter alone; ``1+2``: then the language model too, as in the paper; ``2``: that second stage alone;
        ``reversed``: the language model first; ``joint``: both at once, each at its own pace.
    tune : {"lora", "full"}, default="lora"
        How the language model is trained where it is.
    lora_rank : int, default=16
    epochs : int, default=20
        Passes over the examples in each stage, at most.
    max_steps : int or None, default=None
        Steps in each stage, at most; 0 = leave a warm start as it is, and score it.
    batch_tokens : int, default=4096
        Padded size of a batch.
    accumulate : int, default=1
        Batches a step.
    lr : float or None, default=None
        Of the adapter; None = 1e-3, or 5e-5 where all adapters go on in the spaces that they were trained for.
    lr_llm : float, default=2e-4
        Of the language model; with ``tune="full"`` a fourth of it.
    weight_decay : float, default=0.01
    warmup : int, default=50
        Steps until the full rate is reached; from there it falls to a tenth along a cosine.
    clip : float, default=1.0
        Largest length of a gradient.
    patience : int, default=3
        Evaluations without a better one before a stage ends.
    evaluations : int, default=1
        Evaluations an epoch.
    select : {"auto", "loss", "consistency"}, default="auto"
        By what the best state is chosen, on held-out ids. ``"auto"`` = by consistency where all adapters go on in their own
        spaces: there the loss falls further while texts become worse; else by loss.
    precision : {"float32", "bfloat16"}, default="float32"
        Of the language model's arithmetic.
    gradient_checkpointing : bool, default=False
        Compute hidden states twice instead of keeping them.
    max_target_tokens : int, default=128
        Longer targets are cut, and counted.
    save_seconds : float, default=60.0
        Between two checkpoints.
    """

    stages: str = "1"
    tune: str = "lora"
    lora_rank: int = 16
    epochs: int = 20
    max_steps: int | None = None
    batch_tokens: int = 4096
    accumulate: int = 1
    lr: float | None = None
    lr_llm: float = 2e-4
    weight_decay: float = 0.01
    warmup: int = 50
    clip: float = 1.0
    patience: int = 3
    evaluations: int = 1
    select: str = "auto"
    precision: str = "float32"
    gradient_checkpointing: bool = False
    max_target_tokens: int = 128
    save_seconds: float = 60.0

    def checked(self) -> AdaptOptions:
        """Return these options where they can be used.

        Raises
        ------
        UserError
        MissingExtraError
            Low-rank training needs peft.
        """
        for name, allowed in (
            ("stages", tuple(STAGES)),
            ("tune", ("lora", "full")),
            ("select", ("auto", "loss", "consistency")),
            ("precision", ("float32", "bfloat16")),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise UserError(
                    f"Unknown {name} {value!r}. Allowed: {', '.join(allowed)}.",
                    hint=nearest(str(value), allowed) or None,
                )
        for name in ("epochs", "batch_tokens", "accumulate", "patience", "evaluations", "lora_rank"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}.")
        if self.max_steps is not None and self.max_steps < 0:
            raise UserError(f"max_steps must be 0 or more, or None, got {self.max_steps}.")
        if self.max_steps == 0 and self.trains_llm:
            raise UserError(f"max_steps=0 trains nothing, and stages={self.stages!r} is to train the language model.")
        if self.max_target_tokens < 2:
            raise UserError(f"max_target_tokens must be 2 or more, got {self.max_target_tokens}.")
        if self.lr is not None and not 0 < self.lr < float("inf"):
            raise UserError(f"lr must be a positive number, got {self.lr}.")
        if self.trains_llm and self.tune == "lora":
            require("peft", extra="lora", needed_for=LOW_RANK)
        return self

    def after(self, *, same_space: bool) -> AdaptOptions:
        """These options with what they leave open; `same_space`: all adapters go on where they were trained."""
        chosen = ("consistency" if same_space else "loss") if self.select == "auto" else self.select
        return replace(self, select=chosen, lr=(OWN_RATE if same_space else NEW_RATE) if self.lr is None else self.lr)

    @property
    def plan(self) -> tuple[Stage, ...]:
        """The stages in their order."""
        return STAGES[self.stages]

    @property
    def trains_llm(self) -> bool:
        """Whether any stage changes the language model."""
        return any(stage.llm for stage in self.plan)

    def rates(self, stage: Stage) -> dict[str, float]:
        """Learning rates of ``adapter`` and ``llm`` in a stage, of what is trained there."""
        llm = self.lr_llm / (4 if self.tune == "full" else 1)
        own = NEW_RATE if self.lr is None else self.lr
        rates = {"adapter": llm if stage.adapter_as_llm else own} if stage.adapter else {}
        return rates | ({"llm": llm} if stage.llm else {})
