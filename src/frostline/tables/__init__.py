"""Tables: rows from files, frames and arrays; rows to strings; predictions and vectors to files.

A table is a ``pyarrow.Table`` everywhere inside. Row order and column order are kept.
"""

from frostline.tables.cells import parse_number_format
from frostline.tables.columns import has_json_cells, pick_columns, type_name
from frostline.tables.conform import conform
from frostline.tables.frames import to_rows
from frostline.tables.load_vectors import VectorTable, check_vectors, id_text, read_vectors
from frostline.tables.nested import Opened
from frostline.tables.read import iter_tables, read_table
from frostline.tables.render import bare_texts, count_cuts, render_rows
from frostline.tables.vectors import VECTOR_ENDINGS, vector_writer, write_vectors
from frostline.tables.write import PREDICTION_ENDINGS, check_output, check_room, prediction_writer, replacing

__all__ = [
    "PREDICTION_ENDINGS",
    "VECTOR_ENDINGS",
    "Opened",
    "VectorTable",
    "bare_texts",
    "check_output",
    "check_room",
    "check_vectors",
    "conform",
    "count_cuts",
    "has_json_cells",
    "id_text",
    "iter_tables",
    "parse_number_format",
    "pick_columns",
    "prediction_writer",
    "read_table",
    "read_vectors",
    "render_rows",
    "replacing",
    "to_rows",
    "type_name",
    "vector_writer",
    "write_vectors",
]
