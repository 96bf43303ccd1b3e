"""Frozen language models: texts to token ids, token ids to pooled hidden states of several layers in one pass."""

from __future__ import annotations

import threading
from collections import OrderedDict

from frostline.backbones.layers import resolve_layers
from frostline.backbones.load import PRECISIONS, load_backbone
from frostline.backbones.locate import locate
from frostline.backbones.modes import parse_mode
from frostline.backbones.plan import BATCH_TOKENS, WINDOW_ROWS, distinct_keys, plan_batches, row_windows
from frostline.backbones.pooling import check_pooling
from frostline.contracts import Backbone, BackboneSpec

__all__ = [
    "BATCH_TOKENS",
    "PRECISIONS",
    "WINDOW_ROWS",
    "check_pooling",
    "clear_cache",
    "distinct_keys",
    "plan_batches",
    "resolve",
    "resolve_layers",
    "row_windows",
]

_MAX_LOADED = 3
_loaded: OrderedDict[tuple[BackboneSpec, str], Backbone] = OrderedDict()
_lock = threading.Lock()


def resolve(spec: BackboneSpec) -> Backbone:
    """Find and load a backbone, or return the one that is loaded already.

    At most three stay loaded; :func:`clear_cache` lets go of them. The key is the specification together with the state
    of the model's files, so a changed folder is loaded anew.

    Parameters
    ----------
    spec : BackboneSpec
        Name, precision and device.

    Raises
    ------
    UserError
        The backbone does not exist, cannot be reached or cannot be read.
    """
    mode = parse_mode(spec.name)
    located = locate(mode.name, weights=mode.needs_weights, code=spec.trust_remote_code == mode.name)
    key = (spec, located.state)
    with _lock:
        if key not in _loaded:
            _loaded[key] = load_backbone(spec, mode, located)
        _loaded.move_to_end(key)
        while len(_loaded) > _MAX_LOADED:
            _loaded.popitem(last=False)
        return _loaded[key]


def clear_cache() -> None:
    """Let go of every loaded backbone."""
    with _lock:
        _loaded.clear()
