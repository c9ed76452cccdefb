"""Figures of a head on families of generators that it was fitted without."""

from cinemae.leaveout.run import leave_out
from cinemae.leaveout.schema import LeftOut, LeftOutTable

__all__ = ["LeftOut", "LeftOutTable", "leave_out"]
