"""Files as the readers take them: whole in memory, or mapped."""

from __future__ import annotations

import mmap

Buffer = bytes | mmap.mmap
