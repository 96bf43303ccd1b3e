"""Writing HTML and SVG so that text is escaped unless it says that it is markup already."""

from __future__ import annotations

import html
import re
from typing import Any

__all__ = ["Markup", "element", "escape", "join"]

_ALONE = frozenset({"circle", "line", "link", "meta", "path", "rect"})
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is HTML or SVG already; any other string is escaped where it becomes part of an element."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Write text so that no character of it is markup; characters that no document may hold become U+FFFD."""
    return text if isinstance(text, Markup) else Markup(html.escape(_NOT_XML.sub("\ufffd", text), quote=True))


def join(*parts: str) -> Markup:
    """Put parts one after the other, escaping those that are not markup."""
    return Markup("".join(escape(part) for part in parts))


def element(tag: str, *children: str, **attributes: Any) -> Markup:
    """Write one element, well-formed as HTML and as XML.

    Parameters
    ----------
    tag : str
        Its name.
    *children : str
        Its content; strings that are not :class:`Markup` are escaped.
    **attributes : object
        Written in this order; None leaves one out, floats are rounded to hundredths, a trailing underscore is dropped
        (``class_``), other underscores become hyphens.

    Returns
    -------
    Markup
    """
    pairs = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    head = "".join(f' {name}="{escape(_attribute(value))}"' for name, value in pairs)
    return Markup(f"<{tag}{head}/>" if tag in _ALONE else f"<{tag}{head}>{join(*children)}</{tag}>")


def _attribute(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
