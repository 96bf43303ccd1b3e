"""The warm start: the adapter for MiniLM's text vectors that ships with the starter, in its own space and in any that texts name.

A space of another kind (of another encoder, of ratings) whose rows have texts begins there too: a ridge regression says where in
MiniLM's space a vector's text would lie, and is folded into the adapter's first layer. Neither is in the ELM paper, whose adapters
start from random weights.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from frostline.artifacts import check_keys, read_folder, write_folder
from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.crossfit import cross_ridge
from frostline.elm.llm import STARTER, Llm
from frostline.elm.scores import Reader
from frostline.embedder import TextEmbedder
from frostline.errors import ArtifactError

__all__ = ["MINILM", "Start", "space_name", "through_texts", "warm_adapter", "warm_folder", "write_warm"]

_KEYS = {"format", "files", "kind", "space", "llm", "adapter", "card"}

MINILM = "minilm final recipe"

FEWEST_TEXTS, MOST_TEXTS = 32, 5000
"""Training rows with a text: below the first nothing is learnt from them, beyond the second no more are embedded."""

LEAST_TOLD = 0.01
"""Of the differences between texts: what tells less of them would be stretched more than tenfold."""

_SMALLEST = 1e-9
"""Texts whose vectors differ by a smaller share of their squared length than this are one text."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Penalties for each row: columns are standardized."""


@dataclass(frozen=True)
class Start:
    """From where the training of one space's adapter begins.

    Attributes
    ----------
    adapter : Adapter or None
        None = random weights.
    said : str
        The same in words: "warm" and from where, or "cold" and why.
    same_space : bool
        Whether the adapter was trained on vectors of this very space.
    """

    adapter: Adapter | None
    said: str
    same_space: bool = False


def space_name(reader: Reader | None) -> str:
    """What a space is called whose texts are read by this encoder; empty where it has none."""
    embedder = getattr(reader, "embedder", None)
    if embedder is None or getattr(reader, "kind", "") != "encoder":
        return ""
    plain = embedder.max_length is None and embedder.fusion in ("concat", "mean")
    return f"{embedder.backbone} {embedder.layers} {embedder.pooling}" if plain else ""


def warm_folder() -> Path | None:
    """Where the installed starter keeps its adapter; None where it has none."""
    found = importlib.util.find_spec("frostline_starter")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "adapter"
    return folder if folder.is_dir() else None


def warm_adapter(llm: Llm, config: AdapterConfig, folder: Path | None) -> Start:
    """The starter's adapter where it can be gone on from, as a start in its own space.

    Parameters
    ----------
    llm : Llm
    config : AdapterConfig
        As asked for; only an adapter of this shape is taken.
    folder : Path or None
        As :func:`warm_folder` has it.

    Raises
    ------
    ArtifactError
        The adapter was trained for another starter.
    """
    if llm.name != STARTER:
        return Start(None, "cold: only the starter language model has a warm start")
    if folder is None:
        return Start(None, "cold: the installed starter brings no adapter")
    manifest, tensors = read_folder(folder)
    check_keys(manifest, _KEYS, str(folder))
    if manifest["llm"] != llm.identity:
        raise ArtifactError(f"{folder} was trained for another starter language model.", hint="install it again")
    if manifest["adapter"] != vars(config) or manifest["space"] != MINILM:
        return Start(None, f"cold: the warm adapter has another shape ({manifest['adapter']})")
    adapter = read_adapter(config, tensors["adapter.safetensors"], llm)
    return Start(adapter, "warm: from the starter's own adapter", same_space=True)


def through_texts(
    shipped: Adapter, vectors: NDArray[np.float32], texts: Sequence[str], keys: Sequence[str], embedder: TextEmbedder
) -> Start:
    """An adapter for another space: the starter's, of the vectors that MiniLM would give to the texts of these.

    Predictions are drawn to the mean by what they cannot know; they are stretched to lie as far from it as texts do, since the
    adapter has seen nothing nearer.

    Parameters
    ----------
    shipped : Adapter
        Of one hidden layer or none, so that a linear map can be folded into what it reads.
    vectors : array of shape (n, D)
        Of training rows; the adapter standardizes by them.
    texts, keys : sequences of n str
        Rows of one key are one thing, and held out together. Rows without a text are left out, and those beyond 5,000, evenly.
    embedder : TextEmbedder
        In whose space the shipped adapter reads.

    Returns
    -------
    Start
        Cold where vectors do not tell the texts of rows held out from the mean text: by three standard errors, and by at least a
        hundredth of their differences.

    Raises
    ------
    UserError
        MiniLM or the store cannot be used.
    """
    told = [i for i, text in enumerate(texts) if text.strip()]
    n_things = len({keys[i] for i in told})
    if n_things < FEWEST_TEXTS:
        return Start(None, f"cold: {n_things} different training rows have a text, a warm start takes {FEWEST_TEXTS}")
    told = [told[i] for i in np.linspace(0, len(told) - 1, min(len(told), MOST_TEXTS)).astype(int)]
    embedded = np.asarray(embedder.fit_transform([texts[i] for i in told]), dtype=np.float64)
    own_keys = [keys[i] for i in told]
    mean, scale = moments(vectors)
    standardized = (vectors[told].astype(np.float64) - mean) / scale
    fitted = cross_ridge(standardized, embedded, own_keys, [own * len(told) for own in STRENGTHS])
    center, held_out = embedded.mean(axis=0), fitted.held_out(standardized)
    apart = ((embedded - center) ** 2).sum(axis=1)
    things = np.unique(own_keys, return_inverse=True)[1]
    gains = np.bincount(things, apart - ((embedded - held_out) ** 2).sum(axis=1))
    alike = apart.sum() <= _SMALLEST * (embedded**2).sum()
    share = 0.0 if alike else float(gains.sum() / apart.sum())
    if share < LEAST_TOLD or gains.mean() <= 3 * gains.std(ddof=1) / len(gains) ** 0.5:
        return Start(None, "cold: the vectors tell nothing of their texts by a linear map, judged on rows held out")
    stretch = (apart.sum() / ((held_out - center) ** 2).sum()) ** 0.5
    weights, offset = fitted.coefficients[0][:-1] * stretch, center + stretch * (fitted.coefficients[0][-1] - center)
    said = f"through {len(told):,} texts, of whose differences the vectors tell {share:.0%} (held out)"
    return Start(_composed(shipped, mean, scale, weights, offset), f"warm: from the starter's own adapter, {said}")


def _composed(
    shipped: Adapter,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
    weights: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> Adapter:
    """The adapter that reads standardized vectors z as `shipped` reads ``z @ weights + offset``."""
    made = Adapter(shipped.config, mean, scale, width=shipped.width, norm=float(shipped.norm))
    (old, *others), (first, *rest) = ([*own.hidden, own.out] for own in (shipped, made))
    own_mean, own_scale = (value.double().numpy() for value in (shipped.mean, shipped.scale))
    reads = old.weight.detach().double().numpy() / own_scale
    with torch.no_grad():
        first.weight.copy_(torch.tensor(reads @ weights.T))
        first.bias.copy_(torch.tensor(reads @ (offset - own_mean)) + old.bias)
        for layer, other in zip(rest, others, strict=True):
            layer.load_state_dict(other.state_dict())
    return made


def read_adapter(config: AdapterConfig, arrays: Any, llm: Llm) -> Adapter:
    """Make an adapter of its arrays.

    Raises
    ------
    ArtifactError
        It was made for a language model of another width.
    """
    adapter = Adapter(config, arrays["mean"], arrays["scale"], width=llm.width, norm=float(arrays["norm"][0]))
    own = adapter.state_dict()
    if set(own) != set(arrays) or any(own[name].shape != arrays[name].shape for name in own):
        raise ArtifactError(
            f"The adapter was made for another language model: it yields {arrays['out.bias'].shape[0]} numbers, "
            f"{llm.name!r} takes {own['out.bias'].shape[0]}."
        )
    adapter.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return adapter


def write_warm(folder: Path, adapter: Adapter, llm: Llm, space: str, card: dict[str, Any]) -> Path:
    """Write an adapter for the starter's package.

    Parameters
    ----------
    folder : Path
    adapter : Adapter
    llm : Llm
    space : str
    card : dict
        How it was trained, as plain values.
    """
    manifest = {
        "kind": "elm-adapter", "space": space, "llm": llm.identity, "adapter": vars(adapter.config), "card": card,
    }  # fmt: skip
    arrays = {name: value.detach().cpu().numpy() for name, value in adapter.state_dict().items()}
    return write_folder(folder, manifest, {"adapter.safetensors": arrays}, {})
