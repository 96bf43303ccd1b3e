"""The reference path: the model's own modules, read layer by layer while they run, stopped after the deepest layer.

Hooks on the blocks see each hidden state as it passes, pool it under the mask and let it go, so that no more than one
layer's states exist at a time, and a private exception ends the pass once the deepest requested layer has been seen.
The numbers are those of ``output_hidden_states=True`` bit for bit: the same modules run on the same input.
"""

from __future__ import annotations

import bisect
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from frostline.backbones.beginning import LONG_TEXT, Ends, beginning, ends_at_space
from frostline.backbones.packed import Runner, RunnerReport, choose_runner, read_samples, time_paths
from frostline.backbones.plan import BATCH_TOKENS
from frostline.backbones.pooling import padded_window, pool
from frostline.contracts import IntArray, Layer, Recipe, Service, Tap, Tokens
from frostline.errors import UserError

__all__ = ["NUMERICS", "ReferencePath", "TransformerBackbone", "find_blocks", "pad"]

NUMERICS = 1
"""Version of everything here that decides a number; part of every stored vector's address."""


class _DeepestSeen(Exception):  # noqa: N818 - a signal, never an error that a caller sees
    """Ends a forward pass: nothing above this layer was asked for."""


def find_blocks(model: nn.Module, n_layers: int) -> nn.ModuleList:
    """Find the stack of transformer blocks of a model.

    Parameters
    ----------
    model : torch.nn.Module
        A base model of transformers, without a task head.
    n_layers : int
        What its configuration says.

    Raises
    ------
    UserError
        No list of `n_layers` distinct blocks: an architecture that shares or nests its layers.
    """
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == n_layers]
    stacks = [m for m in lists if len({id(block) for block in m}) == n_layers]
    if not stacks:
        raise UserError(
            f"Backbone class {type(model).__name__} has no plain stack of {n_layers} blocks, so its layers cannot be read.",
            hint="use a BERT-like encoder or a decoder such as GPT-2, Llama, Qwen or Gemma",
        )
    return max(stacks, key=lambda m: sum(p.numel() for p in m.parameters()))


def _max_positions(config: Any) -> int | None:
    """Longest window that the position table allows, or None where positions have no table."""
    table = getattr(config, "max_position_embeddings", None)
    if table is None or getattr(config, "rope_parameters", None) or config.model_type in ("t5", "mt5"):
        return None
    # RoBERTa's table starts behind the padding index, so its first places are never used.
    offset = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    return int(table) - offset


class _Collector:
    """Pools what passes, for one batch."""

    def __init__(self, taps: Sequence[Tap], mask: Tensor) -> None:
        self.taps = taps
        self.mask = mask
        self.pooled: dict[int, Tensor] = {}
        blocks = [tap.layer for tap in taps if tap.layer != "final"]
        self.deepest = None if len(blocks) < len(taps) else max(blocks)

    def see(self, layer: Layer, hidden: Tensor) -> None:
        """Pool `hidden` of shape (B, T, D) for every tap on `layer`."""
        for i, tap in enumerate(self.taps):
            if tap.layer == layer:
                mask = self.mask.to(hidden.device)  # blocks of a spread model lie on several devices
                self.pooled[i] = pool(hidden, mask, tap.pooling, normalize=tap.normalize)
        if layer == self.deepest:
            raise _DeepestSeen

    def result(self) -> NDArray[np.float32]:
        """Pooled vectors, shape (B, L, D)."""
        first = self.pooled[0].device
        return torch.stack([self.pooled[i].to(first) for i in range(len(self.taps))], 1).float().cpu().numpy()


def pad(
    token_ids: Sequence[IntArray], padding_id: int, length: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write token sequences as a matrix, padded on the right.

    Padding stands on the right for every model: an encoder is masked there, a decoder never looks ahead to it, and each
    text keeps the positions that it has alone. So vectors do not depend on the tokenizer's own side.

    Parameters
    ----------
    token_ids : sequence of int arrays
        B token sequences.
    padding_id : int
        Stands at padded positions.
    length : int, optional
        What they are padded to; None = the longest.

    Returns
    -------
    padded, mask : int arrays of shape (B, T)
        The tokens, and 1 where they are real.
    """
    longest = length or max(len(ids) for ids in token_ids)
    padded = np.full((len(token_ids), longest), padding_id, dtype=np.int64)
    mask = np.zeros((len(token_ids), longest), dtype=np.int64)
    for row, ids in enumerate(token_ids):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return padded, mask


def _input_device(model: nn.Module) -> torch.device:
    """Where token ids are looked up; weights on the disk have no device, and their hooks take the ids from the CPU."""
    table = model.get_input_embeddings() if isinstance(model, PreTrainedModel) else model
    device = next(table.parameters()).device
    return torch.device("cpu") if device.type == "meta" else device


class ReferencePath:
    """The model's own modules, read while they run.

    Parameters
    ----------
    model : torch.nn.Module
        A base model of transformers, in evaluation mode, on its device.
    n_layers : int
        Number of its blocks.
    padding_id : int
        Stands at padded positions; which one does not matter, they are masked.
    max_positions : int or None
        Longest window that the model can read.

    Raises
    ------
    UserError
        The model has no plain stack of blocks.
    """

    def __init__(self, model: nn.Module, n_layers: int, padding_id: int, max_positions: int | None) -> None:
        self.model = model
        self.n_layers = n_layers
        self.padding_id = padding_id
        self.max_positions = max_positions
        self.blocks = find_blocks(model, n_layers)
        self._lock = threading.Lock()  # hooks of two passes at once would see each other's states

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Run one batch through as many blocks as `taps` need.

        Parameters
        ----------
        token_ids : sequence of int arrays
            B token sequences.
        taps : sequence of Tap
            Explicit layers: 0..n or ``"final"``.

        Returns
        -------
        float32 array of shape (B, len(taps), D)
        """
        window = padded_window(taps)
        # The plan counts real tokens: texts that are padded to a whole window run in smaller parts.
        step = len(token_ids) if window is None else max(1, BATCH_TOKENS // window)
        parts = [token_ids[start : start + step] for start in range(0, len(token_ids), step)]
        return np.concatenate([self._run(part, taps, window) for part in parts])

    def _run(self, token_ids: Sequence[IntArray], taps: Sequence[Tap], window: int | None) -> NDArray[np.float32]:
        padded, mask = pad(token_ids, self.padding_id, window)
        device = _input_device(self.model)
        attention = torch.from_numpy(mask).to(device)
        collector = _Collector(taps, attention.bool())
        with self._lock, torch.inference_mode():
            handles = self._hook(collector)
            try:
                output = self.model(input_ids=torch.from_numpy(padded).to(device), attention_mask=attention)
                collector.see("final", output.last_hidden_state)
            except _DeepestSeen:
                pass
            finally:
                for handle in handles:
                    handle.remove()
        return collector.result()

    def _hook(self, collector: _Collector) -> list[Any]:
        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            collector.see(0, args[0] if args else kwargs["hidden_states"])

        def after(layer: int) -> Callable[..., None]:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                collector.see(layer, output if isinstance(output, Tensor) else output[0])

            return hook

        first = self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
        return [first, *(block.register_forward_hook(after(i)) for i, block in enumerate(self.blocks, start=1))]


class TransformerBackbone:
    """A base model of transformers with its tokenizer, frozen.

    Parameters
    ----------
    name : str
        As the user asked for it.
    config
        The model's configuration, as transformers reads it.
    tokenizer
        A tokenizer of transformers.
    build : callable
        Loads the model, in evaluation mode and on its device; called at the first forward pass, so that work which
        finds everything in the store never pays for the weights. With ``empty=True`` it builds the shapes alone.
    precision : str
        ``"exact"`` and ``"fast"`` run packed where that is the same and faster.
    recipe : callable
        Gives the model's pooling recipe; called when somebody asks for it, since an explicit pooling never needs it.
    max_length : int
        Default window in tokens.
    identity : mapping
        See :class:`frostline.contracts.Backbone`.
    """

    service: Service | None = None

    def __init__(
        self,
        name: str,
        config: Any,
        tokenizer: Any,
        *,
        build: Callable[..., nn.Module],
        precision: str = "exact",
        recipe: Callable[[], Recipe],
        max_length: int,
        identity: Mapping[str, Any],
    ) -> None:
        config = config.encoder if config.model_type == "t5gemma" else config.get_text_config()
        self.name = name
        self.tokenizer = tokenizer
        self.identity = identity
        self.n_layers = int(config.num_hidden_layers)
        self.dim = int(config.hidden_size)
        self.max_positions = _max_positions(config)
        self.max_length = min(max_length, self.max_positions or max_length)
        self._recipe = recipe
        self._build = build
        self._reference: ReferencePath | None = None
        self._precision = precision

    @property
    def reference(self) -> ReferencePath:
        """The reference path; the model is loaded when it is first used."""
        if self._reference is None:
            padding_id = self.tokenizer.pad_token_id or 0
            self._reference = ReferencePath(self._build(), self.n_layers, padding_id, self.max_positions)
        return self._reference

    def new_model(self, *, empty: bool = False) -> nn.Module:
        """The model once more, frozen: a copy that may be trained without harm to this one, or `empty` its shapes alone."""
        return self._build(empty=empty)

    @functools.cached_property
    def _runner(self) -> tuple[Runner, RunnerReport]:
        reference = self.reference
        weight = next(reference.model.parameters())
        spread = len(set(getattr(reference.model, "hf_device_map", {}).values())) > 1
        if self._precision not in ("exact", "fast") or weight.device.type != "cpu" or spread:
            where = "several devices" if spread else weight.device.type
            dtype = "int8" if self._precision == "int8" else str(weight.dtype).removeprefix("torch.")
            return reference, RunnerReport(
                "reference", dtype, f"precision {self._precision!r} on {where} is not packed"
            )
        # As the identity says and nowhere else: vectors of 8 bits have an address of their own.
        samples = read_samples(self.tokenize, self.max_length) if "fast_in" in self.identity else None
        runner, report = choose_runner(reference, self._precision, samples)
        if runner is not reference:
            self._reference = None  # its weights would be held twice; it is loaded again where somebody asks for it
        return runner, report

    @property
    def runner_report(self) -> RunnerReport:
        """Which path runs here, and why."""
        return self._runner[1]

    def path_times(self) -> dict[str, float]:
        """Milliseconds of ``packed`` and ``reference`` on a fixed probe; empty where nothing is packed."""
        runner, report = self._runner
        return time_paths(runner, self.reference) if report.path == "packed" else {}

    @property
    def recipe(self) -> Recipe:
        """The model's own pooling."""
        return self._recipe()

    def tokenize(self, texts: Sequence[str], max_length: int, *, windows: bool = False) -> Tokens:
        """Turn texts into token ids.

        Parameters
        ----------
        texts : sequence of str
            Prompts included.
        max_length : int
            Window in tokens, special tokens included.
        windows : bool
            Cut a long text into consecutive windows instead of keeping only the first one.

        Returns
        -------
        Tokens
            With one entry for each window; `owner` says which text it belongs to.

        Raises
        ------
        UserError
            A text without tokens.
        """
        texts = texts if windows else [self._enough_of(text, max_length) for text in texts]
        whole = self.tokenizer(list(texts), add_special_tokens=True, truncation=False, verbose=False)["input_ids"]
        n_full = np.fromiter((len(ids) for ids in whole), dtype=np.int64, count=len(whole))
        if (empty := np.flatnonzero(n_full == 0)).size:
            raise UserError(
                f"Text {empty[0]} has no tokens under the tokenizer of {self.name!r} ({len(empty)} such texts).",
                hint="drop or fill empty texts before embedding",
            )
        ids: list[NDArray[np.int32]] = []
        owner: list[int] = []
        read = np.array([(0, len(text)) for text in texts], dtype=np.int64).reshape(-1, 2)
        for i, full in enumerate(whole):
            pieces = [full]
            if len(full) > max_length:
                pieces, read[i] = self._cut(texts[i], max_length, windows)
            ids.extend(np.asarray(piece, dtype=np.int32) for piece in pieces)
            owner.extend([i] * len(pieces))
        return Tokens(ids=ids, n_full=n_full, owner=np.asarray(owner, dtype=np.intp), read=read)

    @functools.cached_property
    def _ends_at_space(self) -> Ends | None:
        return ends_at_space(self.tokenizer)

    def _enough_of(self, text: str, max_length: int) -> str:
        """The text, or as much of a huge one as holds more than a window of the same tokens."""
        if len(text) <= LONG_TEXT or self._ends_at_space is None:
            return text
        n = LONG_TEXT // 2
        while len(start := beginning(text, n, self._ends_at_space)) < len(text):
            if len(self.tokenizer(start, truncation=False, verbose=False)["input_ids"]) > max_length:
                return start
            n *= 4
        return text

    def _cut(self, text: str, max_length: int, windows: bool) -> tuple[list[list[int]], tuple[int, int]]:
        """The tokenizer's own truncation (it alone knows where special tokens belong), and the characters it kept."""
        fast = bool(self.tokenizer.is_fast)
        options = {"truncation": True, "max_length": max_length}
        cut = self.tokenizer(text, **options, return_overflowing_tokens=windows, return_offsets_mapping=fast)
        ids = cut["input_ids"]
        if windows:
            return list(ids), (0, len(text))
        if fast:
            kept = [(start, end) for start, end in cut["offset_mapping"] if start < end]
            return [ids], (kept[0][0], kept[-1][1]) if kept else (0, 0)
        # Without offsets: the shortest beginning of the text that is cut to the same tokens.
        same = lambda n: self.tokenizer(text[:n], **options)["input_ids"] == ids  # noqa: E731
        return [ids], (0, bisect.bisect_left(range(len(text)), True, key=same))

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Run one batch through as many blocks as `taps` need, on the path that was chosen at load.

        Parameters
        ----------
        token_ids : sequence of int arrays
            B token sequences.
        taps : sequence of Tap
            Explicit layers: 0..n or ``"final"``.

        Returns
        -------
        float32 array of shape (B, len(taps), D)
        """
        # Only the reference path has positions of padding to average over.
        runner = self._runner[0] if padded_window(taps) is None else self.reference
        return runner.forward(token_ids, taps)
