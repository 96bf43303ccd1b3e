"""Causal language models that write: one that runs here, or one behind an endpoint with OpenAI's wire format."""

from __future__ import annotations

from pathlib import Path

from frostline.backbones.remote import PREFIX
from frostline.errors import UserError
from frostline.lms.cache import AnswerCache
from frostline.lms.contracts import Completion, LanguageModel, OptionScore, Sampling
from frostline.lms.endpoint import EndpointModel
from frostline.lms.local import LocalModel, load_local

__all__ = [
    "AnswerCache",
    "Completion",
    "EndpointModel",
    "LanguageModel",
    "LocalModel",
    "OptionScore",
    "Sampling",
    "load_local",
    "open_lm",
]


def open_lm(
    name: str,
    *,
    precision: str = "exact",
    device: str = "auto",
    trust_remote_code: str | None = None,
    cache: str | Path | None = None,
    requests_per_minute: float | None = None,
) -> LanguageModel:
    """Open a language model by name.

    Parameters
    ----------
    name : str
        A local folder or a hub name ``org/name`` of a causal language model, ``random:NAME`` for its architecture with
        random weights, or ``api:MODEL`` or ``api:MODEL@URL`` for an endpoint.
    precision, device, trust_remote_code
        Of a local model, as for backbones.
    cache : path, optional
        Of an endpoint: a file that keeps its answers, so that nothing is asked twice. The answers stand in it as text.
    requests_per_minute : float, optional
        Of an endpoint: no more than this.

    Returns
    -------
    LanguageModel

    Raises
    ------
    UserError
        No such model, one that does not write, or settings that do not go with it.
    """
    if not isinstance(name, str) or not name.startswith(PREFIX):
        if requests_per_minute is not None:
            raise UserError(f"requests_per_minute is for an endpoint (api:MODEL), and {name!r} runs here.")
        return load_local(name, precision=precision, device=device, trust_remote_code=trust_remote_code)
    if (precision, device) != ("exact", "auto"):
        raise UserError(
            f"precision={precision!r} and device={device!r} cannot be had of an endpoint, which runs elsewhere. "
            "Allowed: 'exact' and 'auto'."
        )
    kept = None if cache is None else AnswerCache(cache)
    return EndpointModel(name, cache=kept, requests_per_minute=requests_per_minute)
