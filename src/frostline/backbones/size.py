"""How large a backbone is, read off its shapes."""

from __future__ import annotations

from frostline.backbones.transformer import TransformerBackbone, find_blocks
from frostline.backbones.vocabulary import VocabularyBackbone
from frostline.contracts import Backbone

__all__ = ["block_sizes"]


def block_sizes(backbone: Backbone) -> list[int] | None:
    """Numbers that a backbone is made of.

    Parameters
    ----------
    backbone : Backbone

    Returns
    -------
    list of n_layers + 1 int, or None
        Those outside the blocks (embeddings, a final norm), then those of each block; None where it runs elsewhere.
    """
    if isinstance(backbone, VocabularyBackbone):
        return [backbone.n_entries * backbone.dim]
    if not isinstance(backbone, TransformerBackbone):
        return None
    model = backbone.new_model(empty=True)
    blocks = [sum(p.numel() for p in block.parameters()) for block in find_blocks(model, backbone.n_layers)]
    return [sum(p.numel() for p in model.parameters()) - sum(blocks), *blocks]
