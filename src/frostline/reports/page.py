"""What every page is made of: the document with its style, sections, figures, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from frostline.reports.markup import Markup, element

__all__ = ["document", "figure", "pairs", "section", "table"]


def document(title: str, *content: str) -> str:
    """A whole HTML document that needs nothing else, light or dark as the reader's system asks."""
    style = Markup(files("frostline.reports").joinpath("report.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )
    body = element("body", element("main", *content))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def section(title: str, *content: str) -> Markup:
    """A section with its heading."""
    return element("section", element("h2", title), *content)


def figure(chart: Markup, *caption: str) -> Markup:
    """A plot with its caption."""
    return element("figure", element("div", chart, class_="chart"), element("figcaption", *caption))


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], class_: str | None = None) -> Markup:
    """Write a table whose first column names its rows."""
    head = element("tr", *(element("th", name, scope="col") for name in header))
    lines = (element("tr", element("th", row[0], scope="row"), *(element("td", v) for v in row[1:])) for row in rows)
    whole = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *lines), class_=class_
    )
    return element("div", whole, class_="scroll")


def pairs(named: Mapping[str, str]) -> Markup:
    """Names with what they stand for, a line each."""
    return element("dl", *(element("div", element("dt", k), element("dd", v)) for k, v in named.items()))
