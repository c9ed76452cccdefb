"""Choosing what runs an MAE: OpenVINO on a CPU, torch on a GPU, in a type that the machine is fast at."""

from __future__ import annotations

import ctypes
import functools
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cinemae.extras import install_hint
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.runtime import Runtime
from cinemae.verdict import Precision

PrecisionChoice = Literal["auto"] | Precision


class DeviceError(ValueError):
    """The device asked for is not there, or what is needed to use it is not installed."""


def make_runtime(
    mae: FrozenMAE,
    device: str | None = None,
    precision: PrecisionChoice = "auto",
    jobs: int = 1,
    threads: int | None = None,
) -> Runtime:
    """Return a runtime for an MAE.

    Args:
        mae: The MAE.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None takes CUDA if it can be used.
        precision: Type of the network's arithmetic; see :func:`resolve_precision`.
        jobs: Threads that will score at the same time; each gets its share of ``threads``.
        threads: Cores to use on a CPU; None takes all that this process may use.

    Raises:
        DeviceError: If the device can't be used.
    """
    place = resolve_device(device)
    kind = resolve_precision(precision, place)
    if place == "cpu":
        from cinemae.mae.openvino_runtime import OpenVINORuntime

        return OpenVINORuntime(mae, kind, jobs, threads)
    from cinemae.mae.torch_runtime import TorchRuntime

    return TorchRuntime(mae, kind, place)


def resolve_device(device: str | None) -> str:
    """Return the device that is meant; None means CUDA if there is a GPU and torch to use it, else the CPU.

    Raises:
        DeviceError: If the device asked for can't be used; the message says why.
    """
    if device is None:
        return "cuda" if _gpu_is_there() and find_spec("torch") is not None else "cpu"
    if device == "cpu":
        return device
    if device.split(":")[0] != "cuda":
        raise DeviceError(f"unknown device {device!r}; choose cpu or cuda")
    if find_spec("torch") is None:
        raise DeviceError(f"{device} needs torch, which is not installed: {install_hint('train')}")
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise DeviceError(f"can't compute on {device!r}: {str(error).splitlines()[0]}") from error
    return device


def resolve_precision(precision: PrecisionChoice, device: str = "cpu") -> Precision:
    """Return the type that ``auto`` stands for on a device, or the type asked for.

    On a CPU that is f16 where it has AMX-FP16, bf16 where it has AMX or AVX512-BF16, else f32; on
    CUDA bf16.
    """
    if precision != "auto":
        return precision
    if device != "cpu":
        return "bf16"
    flags = cpu_flags()
    if "amx_fp16" in flags:
        return "f16"
    return "bf16" if flags & {"amx_bf16", "avx512_bf16"} else "f32"


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of this CPU as Linux names them; empty elsewhere, which means f32."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.split(":", 1)[1].split())
    return frozenset()


def _gpu_is_there() -> bool:
    """Ask the driver for GPUs, without importing torch, which takes seconds."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False
