"""Where the time of the packed graph goes: OpenVINO's own counters, added up by kind of operation."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from cinemae.mae.config import ARCHITECTURES, ViTMAEConfig
from cinemae.mae.openvino_graph import vit_graph
from cinemae.mae.openvino_library import ov
from cinemae.masks import PartitionMasks
from cinemae.verdict import Precision

from . import flops
from .vit import random_mae

REPEATS = 10


def profile(name: str, precision: Precision, threads: int) -> str:
    """Return the shares of a ViT's graph, one line a kind of operation and primitive.

    Args:
        name: A shape of :data:`~cinemae.mae.config.ARCHITECTURES`.
        precision: Of the network.
        threads: Cores, all for one image.

    Raises:
        ValueError: If the shape is no ViT.
    """
    config = ARCHITECTURES[name]
    if not isinstance(config, ViTMAEConfig):
        raise ValueError(f"{name} is no ViT")
    hidden = PartitionMasks(groups=4).hidden(config.grid).reshape(4, -1)
    visible = int((~hidden[0]).sum())
    settings = {
        "INFERENCE_PRECISION_HINT": getattr(ov.Type, precision),
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "PERF_COUNT": True,
    }
    model = vit_graph(random_mae(config), 4, visible, ())
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    inputs = _inputs(config, hidden)
    totals: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * REPEATS)
    calls: dict[tuple[str, str], int] = defaultdict(int)
    for number in range(-1, REPEATS):  # the first is thrown away
        request.infer(inputs, share_inputs=True)
        for node in request.profiling_info if number >= 0 else ():
            if node.status == ov.ProfilingInfo.Status.EXECUTED:
                key = (node.node_type, node.exec_type)
                totals[key][number] += node.real_time.total_seconds()
                calls[key] += 1
    useful = flops.vit_flops(config, 4, visible)
    return _lines(name, {key: float(np.median(value)) for key, value in totals.items()}, calls, useful)


def _inputs(config: ViTMAEConfig, hidden: np.ndarray) -> list[np.ndarray]:
    count = hidden.shape[1]
    patches = np.random.default_rng(0).standard_normal((count, config.patch_size**2 * 3), dtype=np.float32)
    seen = np.nonzero(~hidden)[1].reshape(4, -1).astype(np.int32)
    wanted = np.nonzero(hidden)[1].reshape(4, -1).astype(np.int32)
    restore = np.where(hidden, 0, np.cumsum(~hidden, axis=1)).astype(np.int32)
    return [patches, seen, restore, wanted]


def _lines(name: str, seconds: dict[tuple[str, str], float], calls: dict[tuple[str, str], int], useful: int) -> str:
    whole = sum(seconds.values())
    lines = [f"{name}: {1000 * whole:.1f} ms in operations, {useful / whole / 1e9:.0f} useful GFLOP/s"]
    for key, value in sorted(seconds.items(), key=lambda item: -item[1]):
        if value >= 0.002 * whole:
            kind, primitive = key
            share = f"{100 * value / whole:5.1f} %"
            lines.append(f"{share} {1000 * value:8.2f} ms {calls[key] // REPEATS:5d} x {kind:28} {primitive}")
    return "\n".join(lines)
