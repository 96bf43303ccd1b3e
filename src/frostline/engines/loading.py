"""One door for every saved folder: predictors and explainers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from frostline import estimators
from frostline.artifacts import MANIFEST
from frostline.errors import ArtifactError
from frostline.estimators import TextClassifier, TextRegressor

__all__ = ["load", "target_of"]


def load(
    folder: str | Path,
    *,
    store: Any = "default",
    device: str = "auto",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> Any:
    """Load what was saved: a predictor of ``fit``, or an explainer of ``adapt``.

    Parameters
    ----------
    folder : path
        What ``save``, ``frostline fit --out`` or ``frostline adapt --out`` wrote.
    store : str, path or None, default="default"
        Feature store to use from now on.
    device : str, default="auto"
        Where the language model runs.
    progress : "auto" or bool, default="auto"
    trust_remote_code : str, default=None
        Name of the backbone, where it brings Python code that may run; of an explainer, that which reads texts back. An
        artifact never allows it by itself.

    Returns
    -------
    TextClassifier, TextRegressor or ELM

    Raises
    ------
    ArtifactError
        No artifact, not whole, edited, of another version, or of a language model that has changed.
    """
    if _kind(Path(folder).expanduser()) == "ELM":
        from frostline.elm import ELM

        return ELM.load(folder, device=device, store=store, progress=progress, trust_remote_code=trust_remote_code)
    found: TextClassifier | TextRegressor = estimators.load(
        folder, store=store, device=device, progress=progress, trust_remote_code=trust_remote_code
    )
    return found


def target_of(estimator: Any, folder: str | Path, *, hint: str) -> str | list[str]:
    """The target column of a saved predictor, or its several; `hint` says what to do where it knows none.

    Raises
    ------
    ArtifactError
        It was saved from Python.
    """
    if estimator.target_ is None:
        raise ArtifactError(f"{folder} was saved from Python and does not know its target column.", hint=hint)
    target: str | list[str] = estimator.target_
    return target


def _kind(folder: Path) -> str:
    """What a folder says it is; whatever cannot be read is left to those who say why."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("kind"))
    except (OSError, ValueError, AttributeError):
        return ""
