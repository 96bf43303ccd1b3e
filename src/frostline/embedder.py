"""TextEmbedder: table rendering, backbone, pooling, fusion and store as one scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from frostline._progress import check_progress
from frostline.backbones import check_pooling, resolve, resolve_layers, service_taps
from frostline.backbones.written import Written, is_several, read_backbones
from frostline.contracts import PADDED_MEAN, Backbone, BackboneSpec, Layer, Recipe, Tap
from frostline.errors import UserError, nearest
from frostline.extraction import Extractor
from frostline.features import Features, one_width
from frostline.joint import JointExtractor
from frostline.numerics.fusion import check_fusion
from frostline.rendering import Rendered
from frostline.store import Store
from frostline.tables import conform, pick_columns, render_rows, to_rows, type_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextEmbedder", "layers_of", "read_input", "remember_columns"]


class TextEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn strings or table rows into fused hidden states of a frozen language model.

    Parameters
    ----------
    backbone : str, mapping, or list of these, default="minilm"
        ``"minilm"``, a local model folder, a hub name ``"org/name"``, or an embeddings service ``"api:MODEL"``.
        ``"random:NAME"`` and ``"random:NAME#3"`` take an architecture with random weights of seed 0 and 3,
        ``"vocabulary:NAME"`` its token embeddings alone. Of several backbones each may have layers, pooling and window
        of its own: ``["minilm::layers=4,5,final", {"backbone": "org/name", "pooling": "max", "max_length": 128}]``.
    layers : int, str or list, default="final"
        ``0`` = token embeddings; ``L`` in 1..n = residual stream after block L; ``"final"`` = after the final norm;
        negative counts from n; ``"all"`` = 0..n-1 and ``"final"``.
    pooling : str, default="recipe"
        ``"recipe"`` = what the model's own configuration says, with its default prompt; ``"recipe:NAME"`` = with its
        prompt NAME, such as ``"recipe:passage"``; else ``"mean"``, ``"max"``, ``"first_token"``, ``"last_token"``,
        ``"weighted_mean"``, or ``"padded_mean"``, which averages over the padding to `max_length` as well.
    fusion : {"concat", "mean", "max"}, default="concat"
        How several layers, and several backbones, become one vector; mean and max need backbones of one width.
    template : str, default=None
        How a row becomes a string: ``"{title}: {text}"``, ``"json"``, or None = the text itself where there is one
        column and JSON with names where there are several.
    max_length : int, default=None
        Window in tokens; None = the model's own.
    overflow : {"truncate", "chunk", "error"}, default="truncate"
        What happens to longer texts: cut and counted, read in several windows, or refused.
    precision : str, default="exact"
        ``"exact"`` (fp32), ``"fast"``, ``"bfloat16"``, ``"float16"`` or ``"int8"``.
    device : str, default="auto"
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"balanced"`` = spread over all GPUs and the main memory.
    store : str, path or None, default="default"
        Folder of the feature store; None = none.
    progress : "auto" or bool, default="auto"
        Whether a bar is shown on stderr.
    number_format : str, default="plain"
        How numbers are written: ``"plain"``, ``"rounded(k)"``, ``"scientific"``, ``"digits"``.
    trust_remote_code : str, default=None
        Name of the backbone, where it brings Python code that may run; nothing else allows it.

    Attributes
    ----------
    layers_ : list, or dict of str to list
        The layers taken, explicit; of several backbones those of each.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of str
        Their names, where the input has names.

    Examples
    --------
    >>> from frostline import TextEmbedder
    >>> TextEmbedder(layers=[3, "final"]).fit_transform(["a fine film", "a dull one"]).shape  # doctest: +SKIP
    (2, 768)
    """

    def __init__(
        self,
        backbone: Any = "minilm",
        *,
        layers: Any = "final",
        pooling: str = "recipe",
        fusion: str = "concat",
        template: str | None = None,
        max_length: int | None = None,
        overflow: str = "truncate",
        precision: str = "exact",
        device: str = "auto",
        store: Any = "default",
        progress: Any = "auto",
        number_format: str = "plain",
        trust_remote_code: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.layers = layers
        self.pooling = pooling
        self.fusion = fusion
        self.template = template
        self.max_length = max_length
        self.overflow = overflow
        self.precision = precision
        self.device = device
        self.store = store
        self.progress = progress
        self.number_format = number_format
        self.trust_remote_code = trust_remote_code

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check every parameter and remember the input's columns; nothing is trained and nothing runs.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)
        y : ignored

        Returns
        -------
        self
        """
        for learnt in ("n_features_in_", "feature_names_in_", "input_types_"):
            self.__dict__.pop(learnt, None)  # of an earlier fit
        remember_columns(self, self.render(X).table, X)
        self._learn()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed and fuse.

        Parameters
        ----------
        X : strings, frame, or rows of shape (n_samples, n_columns)

        Returns
        -------
        float32 array of shape (n_samples, n_features)
        """
        return self.fuse(self.features(X))

    def embed_layers(self, X: Any) -> NDArray[np.float32]:
        """Embed without fusion; shape (n_samples, n_layers, D)."""
        return self.features(X).vectors

    def features(self, X: Any) -> Features:
        """Embed and say what was done: vectors of each layer, digests, truncation, counts."""
        return self.render(X).through(self.extractor())

    def fuse(self, features: Features) -> NDArray[np.float32]:
        """Join the layers of `features` into shape (n_samples, n_features)."""
        check_fusion(self.fusion)
        return features.fused(features.taps, self.fusion)

    def render(self, X: Any) -> Rendered:
        """Turn rows into the strings that the backbone reads."""
        return read_input(self, X, self.template, self.number_format)

    def written(self) -> list[Written]:
        """Each backbone with its layers, pooling and window: its own, else those that hold for all."""
        return [
            replace(
                one,
                layers=self.layers if one.layers is None else one.layers,
                pooling=self.pooling if one.pooling is None else one.pooling,
                max_length=self.max_length if one.max_length is None else one.max_length,
            )
            for one in read_backbones(self.backbone)
        ]

    def extractor(self, taps: Sequence[Tap] | None = None) -> Extractor | JointExtractor:
        """The backbones, their taps and the store, ready to run; every parameter is checked here.

        Parameters
        ----------
        taps : sequence of Tap, optional
            Others than those of `layers` and `pooling`; a backbone that none of them names is left out.
        """
        check_fusion(self.fusion)
        check_progress(self.progress)
        store = None if self.store is None else Store(self.store)
        parts = []
        for one in self.written():
            backbone, own, prompt = self._taps(one)
            if taps is not None:
                own = [tap for tap in taps if tap.backbone in ("", one.name)]
            if own:
                parts.append(
                    Extractor(
                        backbone, own, max_length=one.max_length, overflow=self.overflow, prompt=prompt, store=store,
                        progress=self.progress,
                    )
                )  # fmt: skip
        if len(parts) == 1:
            return parts[0]
        joint = JointExtractor(parts)
        if self.fusion != "concat":
            one_width(joint.taps, [width for part in parts for width in part.widths], f"fusion {self.fusion!r}")
        return joint

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names such as ``layer3_17``; with mean or max fusion ``fused_17``.

        Parameters
        ----------
        input_features : ignored
        """
        parts = self.extractor().parts
        blocks = [(tap, part.backbone.dim) for part in parts for tap in part.taps]
        named = [(f"{tap.backbone}_" * (len(parts) > 1) + f"layer{tap.layer}", dim) for tap, dim in blocks]
        if self.fusion != "concat":
            named = [("fused", blocks[0][1])]
        return np.array([f"{name}_{i}" for name, dim in named for i in range(dim)], dtype=object)

    def _learn(self) -> None:
        self.layers_ = layers_of(self.extractor().taps)

    def _taps(self, one: Written) -> tuple[Backbone, list[Tap], str]:
        """A backbone, what to take from it, and the prompt to put before every text."""
        pooling, name = str(one.pooling), one.name if is_several(self.backbone) else ""
        by_recipe, _, prompt_name = pooling.partition(":")
        if by_recipe != "recipe":
            check_pooling(pooling)
        backbone = resolve(BackboneSpec(one.name, self.precision, self.device, self.trust_remote_code))
        layers = resolve_layers(one.layers, backbone.n_layers, f"backbone {one.name!r}")
        if pooling == PADDED_MEAN and self.overflow == "chunk":
            raise UserError("pooling='padded_mean' reads one window of each text, overflow='chunk' several.")
        if backbone.service is not None:
            return backbone, [replace(tap, backbone=name) for tap in service_taps(backbone, pooling, layers)], ""
        if by_recipe != "recipe":
            how = f"{pooling}:{one.max_length or backbone.max_length}" if pooling == PADDED_MEAN else pooling
            return backbone, [Tap(layer, how, backbone=name) for layer in layers], ""
        recipe = backbone.recipe
        taps = [Tap(layer, recipe.pooling, recipe.normalize, name) for layer in layers]
        return backbone, taps, _prompt(recipe, prompt_name) if ":" in pooling else recipe.prompt

    def __sklearn_tags__(self) -> Tags:
        tags = text_tags(super().__sklearn_tags__(), requires_fit=False)
        tags.transformer_tags.preserves_dtype = []  # vectors are float32, whatever the columns were
        return tags


def layers_of(taps: Sequence[Tap]) -> list[Layer] | dict[str, list[Layer]]:
    """The layers of taps; of several backbones those of each, by its name."""
    names = dict.fromkeys(tap.backbone for tap in taps)
    if len(names) <= 1:
        return [tap.layer for tap in taps]
    return {name: [tap.layer for tap in taps if tap.backbone == name] for name in names}


def _prompt(recipe: Recipe, name: str) -> str:
    if name not in recipe.prompts:
        raise UserError(
            f"pooling='recipe:{name}' asks for a prompt that the model does not have. Its prompts: "
            f"{', '.join(map(repr, recipe.prompts)) or 'none'}.",
            hint=nearest(name, recipe.prompts) or "pooling='recipe' takes the default prompt",
        )
    return recipe.prompts[name]


def text_tags(tags: Tags, *, requires_fit: bool = True) -> Tags:
    """Tell scikit-learn what is accepted: strings, categories, missing values; numbers are read as text."""
    tags.input_tags.string = True
    tags.input_tags.categorical = True
    tags.input_tags.allow_nan = True
    tags.requires_fit = requires_fit
    return tags


def remember_columns(estimator: Any, table: pa.Table, X: Any) -> None:
    """Set scikit-learn's `n_features_in_` and, for named input, `feature_names_in_`; and the type of each column."""
    estimator.n_features_in_ = table.num_columns
    estimator.input_types_ = [type_name(field) for field in table.schema]
    if _is_named(X):
        estimator.feature_names_in_ = np.array(table.column_names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _is_named(X: Any) -> bool:
    """Whether columns have names of their own, by which they are found; keys of dicts come in any order."""
    is_frame = hasattr(X, "columns") or hasattr(X, "column_names")
    return is_frame or (isinstance(X, list | tuple) and any(isinstance(row, Mapping) for row in X))


def read_input(estimator: Any, X: Any, template: str | None, number_format: str) -> Rendered:
    """Turn what a user passes into rows and strings, in the columns that `estimator` was fitted on.

    Raises
    ------
    UserError
        Columns are missing, or their number differs from that of the fit.
    """
    table = to_rows(X)
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        by_order = table.num_columns == 1 or table.column_names == [f"x{j}" for j in range(table.num_columns)]
        if set(names) <= set(table.column_names) or _is_named(X) or not by_order:
            table = pick_columns(table, list(names))
    expected = getattr(estimator, "n_features_in_", table.num_columns)
    if table.num_columns != expected:
        raise UserError(
            f"X has {table.num_columns} features, but {type(estimator).__name__} is expecting {expected} features as input.",
            hint="pass the same columns as in fit, in the same order",
        )
    if names is not None:
        table = table.rename_columns(list(names))  # rows without names: by their order
    table = conform(table, getattr(estimator, "input_types_", None))
    texts = render_rows(table, template=template, number_format=number_format)
    return Rendered(table, texts, template, number_format)
