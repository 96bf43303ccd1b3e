"""The nouns of Frostline, with no framework behind them: read this file first.

Text becomes token ids, token ids become one pooled vector per *tap* (a layer and a pooling), vectors live in a store
under an address that names everything which decides their value. Estimators, reports and faces speak only these types.

Shapes are written with single letters: ``n`` rows or texts, ``B`` texts of one batch, ``T`` tokens, ``L`` taps,
``D`` the width of the backbone, ``F`` the width after fusion.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ARTIFACT_TEXTS",
    "FUSIONS",
    "MANIFEST",
    "PADDED_MEAN",
    "POOLINGS",
    "Backbone",
    "BackboneSpec",
    "EmbedStats",
    "FeatureSpec",
    "FloatArray",
    "IntArray",
    "KeyArray",
    "Layer",
    "Recipe",
    "Service",
    "Tap",
    "Task",
    "Tokens",
    "VectorStore",
    "canonical_json",
]

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
KeyArray = NDArray[np.uint64]
"""Digests of token sequences, shape (n, 2): 128 bits as two unsigned integers."""

Layer = int | Literal["final"]
"""0 = token embeddings; L in 1..n = the residual stream after block L; ``"final"`` = after the model's final norm."""

POOLINGS = ("mean", "max", "first_token", "last_token", "weighted_mean")
"""How T hidden states become one; ``"recipe"`` stands for what the model's own configuration says."""

PADDED_MEAN = "padded_mean"
"""The mean over a whole window, padding included, as LLMEmbed's code has it; a tap says the window: ``padded_mean:256``."""

FUSIONS = ("concat", "mean", "max")
"""How L layer vectors become one."""

Task = Literal["classification", "multilabel", "regression"]

MANIFEST = "frostline.json"
"""The file that makes a folder an artifact ..."""

ARTIFACT_TEXTS = (MANIFEST, "card.md", "report.html", "report.json", "texts.json")
"""... and all that such a folder keeps beside tensors; names that no other output may take there."""


def canonical_json(value: Any) -> str:
    """Write a value as JSON that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone the user asked for, before it is found and loaded.

    Parameters
    ----------
    name : str
        ``"minilm"``, a local folder, a hub name ``org/name`` (before these ``random:`` or ``vocabulary:``), or a service
        ``api:MODEL``.
    precision : str
        ``"exact"`` (fp32), ``"fast"``, ``"int8"``, or an explicit dtype.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, ``"balanced"``.
    trust_remote_code : str or None
        Name of the one backbone whose own Python code may run.
    """

    name: str = "minilm"
    precision: str = "exact"
    device: str = "auto"
    trust_remote_code: str | None = None


@dataclass(frozen=True)
class Recipe:
    """How a model's own configuration says its text vectors are made.

    Parameters
    ----------
    pooling : str
        One of :data:`POOLINGS`, or ``"service"`` where a service pools its own way.
    normalize : bool
        Whether the pooled vector is scaled to unit length.
    prompt : str
        Text put before every input; empty for most models.
    source : str
        Where this was read, for reports: a file name, or ``"default"``.
    prompts : mapping
        Every prompt that the model knows, by name: ``pooling="recipe:NAME"`` takes another than the default one.
    """

    pooling: str = "mean"
    normalize: bool = False
    prompt: str = ""
    source: str = "default"
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tap:
    """One vector to take from a forward pass: where (layer) and how (pooling, normalization).

    Of several backbones `backbone` names the one that is meant, as the user wrote it; of a single one it is empty.
    """

    layer: Layer
    pooling: str = "mean"
    normalize: bool = False
    backbone: str = ""

    @property
    def name(self) -> str:
        """For tables: the layer, after its backbone where there are several."""
        return f"{self.backbone} {self.layer}".strip()


@dataclass(frozen=True)
class Tokens:
    """Texts as windows of token ids, special tokens included.

    Attributes
    ----------
    ids : list of w int arrays, each of shape (T_i,)
        What is fed to the model: one window a text, or several where long texts are chunked.
    n_full : int array of shape (n,)
        Tokens that each whole text has; of a text far beyond the window perhaps only those of its beginning, more than the
        window holds.
    owner : int array of shape (w,)
        Which text a window belongs to, in ascending order.
    read : int array of shape (n, 2), or None
        Of each text, the first character that the windows hold and the one after the last; None where the backbone
        cannot tell.
    """

    ids: list[NDArray[np.int32]]
    n_full: IntArray
    owner: NDArray[np.intp]
    read: IntArray | None = None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each window, shape (w,)."""
        return np.fromiter((len(i) for i in self.ids), dtype=np.int64, count=len(self.ids))


@dataclass(frozen=True)
class Service:
    """What matters to others of a backbone that runs elsewhere and is asked over a network.

    Attributes
    ----------
    canary_ids : int32 array of shape (T,)
        Token ids of a fixed text, the canary.
    canary : float32 array of shape (D,)
        Its vector when the backbone was loaded: another one means another model behind the same name.
    request_ids, request_texts : int
        Largest batch: token ids with padding, and texts.
    ids_per_token : float
        Estimate: the token ids are not the service's own, which nobody else knows.
    """

    canary_ids: NDArray[np.int32]
    canary: NDArray[np.float32]
    request_ids: int
    request_texts: int
    ids_per_token: float


@runtime_checkable
class Backbone(Protocol):
    """A frozen language model with its tokenizer: texts to token ids, token ids to pooled vectors.

    Attributes
    ----------
    name : str
        What it was asked for by.
    n_layers, dim, max_length : int
        Number of blocks, width D, default window in tokens.
    max_positions : int or None
        Longest window that the model can read at all.
    recipe : Recipe
        The model's own pooling.
    identity : mapping
        JSON-able; everything about the model that decides a vector's value (weights digest, tokenizer digest,
        precision class, version of the numerics). Two backbones with equal identity give interchangeable vectors.
    service : Service or None
        What else matters where the model runs elsewhere: there, the identity is only what it is called.
    """

    name: str
    n_layers: int
    dim: int
    max_length: int
    max_positions: int | None
    identity: Mapping[str, Any]
    service: Service | None

    @property
    def recipe(self) -> Recipe:
        """The model's own pooling."""
        ...

    def tokenize(self, texts: Sequence[str], max_length: int, *, windows: bool = False) -> Tokens:
        """Turn texts into token ids: the first `max_length` tokens, or with `windows` all, in several windows."""
        ...

    def forward(self, token_ids: Sequence[IntArray], taps: Sequence[Tap]) -> NDArray[np.float32]:
        """Run one batch through as many blocks as `taps` need; returns shape (B, len(taps), D)."""
        ...


@dataclass(frozen=True)
class FeatureSpec:
    """Everything but the tokens that decides one stored vector's value.

    Parameters
    ----------
    description : str
        Canonical JSON of the backbone's identity and the tap.
    dim : int
        Width of the vectors.
    """

    description: str
    dim: int

    @classmethod
    def of(cls, backbone: Backbone, tap: Tap) -> FeatureSpec:
        """The specification of what `backbone` yields at `tap`, whatever name it goes by there."""
        place = {name: value for name, value in asdict(tap).items() if name != "backbone"}
        return cls(canonical_json({"backbone": dict(backbone.identity), "tap": place}), backbone.dim)

    @property
    def address(self) -> str:
        """32 hexadecimal digits: the digest of the description."""
        return hashlib.blake2b(self.description.encode(), digest_size=16).hexdigest()


class VectorStore(Protocol):
    """Vectors by address: a specification and the digest of the token ids that were fed."""

    def contains(self, spec: FeatureSpec, keys: KeyArray) -> NDArray[np.bool_]:
        """Which keys are stored under `spec`, shape (n,)."""
        ...

    def gather(self, spec: FeatureSpec, keys: KeyArray, out: NDArray[np.float32]) -> None:
        """Write the vectors of `keys` into `out`, shape (n, D); a missing key raises."""
        ...

    def check_space(self, n_bytes: int) -> None:
        """Raise unless `n_bytes` more fit."""
        ...

    def append(self, specs: Sequence[FeatureSpec], keys: KeyArray, vectors: NDArray[np.float32]) -> None:
        """Commit one batch whole, or not at all: `vectors` has shape (n, len(specs), D)."""
        ...


@dataclass
class EmbedStats:
    """What one embedding job did; adds up over windows of rows.

    Attributes
    ----------
    n_rows, n_texts : int
        Rows, and distinct texts (after truncation: distinct token sequences) among them.
    n_embedded : int
        Texts that the backbone really ran on; the rest came from the store.
    n_truncated : int
        Rows of which a text did not fit the window and was cut.
    n_tokens : int
        Tokens of all distinct texts, special tokens included, as fed; of a service an estimate.
    seconds : float
        Wall-clock time.
    truncated_columns : dict of str to int
        For each input column that lost text to a cut, wholly or partly, the number of rows in which it did.
    backbones : dict of str to EmbedStats
        Of several backbones what each did. Texts that ran, tokens and seconds are then sums; rows and distinct texts are
        counted once, and a row counts as cut where any backbone cut it.
    fields : dict of str to EmbedStats
        Of text columns that are also read each on its own, what that took; texts, tokens and seconds are among the sums.
    """

    n_rows: int = 0
    n_texts: int = 0
    n_embedded: int = 0
    n_truncated: int = 0
    n_tokens: int = 0
    seconds: float = 0.0
    truncated_columns: dict[str, int] = field(default_factory=dict)
    backbones: dict[str, EmbedStats] = field(default_factory=dict)
    fields: dict[str, EmbedStats] = field(default_factory=dict)

    def add(self, other: EmbedStats) -> None:
        """Add the counts of another window or call."""
        for name in ("n_rows", "n_texts", "n_embedded", "n_truncated", "n_tokens", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for column, n in other.truncated_columns.items():
            self.truncated_columns[column] = self.truncated_columns.get(column, 0) + n
        for own, others in ((self.backbones, other.backbones), (self.fields, other.fields)):
            for name, stats in others.items():
                own.setdefault(name, EmbedStats()).add(stats)

    def with_fields(self, fields: Mapping[str, EmbedStats], n_truncated: int) -> EmbedStats:
        """These counts and those of columns read each on its own; `n_truncated` rows were cut in one way or another."""
        if not fields:
            return self
        names = ("n_texts", "n_embedded", "n_tokens", "seconds")
        sums = {name: getattr(self, name) + sum(getattr(own, name) for own in fields.values()) for name in names}
        return replace(self, **sums, n_truncated=n_truncated, fields=dict(fields))

    @classmethod
    def of_backbones(cls, backbones: Mapping[str, EmbedStats], n_truncated: int) -> EmbedStats:
        """Sum what several backbones did on the same rows, of which `n_truncated` were cut by one or another."""
        every = list(backbones.values())
        return cls(
            n_rows=every[0].n_rows,
            n_texts=max(stats.n_texts for stats in every),
            n_embedded=sum(stats.n_embedded for stats in every),
            n_truncated=n_truncated,
            n_tokens=sum(stats.n_tokens for stats in every),
            seconds=sum(stats.seconds for stats in every),
            backbones=dict(backbones),
        )
