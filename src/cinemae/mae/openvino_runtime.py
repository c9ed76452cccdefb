"""The CPU runtime: the MAE as an OpenVINO graph, compiled for one shape of views and masks."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.compiled import compile_graph
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.openvino_graph import conv_graph, vit_graph
from cinemae.mae.openvino_library import op, ov
from cinemae.mae.runtime import BoolArray, ConvOutput, Runtime, VitOutput, cores
from cinemae.verdict import Precision

_TYPES: dict[Precision, ov.Type] = {"f32": ov.Type.f32, "bf16": ov.Type.bf16, "f16": ov.Type.f16}
LARGE = 20_000_000  # parameters from which one image alone is worth all cores
SQUARE = 32  # squares whose side is a multiple have a graph of their own, other sizes share a slower one
Key = tuple[object, ...]

# OpenVINO's binding looks NumPy up when it first meets an array, behind a C++ guard and the GIL: two
# threads that do so at once wait for each other for ever. Here it is done once, by the one that imports.
ov.Type.f32.to_dtype()


class OpenVINORuntime(Runtime):
    """One frozen MAE on the CPU.

    A graph is compiled for each shape of masks when it is first met. Up to ``jobs`` threads may call
    :meth:`view` at the same time, each computing on its share of the cores; the numbers do not
    depend on how many those are.

    Attributes:
        jobs: Threads that may compute at the same time.
        threads: Cores they share.
    """

    def __init__(self, mae: FrozenMAE, precision: Precision = "f32", jobs: int = 1, threads: int | None = None) -> None:
        super().__init__(mae, granted(precision), "cpu")
        self.jobs, self.threads = jobs, threads or cores()
        self.large = sum(math.prod(tensor.shape) for tensor in mae.tensors.values()) >= LARGE
        self._compiled: dict[Key, ov.CompiledModel] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._local = threading.local()

    def _vit(self, patches: FloatArray, hidden: BoolArray, layers: tuple[int, ...], alone: bool) -> VitOutput:
        if not len(hidden):
            key: Key = ("encoder", layers, self._streams(alone))
            tokens = _infer(self._request(key, lambda: vit_graph(self.mae, 0, 0, layers)), [patches])
            return VitOutput(None, tokens)
        passes, visible = len(hidden), int((~hidden[0]).sum())
        seen = np.nonzero(~hidden)[1].reshape(passes, visible).astype(np.int32)
        wanted = np.nonzero(hidden)[1].reshape(passes, -1).astype(np.int32)
        restore = np.where(hidden, 0, np.cumsum(~hidden, axis=1)).astype(np.int32)
        key = ("vit", passes, visible, layers, self._streams(alone))
        request = self._request(key, lambda: vit_graph(self.mae, passes, visible, layers))
        predicted, *tokens = _infer(request, [patches, seen, restore, wanted])
        return VitOutput(predicted, tokens)

    def _conv(self, image: FloatArray, hidden: BoolArray, alone: bool) -> ConvOutput:
        passes, height, width = hidden.shape
        sides = (height, width) if height == width and height % SQUARE == 0 else (None, None)
        key = ("conv", passes, *sides, self._streams(alone))
        request = self._request(key, lambda: conv_graph(self.mae, passes, *sides))
        visible = (~hidden)[:, None].astype(np.float32)
        mean, log_scale, *moments = _infer(request, [image[None], visible])
        return ConvOutput(mean, log_scale, list(zip(moments[::2], moments[1::2], strict=True)))

    def _streams(self, alone: bool) -> int:
        """Return how many calls share the cores: a large MAE with nothing beside it gets them all."""
        return 1 if alone and self.large else self.jobs

    def _request(self, key: Key, build: Callable[[], ov.Model]) -> ov.InferRequest:
        """Return this thread's request for a graph, compiled if it is new."""
        with self._locks.setdefault(key, threading.Lock()):  # other graphs may compile meanwhile
            if key not in self._compiled:
                self._compiled[key] = self._compile(key, build)
        requests = self._local.__dict__.setdefault("requests", {})
        if key not in requests:
            requests[key] = self._compiled[key].create_infer_request()
        request: ov.InferRequest = requests[key]
        return request

    def _compile(self, key: Key, build: Callable[[], ov.Model]) -> ov.CompiledModel:
        streams = int(str(key[-1]))
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _TYPES[self.precision],
            # Beside int8 matrices the plugin would round activations to int8, too: 2 % off, and on some CPUs only.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": max(streams, self.threads),
            "ENABLE_CPU_PINNING": False,  # two processes would pin themselves to the same core
            "CPU_RUNTIME_CACHE_CAPACITY": 64,  # of kernels for sizes met; without a bound memory grows with them
        }
        return compile_graph(build, f"{self.mae.fingerprint}/{key}", settings)


@functools.cache
def granted(precision: Precision) -> Precision:
    """Return the type that OpenVINO computes in on this machine when it is asked for one.

    The CPU plugin takes another type where the CPU lacks the one asked for; so it is asked with a
    small graph, and what it says is what verdicts, caches and heads record.
    """
    x = op.parameter([1, 1], np.float32)
    model = ov.Model([op.matmul(x, x, False, False)], [x], "probe")
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": _TYPES[precision]})
    got = compiled.get_property("INFERENCE_PRECISION_HINT")
    return next(name for name, kind in _TYPES.items() if kind == got)


def _infer(request: ov.InferRequest, inputs: list[Any]) -> list[FloatArray]:
    request.infer(inputs, share_inputs=True)
    # Copies: the request's own memory is written again by its next call.
    return [np.array(tensor.data) for tensor in request.output_tensors]
