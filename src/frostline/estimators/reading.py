"""What an estimator's embedder leaves open, what may be chosen in its place, and what it reads once that is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.base import clone

from frostline.backbones.written import is_several, read_backbones
from frostline.candidates import Candidate, candidates, together
from frostline.embedder import TextEmbedder
from frostline.features import PlainTexts
from frostline.rendering import AnyExtractor

__all__ = ["candidates_of", "settle", "whole_embedder"]


def whole_embedder(embedder: TextEmbedder) -> TextEmbedder:
    """The embedder with its defaults where a choice is left open by ``"auto"``."""
    defaults = {"layers": "final", "pooling": "recipe", "fusion": "concat"}
    is_open: dict[str, Any] = {name: value for name, value in defaults.items() if getattr(embedder, name) == "auto"}
    if is_several(embedder.backbone):
        own = [one.plain() for one in read_backbones(embedder.backbone)]
        of_each = [{k: defaults[k] if v == "auto" and k in defaults else v for k, v in one.items()} for one in own]
        is_open["backbone"] = of_each
    fixed: TextEmbedder = clone(embedder).set_params(**is_open)
    for name in ("n_features_in_", "feature_names_in_", "input_types_"):
        if hasattr(embedder, name):
            setattr(fixed, name, getattr(embedder, name))
    return fixed


def candidates_of(embedder: TextEmbedder, extractor: AnyExtractor, *, several_layers: bool) -> list[Candidate]:
    """What may be chosen where `embedder` leaves layers, pooling, fusion, or one of several backbones open."""
    if isinstance(extractor, PlainTexts):
        return []
    found = together(
        [
            candidates(part.backbone.n_layers, part.taps, one.layers, str(one.pooling), embedder.fusion)
            for part, one in zip(extractor.parts, embedder.written(), strict=True)
        ],
        embedder.fusion,
    )
    side_by_side = [c for c in found if len(c.taps) > 1 and c.fusion == "concat"]
    return side_by_side if several_layers and side_by_side else found


def settle(embedder: TextEmbedder, candidate: Candidate) -> None:
    """Let an embedder read what was chosen and nothing else; a backbone that was not chosen is forgotten."""
    if not is_several(embedder.backbone):
        embedder.set_params(layers=candidate.layers, pooling=candidate.pooling, fusion=candidate.fusion)
        return
    layers = {name: [tap.layer for tap in candidate.taps if tap.backbone == name] for name in candidate.backbones}
    kept = [replace(one, layers=layers[one.name]).plain() for one in embedder.written() if one.name in layers]
    embedder.set_params(backbone=kept, fusion=candidate.fusion)
