"""Which runtime, device and precision a machine gets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from cinemae.mae import select
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.runtime import cores
from cinemae.mae.select import DeviceError, cpu_flags, make_runtime, resolve_device, resolve_precision
from toys import small_conv

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(autouse=True)
def _fresh_flags() -> Iterable[None]:
    cpu_flags.cache_clear()
    yield
    cpu_flags.cache_clear()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"sse2", "avx2", "avx512f"}, "f32"),
        (set(), "f32"),
        ({"avx512_bf16"}, "bf16"),
        ({"amx_tile", "amx_bf16"}, "bf16"),
        ({"amx_tile", "amx_bf16", "avx512_bf16", "amx_fp16"}, "f16"),
        ({"avx512_fp16"}, "f32"),
    ],
)
def test_auto_takes_the_type_that_the_cpu_is_fast_at(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], wanted: str
) -> None:
    monkeypatch.setattr(select, "cpu_flags", lambda: frozenset(flags))
    assert resolve_precision("auto") == wanted
    assert resolve_precision("auto", "cuda") == resolve_precision("auto", "cuda:1") == "bf16"


@pytest.mark.parametrize("precision", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_type_that_was_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch, precision: str, device: str) -> None:
    monkeypatch.setattr(select, "cpu_flags", lambda: frozenset({"amx_fp16"}))
    assert resolve_precision(precision, device) == precision  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\nbugs\t:\n\nflags\t: other\n", {"fpu", "avx2", "amx_bf16"}),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("processor\t: 0\n", set()),
        (OSError("no such file"), set()),
    ],
    ids=["x86", "arm", "none", "not Linux"],
)
def test_flags_are_those_that_linux_names(
    monkeypatch: pytest.MonkeyPatch, text: str | OSError, wanted: set[str]
) -> None:
    def read(path: Path) -> str:
        assert path == Path("/proc/cpuinfo")
        if isinstance(text, OSError):
            raise text
        return text

    monkeypatch.setattr(Path, "read_text", read)
    assert cpu_flags() == wanted


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_this_machine_has_flags() -> None:
    assert cpu_flags() & {"sse2", "asimd"}


@pytest.mark.parametrize("device", ["gpu", "tpu", "cpu:0", "", "Cuda", "mps"])
def test_unknown_devices_are_refused(device: str) -> None:
    with pytest.raises(DeviceError, match=f"unknown device '{device}'; choose cpu or cuda"):
        resolve_device(device)


@needs_no_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:first"])
def test_cuda_without_a_gpu_is_refused_with_a_reason(device: str) -> None:
    with pytest.raises(DeviceError, match=f"can't compute on '{device}': .{{10,}}"):
        resolve_device(device)
    with pytest.raises(DeviceError, match="can't compute"):
        make_runtime(to_frozen(small_conv()), device)


def test_cuda_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"cuda:1 needs torch.*pip install '\.\[train\]'"):
        resolve_device("cuda:1")


@pytest.mark.parametrize(
    ("gpu", "torch_there", "wanted"),
    [(True, True, "cuda"), (True, False, "cpu"), (False, True, "cpu"), (False, False, "cpu")],
)
def test_without_a_wish_cuda_is_taken_if_all_is_there(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, torch_there: bool, wanted: str
) -> None:
    monkeypatch.setattr(select, "_gpu_is_there", lambda: gpu)
    monkeypatch.setattr(select, "find_spec", lambda name: object() if torch_there else None)
    assert resolve_device(None) == wanted
    assert resolve_device("cpu") == "cpu"


def test_the_driver_and_torch_agree_on_gpus() -> None:
    assert select._gpu_is_there() == torch.cuda.is_available()


@pytest.mark.parametrize("library", [OSError("no driver"), object()], ids=["absent", "another library"])
def test_a_machine_without_a_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch, library: object) -> None:
    def load(name: str) -> object:
        if isinstance(library, OSError):
            raise library
        return library

    monkeypatch.setattr(select.ctypes, "CDLL", load)
    assert not select._gpu_is_there()


def test_a_cpu_runs_openvino_on_the_cores_it_was_given() -> None:
    mae = to_frozen(small_conv())
    runtime = make_runtime(mae, "cpu", "f32", jobs=3, threads=5)
    assert isinstance(runtime, OpenVINORuntime)
    assert (runtime.mae, runtime.precision, runtime.device) == (mae, "f32", "cpu")
    assert (runtime.jobs, runtime.threads) == (3, 5)
    assert make_runtime(mae, "cpu").precision == resolve_precision("auto")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_cores_where_there_is_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
