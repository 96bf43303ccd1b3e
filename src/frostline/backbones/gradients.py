"""How steeply a layer's vector depends on the token embeddings: gradients through a frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frostline.backbones.pooling import pool
from frostline.backbones.transformer import ReferencePath, TransformerBackbone, pad
from frostline.contracts import Backbone, IntArray, Layer, Tap
from frostline.errors import UserError

__all__ = ["layer_sensitivity"]


def layer_sensitivity(
    backbone: Backbone, token_ids: Sequence[IntArray], taps: Sequence[Tap], *, n_directions: int = 4, seed: int = 0
) -> NDArray[np.float64]:
    """Relative change of each layer's pooled vector for a small random relative change of the token embeddings.

    With J the Jacobian of the vector z over the embeddings h of a text's T tokens, each of width D, it is
    ||J|| ||h|| / (sqrt(T D) ||z||), norms being those of Frobenius; ||J||^2 is the mean of ||J' v||^2 over standard normal v.

    Parameters
    ----------
    backbone : Backbone
        One that runs here, as transformers' own modules; its parameters are left as they are.
    token_ids : sequence of B int arrays
    taps : sequence of L Tap
        Explicit layers: 0..n or ``"final"``.
    n_directions : int, default=4
        Draws of v.
    seed : int, default=0

    Returns
    -------
    float64 array of shape (B, L)

    Raises
    ------
    UserError
        A service, or token embeddings alone: nothing is between the tokens and the vector.
    """
    if not isinstance(backbone, TransformerBackbone) or backbone.n_layers == 0:
        raise UserError(f"The backbone {backbone.name!r} has no blocks here that gradients could pass.")
    path = backbone.reference
    padded, ones = pad(token_ids, path.padding_id)
    device = next(path.blocks[0].parameters()).device
    mask = torch.from_numpy(ones).to(device)
    states = _states(path, torch.from_numpy(padded).to(device), mask)
    first, drawn = states[0], torch.Generator().manual_seed(seed)
    real = mask.bool()
    size = (first.detach() * real[..., None]).flatten(1).norm(dim=1) / (real.sum(1) * first.shape[2]).sqrt()
    found = []
    for tap in taps:
        z = pool(states[tap.layer], real, tap.pooling, normalize=tap.normalize)
        squares = torch.zeros(len(z), device=device)
        for _ in range(n_directions):
            v = torch.randn(z.shape, generator=drawn).to(device)
            (slope,) = torch.autograd.grad((z * v).sum(), first, retain_graph=True)
            squares += slope.float().square().sum((1, 2))
        found.append((squares / n_directions).sqrt() * size / z.detach().norm(dim=1))
    return np.asarray(torch.stack(found, 1).cpu().numpy(), dtype=np.float64)


def _states(path: ReferencePath, ids: Tensor, mask: Tensor) -> dict[Layer, Tensor]:
    """Hidden states of all layers, as functions of the first."""
    states: dict[Layer, Tensor] = {}

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        states[0] = (args[0] if args else kwargs["hidden_states"]).detach().requires_grad_()
        return ((states[0], *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states[0]})

    def after(layer: int) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            states[layer] = output if isinstance(output, Tensor) else output[0]

        return hook

    handles = [path.blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
    handles += [block.register_forward_hook(after(i)) for i, block in enumerate(path.blocks, start=1)]
    try:
        with torch.enable_grad():
            states["final"] = path.model(input_ids=ids, attention_mask=mask).last_hidden_state
    finally:
        for handle in handles:
            handle.remove()
    return states
