"""The frame of a self-contained page, and a table in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from frostline.reports.markup import Markup, element

__all__ = ["page", "table"]


def page(title: str, lead: str, *content: str) -> str:
    """Write a page that needs no other file.

    Parameters
    ----------
    title, lead : str
        Its heading, and the sentence under it.
    *content : str
        Sections and figures.

    Returns
    -------
    str
    """
    style = Markup(files("frostline.reports").joinpath("report.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    top = element("header", element("h1", title), element("p", lead, class_="lead"))
    return f"<!DOCTYPE html>\n{element('html', head, element('body', element('main', top, *content)), lang='en')}\n"


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Write a table that scrolls sideways where it is wide."""
    top = element("thead", element("tr", *(element("th", name, scope="col") for name in header)))
    lines = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("div", element("table", element("caption", caption), top, element("tbody", *lines)), class_="scroll")
