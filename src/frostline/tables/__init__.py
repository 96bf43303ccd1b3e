"""Tables: rows from files, frames and arrays; rows to strings; predictions and vectors to files.

A table is a ``pyarrow.Table`` everywhere inside. Row order and column order are kept.
"""

from frostline.tables.cells import parse_number_format
from frostline.tables.columns import pick_columns
from frostline.tables.frames import to_rows
from frostline.tables.read import iter_tables, read_table
from frostline.tables.render import render_rows
from frostline.tables.write import write_predictions, write_vectors

__all__ = [
    "iter_tables",
    "parse_number_format",
    "pick_columns",
    "read_table",
    "render_rows",
    "to_rows",
    "write_predictions",
    "write_vectors",
]
