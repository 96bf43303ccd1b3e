"""ELM by composition: a language model and one adapter for each space of vectors.

The input is built from the model's own embedding module and from the adapters' soft tokens, and given to the model as
``inputs_embeds``. Letters: B prompts, T tokens, W width of the language model, D of a space, S soft tokens.

References
----------
Tennenholtz et al., 2023, arXiv 2310.04475, section 3: M_ELM = ((E_0 x E_A)^H, M_0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from frostline.elm.adapter import Adapter
from frostline.elm.decoding import Decoding, Guided, OwnDraws
from frostline.elm.llm import Llm
from frostline.elm.prompts import EncodedPrompt
from frostline.errors import UserError

__all__ = ["IGNORED", "Batch", "ElmModel", "Placed", "check_window", "collate"]

IGNORED = -100
"""Label of a position that is not learnt: prompt and padding."""

GENERATION_ROWS = 64
"""Prompts that are answered at once."""


@dataclass(frozen=True)
class Placed:
    """A prompt with its vectors, and in training the answer.

    Attributes
    ----------
    prompt : EncodedPrompt
    vectors : tuple of arrays of shape (D,)
        One for each place.
    target : tuple of int
        Token ids of the answer, its end included.
    """

    prompt: EncodedPrompt
    vectors: tuple[NDArray[np.floating], ...]
    target: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.prompt.ids) + len(self.target)


@dataclass(frozen=True)
class Batch:
    """Prompts side by side.

    Attributes
    ----------
    ids, mask : int tensors of shape (B, T)
    labels : int tensor of shape (B, T)
        :data:`IGNORED` where nothing is learnt.
    places : dict of space to (rows, starts, vectors)
        Where soft tokens go, tensors of shape (m,), (m,) and (m, D).
    first : int
        The first position that predicts a target token in any row.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    places: dict[str, tuple[Tensor, Tensor, Tensor]]
    first: int


def collate(items: Sequence[Placed], *, left: bool, pad: int, device: Any = "cpu") -> Batch:
    """Put prompts of unequal length side by side.

    Training pads on the right: attention is causal, so padding changes nothing before it and no mask is needed.
    Generation pads on the left, under a mask.
    """
    length = max(item.length for item in items)
    ids = np.full((len(items), length), pad, dtype=np.int64)
    labels = np.full_like(ids, IGNORED)
    mask = np.zeros_like(ids)
    found: dict[str, list[tuple[int, int, NDArray[Any]]]] = {}
    for row, item in enumerate(items):
        start = length - item.length if left else 0
        n_prompt = len(item.prompt.ids)
        ids[row, start : start + item.length] = [*item.prompt.ids, *item.target]
        labels[row, start + n_prompt : start + item.length] = item.target
        mask[row, start : start + item.length] = 1
        for space, at, vector in zip(item.prompt.spaces, item.prompt.starts, item.vectors, strict=True):
            found.setdefault(space, []).append((row, start + at, vector))
    places = {
        space: (
            torch.tensor([row for row, _, _ in slots], device=device),
            torch.tensor([at for _, at, _ in slots], device=device),
            torch.tensor(np.stack([vector for _, _, vector in slots]), dtype=torch.float32, device=device),
        )
        for space, slots in found.items()
    }
    first = min(len(item.prompt.ids) for item in items) - 1

    def tensor(array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(device)

    return Batch(tensor(ids), tensor(mask), tensor(labels), places, first)


def check_window(prompt: EncodedPrompt, n_more: int, llm: Llm) -> None:
    """Refuse a prompt that leaves no room for its answer.

    Raises
    ------
    UserError
    """
    if llm.window is not None and len(prompt.ids) + n_more > llm.window:
        raise UserError(
            f"The prompt has {len(prompt.ids)} tokens and its answer up to {n_more}; {llm.name!r} reads at most {llm.window}.",
            hint="shorten the prompt, or allow fewer new tokens",
        )


class ElmModel(nn.Module):
    """The language model and its adapters.

    Parameters
    ----------
    llm : Llm
    adapters : mapping of space to Adapter
    """

    def __init__(self, llm: Llm, adapters: Mapping[str, Adapter]) -> None:
        super().__init__()
        self.llm = llm
        self.lm = llm.model
        self.adapters = nn.ModuleDict({_key(space): adapter for space, adapter in adapters.items()})
        self.to(self.lm.device)

    def adapter(self, space: str) -> Adapter:
        """The adapter of a space."""
        found: Adapter = self.adapters[_key(space)]  # type: ignore[assignment]
        return found

    @property
    def pad(self) -> int:
        """Token id of padding; any will do, since it is masked."""
        found = self.llm.tokenizer.pad_token_id
        return int(self.llm.tokenizer.eos_token_id if found is None else found)

    def embed(self, batch: Batch) -> Tensor:
        """Embedded tokens with soft tokens in their places, (B, T, W)."""
        embedded: Tensor = self.lm.get_input_embeddings()(batch.ids)
        for space, (rows, starts, vectors) in batch.places.items():
            soft = self.adapter(space)(vectors)
            columns = starts[:, None] + torch.arange(soft.shape[1], device=starts.device)
            embedded = embedded.index_put((rows[:, None], columns), soft.to(embedded.dtype))
        return embedded

    def loss(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropies of all target tokens, in nats; the prompt is not learnt.

        Only positions that predict a target pass the vocabulary's matrix.
        """
        kept = batch.ids.shape[1] - batch.first
        logits = self.lm(inputs_embeds=self.embed(batch), logits_to_keep=kept, use_cache=False).logits
        labels = batch.labels[:, batch.first + 1 :]
        learnt = labels != IGNORED
        return nn.functional.cross_entropy(logits[:, :-1][learnt].float(), labels[learnt], reduction="sum")

    @torch.inference_mode()
    def token_losses(self, items: Sequence[Placed]) -> NDArray[np.float64]:
        """Cross-entropy of each item's target, in nats a token, shape (n,)."""
        losses = [self.loss(collate([item], left=False, pad=self.pad, device=self.lm.device)) for item in items]
        return np.array([float(loss) / len(item.target) for loss, item in zip(losses, items, strict=True)])

    @torch.inference_mode()
    def generate(self, items: Sequence[Placed], decoding: Decoding, seeds: Sequence[int] | None = None) -> list[str]:
        """Answer prompts.

        Parameters
        ----------
        items : sequence of Placed
        decoding : Decoding
        seeds : sequence of int, optional
            One for each prompt, where `decoding` draws.

        Returns
        -------
        list of str
            In the order given.
        """
        items = [replace(item, target=()) for item in items]
        order = sorted(range(len(items)), key=lambda i: items[i].length)
        texts = [""] * len(items)
        for start in range(0, len(order), GENERATION_ROWS):
            chosen = order[start : start + GENERATION_ROWS]
            own = None if seeds is None else [seeds[i] for i in chosen]
            for i, ids in zip(chosen, self._generate([items[i] for i in chosen], decoding, own), strict=True):
                texts[i] = self.llm.tokenizer.decode(ids, skip_special_tokens=True).strip()
        return texts

    def _generate(self, items: Sequence[Placed], decoding: Decoding, seeds: Sequence[int] | None) -> list[list[int]]:
        for item in items:
            check_window(item.prompt, decoding.max_new_tokens, self.llm)
        rules: list[transformers.LogitsProcessor] = []
        n = len(items)
        # First, so that guidance chooses among what is left. Among written tokens: the prompt is given as embeddings.
        if decoding.no_repeat_ngram:
            rules.append(transformers.NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram))
        if decoding.guidance and any(item.vectors for item in items):
            rules.append(Guided(decoding.guidance, decoding.opening or 0))
            items = [*items, *map(self._at_mean, items)]
            seeds = None if seeds is None else [*seeds, *seeds]
        batch = collate(items, left=True, pad=self.pad, device=self.lm.device)
        if seeds is not None and decoding.temperature is not None:
            rules.append(OwnDraws(decoding, seeds))
        out = self.lm.generate(
            inputs_embeds=self.embed(batch),
            attention_mask=batch.mask,
            generation_config=transformers.GenerationConfig(  # type: ignore[no-untyped-call]
                max_new_tokens=decoding.max_new_tokens,
                do_sample=False,
                use_cache=True,
                pad_token_id=self.pad,
                eos_token_id=sorted({int(self.llm.tokenizer.eos_token_id), *self.llm.ends}),
            ),
            logits_processor=transformers.LogitsProcessorList(rules),
        )
        return [row.tolist() for row in out[:n]]

    def _at_mean(self, item: Placed) -> Placed:
        """The same prompt about the mean vectors of its spaces."""
        means = (self.adapter(space).mean for space in item.prompt.spaces)
        return replace(item, vectors=tuple(mean.cpu().numpy() for mean in means))


def _key(space: str) -> str:
    return "space " + space.replace(".", "\u2024")  # a module's name may hold no dot, nor be that of a method
