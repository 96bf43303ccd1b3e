"""A causal language model of transformers that runs here: completions in batches, and the likelihood of given ones."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import transformers

from frostline.backbones.build import Blueprint, build_model, explained
from frostline.backbones.load import model_identity, window_of
from frostline.backbones.locate import locate
from frostline.backbones.modes import parse_mode
from frostline.backbones.remote_code import needs_code
from frostline.contracts import IntArray
from frostline.errors import UserError
from frostline.lms.contracts import Completion, OptionScore, Sampling
from frostline.lms.decoding import decode, forward, left_padded
from frostline.lms.sampling import check_sampling, cut_at
from frostline.lms.scoring import shared_prefix, tail_scores

__all__ = ["LocalModel", "load_local"]

BATCH_TOKENS = 8_192
"""Rows times tokens, those to be written included, of one batch."""

BATCH_ROWS = 64


def load_local(
    name: str, *, precision: str = "exact", device: str = "auto", trust_remote_code: str | None = None
) -> LocalModel:
    """Load a causal language model.

    Parameters
    ----------
    name : str
        A local folder or a hub name ``org/name``; ``random:NAME`` for its architecture with random weights.
    precision, device
        As for backbones.
    trust_remote_code : str, optional
        Name of the model whose own Python code may run.

    Returns
    -------
    LocalModel

    Raises
    ------
    UserError
        No such model, or one that cannot write.
    """
    mode = parse_mode(name)
    if mode.vocabulary:
        raise UserError(f"{name!r} is a table of token embeddings, which writes nothing.", hint=f"use {mode.name!r}")
    located = locate(
        mode.name, weights=mode.needs_weights, code=trust_remote_code == mode.name, what="language model", known=()
    )
    code = needs_code(mode.name, located.folder, trust_remote_code)
    folder = str(located.folder)
    with explained(mode.name, located.folder):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=code)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=code)
    if config.is_encoder_decoder:
        raise UserError(
            f"{name!r} is an encoder-decoder of type {config.model_type!r}; only causal language models can be used.",
            hint="use a decoder such as Llama, Qwen or GPT-2",
        )
    plan = Blueprint.checked(
        precision, device, name=mode.name, folder=located.folder, config=config, seed=mode.seed, code=code, writes=True
    )
    model = build_model(plan)
    _refuse_two_ways(name, model)
    return LocalModel(name, model, tokenizer, window=window_of(tokenizer, config), identity=model_identity(plan, mode))


def _refuse_two_ways(name: str, model: Any) -> None:
    """A model that lets a token see what comes after it cannot write; some load with a head all the same."""
    ids = torch.tensor([[1, 2], [1, 3]], device=model.device)
    with torch.inference_mode():
        first = forward(model, ids, torch.ones_like(ids), last=False)[0][:, 0]
    if (first[0] - first[1]).abs().max() > 100 * torch.finfo(first.dtype).eps * first.abs().max():
        raise UserError(
            f"{name!r} reads in both directions, so it cannot write.", hint="use a decoder such as Llama, Qwen or GPT-2"
        )


class LocalModel:
    """A :class:`frostline.lms.LanguageModel` that runs here.

    Parameters
    ----------
    name : str
    model
        A causal language model of transformers, in evaluation mode.
    tokenizer
        Its tokenizer. Where it has a chat template, a prompt is the user's turn; else it is read as it is.
    window : int
        Tokens that the model can read at all.
    identity : mapping
        See :class:`frostline.lms.LanguageModel`.
    """

    scores = True

    def __init__(self, name: str, model: Any, tokenizer: Any, *, window: int, identity: Mapping[str, Any]) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.window: int | None = window
        self.identity = identity
        ends = getattr(model.generation_config, "eos_token_id", None)
        self._ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        known = (tokenizer.pad_token_id, *sorted(self._ends), 0)
        self._pad = next(token for token in known if token is not None)
        self._first = self._pad if tokenizer.bos_token_id is None else tokenizer.bos_token_id

    def generate(self, prompts: Sequence[str], sampling: Sampling | None = None) -> list[Completion]:
        """Write after each prompt.

        With a temperature a prompt draws from a generator of its own, made from the seed and its tokens, so that it does
        not matter what else is asked in the same call; the same prompt twice in one call draws twice.

        Parameters
        ----------
        prompts : sequence of n str
        sampling : Sampling, optional

        Returns
        -------
        list of n Completion
            With an error for a prompt that leaves no room for `max_tokens` in the window: nothing is cut.

        Raises
        ------
        UserError
            Settings that cannot be used.
        """
        sampling = check_sampling(sampling)
        ids = [self.encode(prompt, sampling.system) for prompt in prompts]
        room = (self.window or math.inf) - sampling.max_tokens
        found = [Completion("", len(row), 0, False, _too_long(len(row), room)) for row in ids]
        fitting = [i for i, completion in enumerate(found) if not completion.error]
        rngs = _generators(ids, sampling.seed)
        for batch in _batches(fitting, [len(row) + sampling.max_tokens for row in ids]):
            start, mask = left_padded([ids[i] for i in batch], self._pad, self.model.device)
            written = decode(
                self.model,
                start,
                mask,
                sampling,
                ends=self._ends,
                rngs=[rngs[i] for i in batch] if sampling.temperature > 0 else None,
                stops=self._stops(sampling),
            )
            for i, tokens in zip(batch, written, strict=True):
                found[i] = self._completion(len(ids[i]), tokens, sampling)
        return found

    def score(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], system: str = ""
    ) -> list[list[OptionScore]]:
        """How likely each prompt's own options are as its continuation.

        Parameters
        ----------
        prompts : sequence of n str
        options : sequence of n sequences of str
            Put behind the prompt as they are: a space between the two belongs to the option.
        system : str, default=""
            Said before every prompt.

        Returns
        -------
        list of n lists of OptionScore

        Raises
        ------
        UserError
            Numbers that do not fit, or a prompt that with an option outgrows the window.
        """
        if len(options) != len(prompts):
            raise UserError(f"There are {len(prompts)} prompts and options of {len(options)}; allowed is one each.")
        prefixes, tails = [], []
        for prompt, own in zip(prompts, options, strict=True):
            whole = [self.encode(prompt, system, option) for option in own]
            if (longest := max(map(len, whole), default=0)) > (self.window or math.inf):
                raise UserError(
                    f"A prompt with its option has {longest} tokens, the window of {self.name!r} {self.window}."
                )
            shared = shared_prefix(self.encode(prompt, system), whole)
            prefixes.append(whole[0][:shared] if whole and shared else [self._first])
            tails.append([ids[shared:] for ids in whole])
        found: list[list[OptionScore]] = [[] for _ in prompts]
        sizes = [len(prefix) * max(1, len(own)) for prefix, own in zip(prefixes, tails, strict=True)]
        for batch in _batches(range(len(prompts)), sizes):
            scored = tail_scores(self.model, [prefixes[i] for i in batch], [tails[i] for i in batch], self._pad)
            for i, scores in zip(batch, scored, strict=True):
                found[i] = scores
        return found

    def count_tokens(self, texts: Sequence[str]) -> IntArray:
        """Tokens of each text, without any that mark its beginning or end; shape (n,)."""
        return np.array([len(self._ids(text, special=False)) for text in texts], dtype=np.int64)

    def encode(self, prompt: str, system: str = "", behind: str = "") -> list[int]:
        """Token ids of what the model reads: the prompt as the user's turn, or as it is, and what stands behind it.

        Parameters
        ----------
        prompt : str
        system : str, default=""
        behind : str, default=""
            The beginning of the answer.
        """
        if not self.tokenizer.chat_template:
            text = f"{system}\n\n{prompt}" if system else prompt
            return self._ids(text + behind, special=True) or [self._first]
        return self._ids(self._turns(prompt, system) + behind, special=False)

    def _turns(self, prompt: str, system: str) -> str:
        from jinja2.exceptions import TemplateError

        def written(*turns: tuple[str, str]) -> str:
            messages = [{"role": role, "content": content} for role, content in turns]
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

        if not system:
            return written(("user", prompt))
        try:
            return written(("system", system), ("user", prompt))
        except TemplateError:  # some models have no turn for the system
            return written(("user", f"{system}\n\n{prompt}"))

    def _ids(self, text: str, *, special: bool) -> list[int]:
        found = self.tokenizer(text, add_special_tokens=special, return_special_tokens_mask=True, verbose=False)
        ids, marks = list(found["input_ids"]), found["special_tokens_mask"]
        while (
            special and len(ids) > 1 and marks[len(ids) - 1]
        ):  # a mark of the end would end the text before it goes on
            ids.pop()
        return ids

    def _stops(self, sampling: Sampling) -> Any:
        if not sampling.stop:
            return None
        return lambda tokens: any(stop in self._text(tokens) for stop in sampling.stop)

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _completion(self, n_prompt: int, tokens: list[int], sampling: Sampling) -> Completion:
        text, stopped = cut_at(self._text(tokens), sampling.stop)
        return Completion(text, n_prompt, len(tokens), stopped or tokens[-1] in self._ends)


def _too_long(n: int, room: float) -> str:
    return "" if n <= room else f"the prompt has {n} tokens, and the window leaves {max(0, int(room))}"


def _generators(ids: Sequence[Sequence[int]], seed: int) -> list[np.random.Generator]:
    seen: Counter[bytes] = Counter()
    found = []
    for row in ids:
        digest = hashlib.blake2b(np.array(row, dtype=np.int64).tobytes(), digest_size=16).digest()
        found.append(np.random.default_rng([seed, int.from_bytes(digest), seen[digest]]))
        seen[digest] += 1
    return found


def _batches(rows: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Rows of alike size together, each batch within the limits unless one row alone exceeds them."""
    batch: list[int] = []
    for row in sorted(rows, key=lambda row: (sizes[row], row)):
        if batch and (len(batch) == BATCH_ROWS or (len(batch) + 1) * sizes[row] > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
