"""The papers' experiments as code on public data: tables of cells, each computed once, and a page that shows them."""

from frostline.studies.cells import Cell, Outcome, run_cells

__all__ = ["Cell", "Outcome", "run_cells"]
