"""What a trained predictor has to show: one report as terminal text, JSON, a self-contained page and a model card."""

from __future__ import annotations

from frostline.reports.as_json import load_report, to_json
from frostline.reports.card import to_card
from frostline.reports.html import to_html
from frostline.reports.text import to_text

__all__ = ["load_report", "to_card", "to_html", "to_json", "to_text"]
