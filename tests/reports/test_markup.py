from __future__ import annotations

from xml.etree import ElementTree

from frostline.reports.markup import Markup, element, escape, join


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "a < b & 'c'", element("b", "x")) == "<p>a &lt; b &amp; &#x27;c&#x27;<b>x</b></p>"
    assert join("<", Markup("<br/>")) == "&lt;<br/>"


def test_attributes_are_escaped_renamed_and_rounded() -> None:
    made = element("text", "t", class_='a"b', text_anchor="end", x=1.0, y=2.3456, id=None)
    assert made == '<text class="a&quot;b" text-anchor="end" x="1" y="2.35">t</text>'


def test_elements_without_content_close_themselves() -> None:
    assert element("rect", width=3) == '<rect width="3"/>'
    assert element("td") == "<td></td>"


def test_any_text_makes_a_document_that_parses() -> None:
    text = "".join(map(chr, [*range(0x80), 0x85, 0xD800, 0xFFFE, 0x1F600]))
    parsed = ElementTree.fromstring(element("p", text).encode("utf-8"))
    assert parsed.text is not None
    assert parsed.text.endswith("\x85\ufffd\ufffd\U0001f600")
    assert escape("\x1b") == "\ufffd"
