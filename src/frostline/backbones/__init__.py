"""Frozen language models: texts to token ids, token ids to pooled hidden states of several layers in one pass."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable

from frostline.backbones.gradients import layer_sensitivity
from frostline.backbones.layers import resolve_layers
from frostline.backbones.load import PRECISIONS, load_backbone
from frostline.backbones.locate import locate
from frostline.backbones.modes import parse_mode
from frostline.backbones.plan import BATCH_TOKENS, WINDOW_ROWS, distinct_keys, plan_batches, row_windows
from frostline.backbones.pooling import check_pooling
from frostline.backbones.remote import PREFIX, RemoteBackbone, read_address
from frostline.backbones.service import (
    batch_limits,
    check_canary,
    check_service_window,
    count_tokens,
    same_model,
    service_taps,
)
from frostline.backbones.size import block_sizes
from frostline.contracts import Backbone, BackboneSpec
from frostline.errors import UserError

__all__ = [
    "BATCH_TOKENS",
    "PRECISIONS",
    "WINDOW_ROWS",
    "batch_limits",
    "block_sizes",
    "check_canary",
    "check_pooling",
    "check_service_window",
    "clear_cache",
    "count_tokens",
    "distinct_keys",
    "layer_sensitivity",
    "plan_batches",
    "resolve",
    "resolve_layers",
    "row_windows",
    "same_model",
    "service_taps",
]

_MAX_LOADED = 3
_loaded: OrderedDict[tuple[BackboneSpec, str], Backbone] = OrderedDict()
_lock = threading.Lock()


def resolve(spec: BackboneSpec) -> Backbone:
    """Find and load a backbone, or return the one that is loaded already.

    At most three stay loaded; :func:`clear_cache` lets go of them. The key is the specification together with the state
    of the model's files, so a changed folder is loaded anew; of a service, together with its URL.

    Parameters
    ----------
    spec : BackboneSpec
        Name, precision and device.

    Raises
    ------
    UserError
        The backbone does not exist, cannot be reached or cannot be read.
    """
    load: Callable[[], Backbone]
    if isinstance(spec.name, str) and spec.name.startswith(PREFIX):
        _check_remote(spec)
        state, load = read_address(spec.name).url, functools.partial(RemoteBackbone, spec.name)
    else:
        mode = parse_mode(spec.name)
        located = locate(mode.name, weights=mode.needs_weights, code=spec.trust_remote_code == mode.name)
        state, load = located.state, functools.partial(load_backbone, spec, mode, located)
    key = (spec, state)
    with _lock:
        if key not in _loaded:
            _loaded[key] = load()
        _loaded.move_to_end(key)
        while len(_loaded) > _MAX_LOADED:
            _loaded.popitem(last=False)
        return _loaded[key]


def _check_remote(spec: BackboneSpec) -> None:
    if (spec.precision, spec.device) != ("exact", "auto"):
        raise UserError(
            f"precision={spec.precision!r} and device={spec.device!r} cannot be had of a service, which runs elsewhere. "
            "Allowed: 'exact' and 'auto'."
        )


def clear_cache() -> None:
    """Let go of every loaded backbone."""
    with _lock:
        _loaded.clear()
