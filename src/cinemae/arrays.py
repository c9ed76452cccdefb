"""Arrays of any library: what is written here once runs on NumPy to detect, and on torch to be exported.

The likelihood, its statistics and the head's forward pass use only functions of the Python array API
standard, and ``einsum``, which both have, taken from the library that their input belongs to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # NumPy's or torch's; the standard has no type for it


def array_namespace(*arrays: Array) -> Any:
    """Return the module whose functions these arrays are for.

    NumPy is such a module itself. Another library's arrays get the one of ``array_api_compat``, which
    is not imported before it is needed: it would take longer than scoring a small image.
    """
    if all(isinstance(array, np.ndarray | np.generic | float | int) for array in arrays):
        return np
    import array_api_compat

    return array_api_compat.array_namespace(*arrays)
