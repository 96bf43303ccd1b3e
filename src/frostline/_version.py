"""The version, alone in its file so that everything may read it."""

__version__ = "0.1.0"
