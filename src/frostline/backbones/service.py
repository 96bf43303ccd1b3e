"""What a backbone that runs elsewhere asks of its callers: one layer, no window of ours, and the same model as before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frostline.contracts import Backbone, FeatureSpec, FloatArray, Layer, Service, Tap, VectorStore
from frostline.errors import StoreError, UserError
from frostline.store import keys_of

__all__ = [
    "batch_limits",
    "check_canary",
    "check_service_window",
    "count_tokens",
    "same_model",
    "service_taps",
]

LEAST_COSINE = 0.999
"""Between two canaries of one model: services round differently from day to day, another model is far below."""


def batch_limits(backbone: Backbone) -> tuple[int, ...]:
    """Budget and number of texts for :func:`frostline.backbones.plan_batches`; none where the model runs here."""
    service = backbone.service
    return () if service is None else (service.request_ids, service.request_texts)


def count_tokens(backbone: Backbone, n_ids: int) -> int:
    """Tokens that `n_ids` token ids are; of a service, whose own tokens nobody else knows, an estimate."""
    service = backbone.service
    return n_ids if service is None else round(n_ids / service.ids_per_token)


def same_model(before: FloatArray, now: FloatArray) -> bool:
    """Whether two canaries, each of shape (D,), come from one model."""
    a, b = np.asarray(before, dtype=np.float64), np.asarray(now, dtype=np.float64)
    return a.shape == b.shape and bool(a @ b >= LEAST_COSINE * np.linalg.norm(a) * np.linalg.norm(b))


def check_canary(service: Service, specs: Sequence[FeatureSpec], store: VectorStore) -> None:
    """Compare the canary with the one in the store, or put it there, before vectors are added.

    Raises
    ------
    StoreError
        The vectors in the store come from another model of the same name.
    """
    key = keys_of([service.canary_ids])
    for spec in specs:
        if not store.contains(spec, key)[0]:
            store.append([spec], key, service.canary[None, None])
            continue
        stored = np.empty((1, spec.dim), dtype=np.float32)
        store.gather(spec, key, stored)
        if not same_model(stored[0], service.canary):
            raise StoreError(
                "The service's model has changed behind its name since vectors were stored: the canary text now has "
                "another vector. Nothing was mixed.",
                hint=f"use another store, or remove the old vectors: frostline store prune --address {spec.address}",
            )


def check_service_window(backbone: Backbone, max_length: int | None, overflow: str) -> None:
    """Refuse a window for a service, which counts its own tokens.

    Raises
    ------
    UserError
    """
    if backbone.service is not None and (max_length is not None or overflow != "truncate"):
        raise UserError(
            f"max_length={max_length!r} and overflow={overflow!r} cannot be had of {backbone.name!r}: the service counts its "
            "own tokens. Allowed: max_length=None, overflow='truncate'.",
            hint="leave both out; a text that is too long for the service is refused, never cut here",
        )


def service_taps(backbone: Backbone, pooling: str, layers: Sequence[Layer]) -> list[Tap]:
    """The one tap of a service, whichever name its one layer was asked by.

    Raises
    ------
    UserError
        A pooling, or several layers.
    """
    if pooling != "recipe":
        raise UserError(
            f"pooling={pooling!r} cannot be had of {backbone.name!r}: the service pools itself. Allowed: 'recipe'."
        )
    if len(layers) > 1:
        raise UserError(f"{backbone.name!r} is a service and has one layer: 0 and 'final' are the same, name one.")
    return [Tap("final", backbone.recipe.pooling, backbone.recipe.normalize)]
