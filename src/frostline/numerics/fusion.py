"""From one vector per layer to one vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frostline.contracts import FUSIONS
from frostline.errors import UserError, nearest

__all__ = ["check_fusion", "fuse"]


def check_fusion(how: str) -> None:
    """Refuse what is no fusion.

    Raises
    ------
    UserError
    """
    if how not in FUSIONS:
        raise UserError(
            f"Unknown fusion {how!r}. Allowed: {', '.join(map(repr, FUSIONS))}.",
            hint=nearest(str(how), FUSIONS) or None,
        )


def fuse(vectors: NDArray[np.float32], how: str = "concat") -> NDArray[np.float32]:
    """Make one vector of each row's layer vectors.

    Parameters
    ----------
    vectors : float32 array of shape (n, L, D)
        One vector for each of L layers.
    how : {"concat", "mean", "max"}
        Put them side by side, or take the mean or the largest entry over the layers.

    Returns
    -------
    float32 array of shape (n, L * D) for ``"concat"``, else (n, D)
        For ``"concat"`` a view where `vectors` is contiguous: writing to one changes the other.

    Raises
    ------
    UserError
        Another fusion, another number of axes, or no layer.
    """
    check_fusion(how)
    if vectors.ndim != 3 or vectors.shape[1] == 0:
        raise UserError(f"Layer vectors have shape (n, L, D) with at least one layer; got {vectors.shape}.")
    if how == "concat":
        n, n_layers, dim = vectors.shape
        return vectors.reshape(n, n_layers * dim)
    fused: NDArray[np.float32] = vectors.mean(axis=1) if how == "mean" else vectors.max(axis=1)
    return fused
