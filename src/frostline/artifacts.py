"""Artifact folders: ``frostline.json``, safetensors, a card and a report. No pickle, nothing else, nothing half.

The manifest carries the sha256 of every tensor file and a digest of itself, so that a folder that was cut off or edited
is refused with the reason. A folder is written beside its place and moved there whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from frostline._drafts import drafting, put_folder
from frostline.contracts import MANIFEST, canonical_json
from frostline.errors import ArtifactError, UserError

__all__ = ["FORMAT", "MANIFEST", "check_keys", "check_place", "read_folder", "write_folder"]

FORMAT = 1
"""Version of the folder's layout; a reader refuses newer ones."""

Tensors = Mapping[str, NDArray[Any]]


def write_folder(
    folder: str | Path, manifest: Mapping[str, Any], tensors: Mapping[str, Tensors], texts: Mapping[str, str]
) -> Path:
    """Write an artifact folder whole, or not at all.

    Parameters
    ----------
    folder : path
        Made, or replaced where it is an artifact already.
    manifest : mapping
        JSON-able specification; format, file digests and its own digest are added.
    tensors : mapping of file name to arrays by name
        Written as safetensors.
    texts : mapping of file name to text
        Cards and reports.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        The place is taken by something else, or cannot be written.
    """
    folder = Path(folder).expanduser()
    check_place(folder)
    folder = folder.resolve() if folder.is_symlink() else folder  # what the link names is replaced, not the link
    blobs = {
        name: save({key: np.ascontiguousarray(array) for key, array in group.items()})
        for name, group in tensors.items()
    }
    body = {
        **manifest,
        "format": FORMAT,
        "files": {name: hashlib.sha256(blob).hexdigest() for name, blob in blobs.items()},
    }
    body["digest"] = _digest(body)
    try:
        with drafting(folder, folder=True) as fresh:
            for name, blob in blobs.items():
                (fresh / name).write_bytes(blob)
            for name, text in {**texts, MANIFEST: json.dumps(body, indent=2, ensure_ascii=False) + "\n"}.items():
                (fresh / name).write_text(text, encoding="utf-8")
            put_folder(fresh, folder)
    except OSError as error:
        raise UserError(
            f"Cannot write the folder {folder}: {error.strerror or error}.",
            hint="choose a place that exists, is writable and has space",
        ) from error
    return folder


def check_place(folder: Path) -> None:
    """Refuse to write over anything that is not an artifact, and where nothing can be written, before the work begins.

    Raises
    ------
    UserError
        A file, a folder with other content, or one that cannot be made.
    """
    if folder.name in ("", ".."):
        raise UserError(
            f"A folder is replaced whole, so {str(folder)!r}, where you may stand, cannot be written.",
            hint="name the folder from outside, such as ../model",
        )
    if folder.is_file():
        raise UserError(f"{folder} is a file; a folder is to be written there.", hint="give another --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder} exists and is not a Frostline artifact.", hint="give a new folder, or empty that one first"
        )
    ground = next(place for place in folder.absolute().parents if place.exists())
    if not ground.is_dir() or not os.access(ground, os.W_OK | os.X_OK):
        why = "no permission for the folder" if ground.is_dir() else "there is a file where a folder is needed:"
        raise UserError(f"Cannot write the folder {folder}: {why} {ground}.", hint="give another --out")


def read_folder(folder: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]]]:
    """Read an artifact folder and check every digest.

    Returns
    -------
    manifest : dict
    tensors : dict of file name to arrays by name

    Raises
    ------
    ArtifactError
        No artifact, cut off, edited, or of a newer format.
    """
    folder = Path(folder).expanduser()
    manifest = _read_manifest(folder)
    tensors = {}
    for name, digest in manifest["files"].items():
        path = folder / name
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{folder} is not whole: {name} cannot be read ({error.strerror}).",
                hint="copy the folder again, or fit again",
            ) from error
        if hashlib.sha256(blob).hexdigest() != digest:
            raise ArtifactError(
                f"{path} is cut off or was edited: its {len(blob)} bytes do not match the sha256 in {MANIFEST}.",
                hint="copy the folder again, or fit again",
            )
        try:
            tensors[name] = load(blob)
        except SafetensorError as error:
            raise ArtifactError(f"{path} is not readable as safetensors: {error}.", hint="fit again") from error
    return manifest, tensors


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise ArtifactError(
            f"{folder} {what}; an artifact is a folder with {MANIFEST}.", hint="give the --out folder of a fit"
        )
    if not path.is_file():
        inside = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
        raise ArtifactError(
            f"{folder} is not a Frostline artifact: it has no {MANIFEST} (it holds {inside}).",
            hint="give the --out folder of a fit",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kept = manifest.pop("digest")
        version = manifest["format"]
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        raise ArtifactError(
            f"{path} is cut off or was edited: {type(error).__name__}: {error}.",
            hint="copy the folder again, or fit again",
        ) from error
    if isinstance(version, int) and version > FORMAT:
        raise ArtifactError(
            f"{path} has format {version}; this Frostline reads up to {FORMAT}.", hint="pip install --upgrade frostline"
        )
    if _digest(manifest) != kept:
        raise ArtifactError(
            f"{path} was edited: its digest does not match.", hint="copy the folder again, or fit again"
        )
    return dict(manifest)


def check_keys(found: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse unknown and missing keys: a setting that nobody reads would change results silently.

    Raises
    ------
    ArtifactError
    """
    for keys, word in ((set(found) - known, "unknown"), (known - set(found), "missing")):
        if keys:
            raise ArtifactError(
                f"{where} has {word} keys: {', '.join(sorted(keys))}.",
                hint="it was written by another version; fit again",
            )


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()
