"""The one place that says "pip install": optional packages are loaded here, inside the function that needs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from frostline.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str, needed_for: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted module name, such as ``"polars"``.
    extra : str
        Frostline's extra that brings it.
    needed_for : str
        What the caller was about to do, as a noun phrase.

    Raises
    ------
    MissingExtraError
        The package is not installed, or is broken.
    """
    name = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # compiled packages raise all three where libraries lack
        absent = isinstance(error, ModuleNotFoundError) and error.name in (name, module)
        what = "is not installed" if absent else f"cannot be imported ({type(error).__name__}: {error})"
        raise MissingExtraError(
            f"The package {name!r} {what}; it is needed for {needed_for}.",
            hint=f"pip install {'' if absent else '--upgrade --force-reinstall '}'frostline[{extra}]'",
        ) from error
