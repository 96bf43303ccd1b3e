"""One explainer of the study: how it is trained, and what its texts about test rows are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.elm import ELM, AdaptOptions, Decoding
from frostline.elm.evaluation import attribute_rows, evaluate_space
from frostline.elm.model import Placed
from frostline.elm.stages import STAGES
from frostline.errors import UserError
from frostline.studies.elm.data import ElmData, Part
from frostline.tables import VectorTable

__all__ = ["ROW_SCORES", "Arm", "run_arm"]

ROW_SCORES = ("loss", "loss_shuffled")
"""Beside those of :func:`frostline.elm.evaluation.evaluate_space`."""

_TARGET_TOKENS = 96
_BATCH_TOKENS = 2048
"""About the paper's 32 rows."""

_SHOWN = 3


@dataclass(frozen=True)
class Arm:
    """How an explainer is made.

    Parameters
    ----------
    llm : str
    n_soft_tokens : int
    adapter, stages : str
        As :class:`frostline.ELM` and :class:`frostline.AdaptOptions` take them.
    vectors : {"real", "shuffled", "random"}
        Each row's own; each row that of another row, while test rows keep theirs; or noise of the same mean and spread.
    n_pairs : int
        Training rows; 0 = all.
    cold : bool
        Whether a warm adapter is left aside.
    """

    llm: str
    n_soft_tokens: int = 4
    adapter: str = "mlp"
    stages: str = "1"
    vectors: str = "real"
    n_pairs: int = 0
    cold: bool = True

    @property
    def key(self) -> dict[str, Any]:
        """Plain values that decide it, but for the language model's weights."""
        return dict(vars(self))

    @property
    def name(self) -> str:
        """What differs from the usual."""
        usual = Arm(self.llm)
        odd = [_SAID[field](value) for field, value in vars(self).items() if value != getattr(usual, field)]
        return ", ".join(odd) or "as usual"


_SAID: Mapping[str, Any] = {
    "n_soft_tokens": lambda n: f"{n} soft token{'s' if n > 1 else ''}",
    "adapter": lambda kind: f"{kind} adapter",
    "stages": lambda stages: f"stages {stages}" if stages[0].isdigit() else stages,
    "vectors": lambda kind: f"{kind} vectors",
    "n_pairs": lambda n: f"{n} pairs",
    "cold": lambda _: "warm start",
}


def run_arm(arm: Arm, data: ElmData, seed: int, *, steps: int, tune: str, device: str) -> dict[str, Any]:
    """Train an explainer and judge it on test rows.

    Parameters
    ----------
    arm : Arm
    data : ElmData
    seed : int
    steps : int
        In all: each of several stages has its share.
    tune, device : str

    Returns
    -------
    dict
        ``rows``: for each score a number for each test row; ``attributes``: the same of values that texts name; ``samples``:
        the first test rows' texts and what was written; ``n_steps``, ``n_adapter`` and ``start``.
    """
    vectors = _vectors(arm.vectors, data, seed)
    train = _some(data.parts["train"], arm.n_pairs, seed)
    held = data.parts["valid"]
    ids = [*train.ids, *held.ids]
    own = VectorTable(ids, np.stack([vectors[key] for key in ids]), data.space)
    of_stage = max(1, steps // len(STAGES[arm.stages]))
    options = AdaptOptions(
        stages=arm.stages, tune=tune, max_steps=of_stage, epochs=max(20, steps), warmup=min(50, of_stage // 5),
        batch_tokens=_BATCH_TOKENS, max_target_tokens=_TARGET_TOKENS,
    )  # fmt: skip
    elm = ELM(arm.llm, n_soft_tokens=arm.n_soft_tokens, adapter=arm.adapter, seed=seed, device=device)
    # No encoder made shuffled or random vectors, and a fit refuses one that did not; texts are judged by the data's reader.
    encoder = data.encoder if arm.vectors == "real" else "words"
    elm.fit(
        own, data.rows_of(ids), data.pack, id=data.id, text=data.text, held_out=held.ids, encoder=encoder,
        cold=arm.cold, options=options, store=data.store, progress=False,
    )  # fmt: skip
    found = _judge(elm, data, np.stack([vectors[key] for key in data.parts["test"].ids]))
    size = sum(p.numel() for p in elm.explainer_.model.adapters.parameters())
    report = elm.report_
    return found | {
        "n_steps": report["log"]["n_steps"],
        "n_adapter": size,
        "start": report["start"],
        "n_train": report["n_train"],
    }


def _vectors(kind: str, data: ElmData, seed: int) -> dict[str, NDArray[np.float32]]:
    """Each row's vector, as this arm has it."""
    parts = data.parts
    if kind == "real":
        return {key: v for part in parts.values() for key, v in zip(part.ids, part.vectors, strict=True)}
    rng = np.random.default_rng([seed, 1])
    if kind == "shuffled":  # within a side, so that nothing moves from one to the other
        found = {
            key: part.vectors[i]
            for name, part in parts.items()
            for key, i in zip(part.ids, rng.permutation(len(part.ids)), strict=True)
            if name != "test"
        }
        return found | dict(zip(parts["test"].ids, parts["test"].vectors, strict=True))
    if kind != "random":
        raise UserError(f"Unknown vectors {kind!r}. Allowed: real, shuffled, random.")
    mean, spread = parts["train"].vectors.mean(axis=0), parts["train"].vectors.std(axis=0)
    return {
        key: (mean + spread * rng.standard_normal(len(mean))).astype(np.float32)
        for part in parts.values()
        for key in part.ids
    }


def _some(part: Part, n: int, seed: int) -> Part:
    """A seed's larger sample holds its smaller ones."""
    if not n or n >= len(part.ids):
        return part
    rows = np.sort(np.random.default_rng([seed, 2]).permutation(len(part.ids))[:n])
    return Part([part.ids[i] for i in rows], part.vectors[rows])


def _judge(elm: ELM, data: ElmData, given: NDArray[np.float32]) -> dict[str, Any]:
    """Score what is written from the vectors that are given, against the real ones, by one reader for all arms."""
    explainer, test = elm.explainer_, data.parts["test"]
    (space,) = explainer.spaces.values()
    prompt = elm.prompt_of()
    written = explainer.write(prompt, [(vector,) for vector in given], Decoding(max_new_tokens=_TARGET_TOKENS))
    own = [data.texts[key] for key in test.ids]
    learnt = data.targets(elm.names_, space.ids[: space.n_train])
    rows: dict[str, NDArray[Any]] = evaluate_space(
        explainer, replace(space, reader=data.reader), test.vectors, written, own, elm.names_, ids=[None] * len(own),
        targets=learnt, seed=0,
    )  # fmt: skip
    rows |= _losses(elm, data, given)
    said = {
        probe.attribute: [data.records.attribute_values(probe.attribute, key) for key in test.ids]
        for probe in space.probes
    }
    attributes = attribute_rows(space, given, written, said)
    return {
        "rows": {name: _short(values) for name, values in rows.items()},
        "attributes": {
            name: {key: _short(value) if np.ndim(value) else float(value) for key, value in found.items()}
            for name, found in attributes.items()
        },
        "samples": [list(pair) for pair in zip(own[:_SHOWN], written[:_SHOWN], strict=True)],
    }


def _losses(elm: ELM, data: ElmData, given: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Bits a byte of each test row's target, from its vector and from the next row's.

    A byte is the same for all language models, a token is not; nor do their targets end at the same word.
    """
    explainer, prompt = elm.explainer_, elm.prompt_of()
    encoded, tokenizer = explainer.encoder.prompt(prompt), explainer.model.llm.tokenizer
    targets = [
        explainer.encoder.target(text, _TARGET_TOKENS)[0] for text in data.targets(elm.names_, data.parts["test"].ids)
    ]
    n_bytes = [len(tokenizer.decode(t, skip_special_tokens=True).encode()) for t in targets]
    bits = np.array([len(t) / max(1, n) / np.log(2) for t, n in zip(targets, n_bytes, strict=True)])
    turned = np.roll(given, 1, axis=0)
    return {
        name: bits
        * explainer.model.token_losses([Placed(encoded, (v,), tuple(t)) for v, t in zip(vectors, targets, strict=True)])
        for name, vectors in zip(ROW_SCORES, (given, turned), strict=True)
    }


def _short(values: NDArray[Any]) -> list[float]:
    return [round(float(value), 5) for value in values]
