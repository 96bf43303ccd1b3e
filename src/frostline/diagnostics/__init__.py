"""Numbered checks of rows (FRL1xx), vectors (FRL2xx) and predictions (FRL3xx): an issue, a tip, passed, or not applicable."""

from frostline.diagnostics.model import Finding
from frostline.diagnostics.report import Report
from frostline.diagnostics.run import CHECKS, diagnose

__all__ = ["CHECKS", "Finding", "Report", "diagnose"]
