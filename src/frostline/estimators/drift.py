"""Whether the backbone found now is the one of the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frostline.backbones import same_model
from frostline.contracts import Backbone
from frostline.errors import ArtifactError

__all__ = ["check_backbone", "describe_backbone"]


_MAY_DIFFER = ("canary", "fast_in")
"""A canary is compared by its nearness; what ``fast`` computes in is this processor's matter, within one promise."""


def describe_backbone(backbone: Backbone) -> dict[str, Any]:
    """The backbone's identity; of a service, whose name says nothing about its weights, the canary's vector as well."""
    if backbone.service is None:
        return dict(backbone.identity)
    # Six digits are far more than the comparison needs, and keep the artifact small.
    return {**backbone.identity, "canary": [float(f"{x:.6g}") for x in backbone.service.canary]}


def check_backbone(fitted: Mapping[str, Any], found: Mapping[str, Any], name: str) -> None:
    """Refuse a backbone other than the one of the fit.

    Raises
    ------
    ArtifactError
        Naming what differs.
    """
    differs = [key for key in fitted if key not in _MAY_DIFFER and fitted[key] != found.get(key)]
    if not differs and not same_model(fitted.get("canary", []), found.get("canary", [])):
        raise ArtifactError(
            f"The service behind {name!r} has changed its model since the fit (the canary text has another vector now), so "
            "its vectors would not suit this head.",
            hint="ask the service for the model of the fit, or fit again",
        )
    if differs:
        detail = "; ".join(
            f"{key}: {str(fitted[key])[:12]} at the fit, {str(found.get(key))[:12]} now" for key in differs
        )
        raise ArtifactError(
            f"The backbone {name!r} has drifted since the fit ({detail}), so its vectors would not suit this head.",
            hint="restore the backbone of the fit, or fit again",
        )
