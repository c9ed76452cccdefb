"""OpenVINO (``ov``) and its operator set (``op``), imported so that they report nothing to anybody.

Left to itself, OpenVINO counts every import in the user's home folder and sends it to a web analytics service,
and does not load at all for a user without a home. Without its telemetry package it takes a stub of its own.
Whoever imports OpenVINO before cinemae has chosen for themselves.
"""

from __future__ import annotations

import sys
from typing import Any, cast

_TELEMETRY = "openvino_telemetry"
_modules = cast("dict[str, Any]", sys.modules)
_hidden = _modules.setdefault(_TELEMETRY, None) is None  # None: importing it fails as if it were not installed
try:
    import openvino as ov
    from openvino import opset13 as op
finally:
    if _hidden:
        del _modules[_TELEMETRY]

__all__ = ["op", "ov"]
