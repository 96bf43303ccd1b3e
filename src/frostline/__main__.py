"""``python -m frostline``: the command line."""

from frostline.cli import main

main()
