"""Arrays of any library: what is written here once runs on NumPy to detect, and on torch to be exported.

The likelihood, its statistics and the head's forward pass use only functions of the Python array API
standard, taken from the library that their input belongs to.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

__all__ = ["Array", "array_namespace"]

Array = Any  # NumPy's or torch's; the standard has no type for it
