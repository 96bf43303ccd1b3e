"""``frostline doctor``: what this machine has, and what would fail."""

from __future__ import annotations

import typer

import frostline
from frostline.cli import options as o

__all__ = ["doctor"]


def doctor(
    backbone: o.Backbone = "minilm",
    device: o.Device = "auto",
    trust_remote_code: o.TrustRemoteCode = None,
    store: o.StoreDir = None,
    no_store: o.NoStore = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Check packages, processor, backbone and store."""
    found = frostline.doctor(
        backbone, store=o.store_of(store, no_store), device=device, trust_remote_code=trust_remote_code
    )
    if not quiet:
        typer.echo("  ".join(f"{name} {version}" for name, version in found["versions"].items()))
        for check in found["checks"]:
            typer.echo(f"{check['outcome']:8s} {check['name']}: {check['message']}")
    o.emit(found, as_json=json)
    if not found["ok"]:
        raise typer.Exit(2)
