"""The command line, ``cinemae``.

Its modules import torch and the like inside the commands that need them, so that ``--help`` and
usage errors answer at once.
"""

from cinemae.cli.app import main

__all__ = ["main"]
