"""``python -m matscale``: the command line."""

from matscale.cli import main

main()
