"""What a user writes for ``layers=`` becomes a list of layers of one backbone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from frostline.contracts import Layer
from frostline.errors import UserError

__all__ = ["resolve_layers"]


def resolve_layers(layers: Any, n_layers: int, backbone: str = "the backbone") -> list[Layer]:
    """Turn a layer, a name or a list of them into explicit layers.

    Parameters
    ----------
    layers : int, str or list of these
        ``0`` = token embeddings; ``L`` in 1..n = residual stream after block L; ``"final"`` = after the final norm;
        negative numbers count from n (``-1`` = n); ``"all"`` = 0..n-1 and ``"final"``.
    n_layers : int
        Number of blocks n.
    backbone : str
        Name for the message.

    Returns
    -------
    list of int or "final"
        In the order given.

    Raises
    ------
    UserError
        Out of range, not a layer, named twice, or none at all.

    Examples
    --------
    >>> resolve_layers("all", 2)
    [0, 1, 'final']
    >>> resolve_layers([-1, 1], 6)
    [6, 1]
    """
    if isinstance(layers, str):
        parts: list[Any] = [part.strip() for part in layers.split(",") if part.strip()]
    elif isinstance(layers, Iterable):
        parts = list(layers)
    else:
        parts = [layers]
    found: list[Layer] = []
    for part in parts:
        found.extend([*range(n_layers), "final"] if part == "all" else [_one(part, n_layers, backbone)])
    if not found:
        raise UserError(f"No layer given. {_allowed(n_layers, backbone)}")
    if twice := {str(layer) for layer in found if found.count(layer) > 1}:
        raise UserError(
            f"Layer {', '.join(sorted(twice))} is named twice in {layers!r}.",
            hint="name each layer once; -1 is the last",
        )
    return found


def _one(part: Any, n_layers: int, backbone: str) -> Layer:
    if part == "final":
        return "final"
    try:
        number = int(part)
        exact = not isinstance(part, bool) and (isinstance(part, str) or number == part)
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise UserError(f"{part!r} is not a layer. {_allowed(n_layers, backbone)}")
    layer = number if number >= 0 else n_layers + 1 + number
    if not 0 <= layer <= n_layers:
        raise UserError(f"Layer {number} is out of range. {_allowed(n_layers, backbone)}")
    return layer


def _allowed(n_layers: int, backbone: str) -> str:
    if n_layers == 0:
        return f"{backbone} has one layer: allowed are 0 and 'final'."
    return (
        f"{backbone} has {n_layers} blocks: allowed are 0..{n_layers}, -1..-{n_layers + 1} (from the end), "
        "'final' and 'all'."
    )
