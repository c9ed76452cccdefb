"""The roof: the fastest matrix products that OpenVINO and torch reach on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cinemae.mae.openvino_library import op, ov
from cinemae.verdict import Precision

from .rounds import PEAK, Contender

CHAIN = 4  # products one after the other, so that converting the input costs next to nothing
SHAPES = ((512, 768), (512, 2048), (1024, 1024), (2048, 1024), (2048, 2048))


def peak_gemm(precision: Precision, threads: int, shapes: tuple[tuple[int, int], ...] = SHAPES) -> Contender:
    """Return the product with the most FLOP/s, found by a short sweep, as a contender.

    Swept are rows and channels of square weights, and three ways: one OpenVINO graph on all cores,
    one stream a core, and ``torch.nn.functional.linear``.
    """
    best, rate = None, 0.0
    for flops, run in _candidates(precision, threads, shapes):
        run()
        taken = min(_timed(run) for _ in range(3))
        if flops / taken > rate:
            best, rate = Contender(PEAK, run, flops=flops), flops / taken
    assert best is not None
    return best


def _candidates(
    precision: Precision, threads: int, shapes: tuple[tuple[int, int], ...]
) -> Iterator[tuple[int, Callable[[], object]]]:
    for rows, width in shapes:
        flops = CHAIN * 2 * rows * width**2
        yield flops, openvino_gemm(rows, width, precision, threads, 1)
        if threads > 1:
            yield threads * flops, openvino_gemm(rows, width, precision, threads, threads)
        if precision != "f16":  # torch has no fast f16 product on CPUs
            yield flops, torch_gemm(rows, width, precision)


def openvino_gemm(rows: int, width: int, precision: Precision, threads: int, streams: int) -> Callable[[], object]:
    """Return a call that computes a chain of products once in each stream."""
    rng = np.random.default_rng(0)
    x = node = op.parameter([rows, width], np.float32)
    for _ in range(CHAIN):
        weight = rng.standard_normal((width, width), dtype=np.float32) / np.sqrt(np.float32(width))
        node = op.matmul(node, op.constant(weight), False, True)
    settings = {
        "INFERENCE_PRECISION_HINT": getattr(ov.Type, precision),
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = ov.Core().compile_model(ov.Model([node], [x], "gemm"), "CPU", settings)
    requests = [compiled.create_infer_request() for _ in range(streams)]
    data = rng.standard_normal((rows, width), dtype=np.float32)
    if streams == 1:
        return lambda: requests[0].infer([data], share_inputs=True)
    pool = ThreadPoolExecutor(streams)
    return lambda: list(pool.map(lambda request: request.infer([data], share_inputs=True), requests))


def torch_gemm(rows: int, width: int, precision: Precision) -> Callable[[], object]:
    """Return a call that computes a chain of products with torch."""
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    weights = [torch.randn(width, width).div(width**0.5).to(dtype) for _ in range(CHAIN)]
    data = torch.randn(rows, width).to(dtype)

    @torch.inference_mode()
    def run() -> object:
        x = data
        for weight in weights:
            x = torch.nn.functional.linear(x, weight)
        return x

    return run


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
