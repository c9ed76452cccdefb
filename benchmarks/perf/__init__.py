"""The speed and memory benchmark: ``python -m benchmarks.perf --out DIR``.

Machines are shared and clocks drift, so contenders of a group are called in turn, round after round,
and only ratios within a round count.
"""

import os

# Before torch is imported: its spinning threads make everything beside them many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

GROUPS = ("vit-base", "vit-large", "encoders", "shipped", "end-to-end", "cold-start", "memory", "size")
QUICK = ("vit-small", "shipped", "cold-start", "memory", "size")
