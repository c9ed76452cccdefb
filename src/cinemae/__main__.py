"""``python -m cinemae``: the same as the ``cinemae`` command."""

from cinemae.cli import main

main()
