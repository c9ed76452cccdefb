"""Reading torch's files without torch: the same numbers as torch's own reader, and nothing that runs."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import re
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.storage import _load_from_bytes

from cinemae.mae.errors import CheckpointError
from cinemae.mae.pickled import read_pickle
from toys import small_conv

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
]  # fmt: skip


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.from_numpy(np.random.default_rng(0).normal(0, 40, shape))
    return (drawn > 0) if dtype == torch.bool else drawn.abs().to(dtype)


def assert_same(found: object, wanted: object) -> None:
    """Compare what we read with what torch reads, tensors to the bit and with their type."""
    if isinstance(wanted, Tensor):
        assert type(found) is np.ndarray
        assert found.shape == tuple(wanted.shape)
        plain = wanted.detach().contiguous()
        if plain.dtype == torch.bfloat16:
            assert found.dtype == ml_dtypes.bfloat16
            found, plain = found.view(np.int16), plain.view(torch.int16)
        assert found.dtype == plain.numpy().dtype
        assert np.array_equal(found, plain.numpy())
    elif isinstance(wanted, dict):
        assert type(found) is type(wanted)
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            assert_same(found[key], value)
        assert getattr(found, "_metadata", None) == getattr(wanted, "_metadata", None)
    elif isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert_same(ours, theirs)
    else:
        assert type(found) is type(wanted)
        assert found == wanted


def assert_reads_like_torch(content: object, path: Path) -> Any:
    torch.save(content, path)
    with torch.serialization.safe_globals([argparse.Namespace]):
        wanted = torch.load(path, weights_only=True)
    found = read_pickle(path)
    assert_same(found, wanted)
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type(tmp_path: Path, dtype: torch.dtype) -> None:
    found = assert_reads_like_torch({"a": numbers(3, 5, dtype=dtype), "b": numbers(1, dtype=dtype)}, tmp_path / "x")
    assert len(np.unique(found["a"].astype(float))) > 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: numbers(6, 8).t(),
        lambda: numbers(6, 8)[1::2, 3:],
        lambda: numbers(6, 8)[:, 5],
        lambda: numbers(2, 3, 4).permute(2, 0, 1),
        lambda: numbers(3, 1).expand(3, 7),
        lambda: numbers(40).as_strided((3, 4), (2, 5), 7),
        lambda: torch.tensor(2.5),
        lambda: numbers(10)[9],
        lambda: torch.zeros(0),
        lambda: torch.zeros(3, 0, 2),
        lambda: numbers(4, 4)[:, 4:],
        lambda: torch.nn.Parameter(numbers(3, 3)),
        lambda: torch.nn.Parameter(numbers(3, 3), requires_grad=False),
        lambda: numbers(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        lambda: numbers(3).requires_grad_(),
    ],
)
def test_every_layout(tmp_path: Path, make: Callable[[], Tensor]) -> None:
    assert_reads_like_torch([make()], tmp_path / "x")


def test_shared_storages_are_one_memory(tmp_path: Path) -> None:
    base = numbers(8, 8)
    found = assert_reads_like_torch(
        {"whole": base, "row": base[2], "again": base, "apart": base.clone()}, tmp_path / "x"
    )
    assert np.shares_memory(found["whole"], found["row"])
    assert np.shares_memory(found["whole"], found["again"])
    assert not np.shares_memory(found["whole"], found["apart"])


def test_state_dicts_and_plain_values(tmp_path: Path) -> None:
    """What training code saves beside the weights, an OrderedDict with the modules' versions among it."""
    state = small_conv().state_dict()
    assert state._metadata
    plain = {"epoch": 3, "big": 2**40, "lr": 1e-3, "on": True, "off": False, "none": None, "name": "väz", 7: "seven"}
    arguments = argparse.Namespace(model="mae_vit_base_patch16", layers=[1, 2], size=(224, 224), nested={"a": -1})
    found = assert_reads_like_torch(
        {"model": state, "args": arguments, "list": [1, [2.5, ("x",)], ()], "empty": {}, **plain}, tmp_path / "x"
    )
    assert found["model"]._metadata == state._metadata
    assert found["args"] == arguments


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn, torch.uint16])
def test_types_that_are_not_read_are_named(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.save(torch.zeros(3).to(dtype), tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"refused, its pickle wants to load torch\.\w+"):
        read_pickle(tmp_path / "x")


def test_arrays_can_be_handed_to_torch(tmp_path: Path) -> None:
    torch.save(numbers(3), tmp_path / "x")
    assert torch.equal(torch.from_numpy(read_pickle(tmp_path / "x")), numbers(3))  # warns of read-only memory


# Refusals: attacks that torch.save writes for us.


class Call:
    """Calls a function when a careless loader unpickles it."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (lambda trace: Call(os.system, f"mkdir {trace}"), r"(posix|nt)\.system"),
        (lambda trace: Call(os.mkdir, str(trace)), r"(posix|nt)\.mkdir"),
        (lambda trace: Call(eval, f"__import__('os').mkdir({str(trace)!r})"), r"(builtins|__builtin__)\.eval"),
        (lambda trace: Call(exec, f"import os; os.mkdir({str(trace)!r})"), r"(builtins|__builtin__)\.exec"),
        (lambda trace: Call(subprocess.check_call, ["mkdir", str(trace)]), r"(subprocess|commands)\.check_call"),
        # torch's own: it unpickles with everything allowed.
        (lambda trace: Call(_load_from_bytes, saved(Call(os.mkdir, str(trace)))), r"torch\.storage\._load_from_bytes"),
    ],
    ids=["system", "mkdir", "eval", "exec", "subprocess", "torch"],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda evil: evil,
        lambda evil: {"model": {"a": torch.zeros(2), "b": [({"deep": (evil,)},)]}},
        lambda evil: argparse.Namespace(quiet=evil),
        lambda evil: OrderedDict([("a", torch.zeros(2)), ("b", evil)]),
    ],
    ids=["alone", "nested", "namespace", "last"],
)
def test_code_is_refused_by_name_and_not_run(
    tmp_path: Path, attack: Callable[[Path], object], name: str, wrap: Callable[[object], object]
) -> None:
    trace, path = tmp_path / "owned", tmp_path / "x"
    torch.save(wrap(attack(trace)), path)
    with pytest.raises(CheckpointError, match=f"refused, its pickle wants to load {name}, which could run code"):
        read_pickle(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the attack must work on a careless loader"


# Files written by hand, opcode by opcode.

PROTO = b"\x80\x02"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers_of(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(count: int, key: str = "0", kind: str = "FloatStorage", word: str = "storage") -> bytes:
    return b"(" + text(word) + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(of: bytes, offset: int = 0, size: Iterable[int] = (4,), stride: Iterable[int] = (1,)) -> bytes:
    arguments = of + number(offset) + numbers_of(*size) + numbers_of(*stride) + b"\x89" + b"N"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def write(path: Path, pickled: bytes, data: bytes = np.arange(4, dtype="<f4").tobytes(), **changes: Any) -> Path:
    """Lay out a checkpoint; ``changes`` replace or add entries of the archive, None leaves one out."""
    entries = {"x/data.pkl": PROTO + pickled + b".", "x/byteorder": b"little", "x/data/0": data, "x/version": b"3\n"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (entries | changes.pop("entries", {})).items():
            if content is not None:
                archive.writestr(name, content, changes.get(name.rsplit("/", 1)[-1], zipfile.ZIP_STORED))
    return path


def test_a_file_written_by_hand_is_read(tmp_path: Path) -> None:
    assert read_pickle(write(tmp_path / "x", tensor(storage(4)))).tolist() == [0, 1, 2, 3]
    last = tensor(storage(4), 1, (2, 2), (2, 1)).replace(number(2) + number(2), number(2) + number(1), 1)
    assert read_pickle(write(tmp_path / "x", last)).tolist() == [[1], [3]]
    without = {"x/byteorder": None}  # as torch before 2.1 writes
    assert read_pickle(write(tmp_path / "x", tensor(storage(4)), entries=without)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (5,)},
        {"offset": 1},
        {"offset": 4, "size": (), "stride": ()},
        {"offset": -1},
        {"offset": -4},
        {"size": (-1,)},
        {"size": (-2, -2), "stride": (1, 1)},
        {"stride": (-1,)},
        {"offset": 3, "stride": (-1,)},
        {"stride": (2,)},
        {"size": (2, 2), "stride": (3, 1)},
        {"size": (2, 2), "stride": (1,)},
        {"size": (), "stride": (1,)},
        {"size": (2**31 - 1,), "stride": (2**31 - 1,)},
        {"size": (0, -1), "stride": (1, 1)},
    ],
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="not a readable torch checkpoint"):
        read_pickle(write(tmp_path / "x", tensor(storage(4), **changes)))


@pytest.mark.parametrize("data", [b"", b"\0" * 15, b"\0" * 12, b"\0" * 20])
def test_a_storage_of_another_length_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CheckpointError, match="storage 0 is not 4 numbers of float32"):
        read_pickle(write(tmp_path / "x", tensor(storage(4)), data))


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (storage(4, key="1"), "KeyError"),
        (storage(4, key="../data.pkl"), "unknown kind"),
        (storage(4, key="a/b"), "unknown kind"),
        (storage(4, word="module"), "unknown kind"),
        (storage(4).replace(b"ctorch\nFloatStorage\n", text("FloatStorage")), "unknown kind"),
        (storage(4).replace(text("cpu"), b""), "ValueError"),
        (storage(2, kind="LongStorage") + b"0" + storage(4, kind="DoubleStorage"), "not 4 numbers of float64"),
        (text("storage"), "without a storage"),
        (b"N", "without a storage"),
    ],
)
def test_odd_storages_are_refused(tmp_path: Path, of: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=f"not a readable torch checkpoint.*{reason}"):
        read_pickle(write(tmp_path / "x", tensor(of)))


def test_a_tensor_does_not_pass_for_a_storage(tmp_path: Path) -> None:
    """One number, seen a thousand times without moving; then a second look at it that does move."""
    wide = tensor(storage(4), size=(1000,), stride=(0,))
    assert read_pickle(write(tmp_path / "x", wide)).shape == (1000,)
    with pytest.raises(CheckpointError, match="without a storage"):
        read_pickle(write(tmp_path / "x", tensor(wide, size=(1000,))))


@pytest.mark.parametrize("entry", ["data.pkl", "0", "byteorder", "version"])
def test_compressed_entries_are_refused(tmp_path: Path, entry: str) -> None:
    with pytest.raises(CheckpointError, match="it is compressed"):
        read_pickle(write(tmp_path / "x", tensor(storage(4)), **{entry: zipfile.ZIP_DEFLATED}))


@pytest.mark.parametrize("order", [b"big", b"", b"Little"])
def test_other_byte_orders_are_refused(tmp_path: Path, order: bytes) -> None:
    with pytest.raises(CheckpointError, match="not little-endian"):
        read_pickle(write(tmp_path / "x", tensor(storage(4)), entries={"x/byteorder": order}))


@pytest.mark.parametrize(
    ("entries", "count"),
    [({"y/data.pkl": PROTO + b"N."}, 2), ({"data.pkl": PROTO + b"N."}, 2), ({"x/data.pkl": None}, 0)],
)
def test_one_pickle_is_needed(tmp_path: Path, entries: dict[str, bytes | None], count: int) -> None:
    with pytest.raises(CheckpointError, match=f"{count} files named data.pkl"):
        read_pickle(write(tmp_path / "x", tensor(storage(4)), entries=entries))


@pytest.mark.parametrize(
    "name",
    [
        "builtins getattr",
        "builtins __import__",
        "importlib import_module",
        "torch load",
        "torch.serialization load",
        "torch.hub load",
        "torch UntypedStorage",
        "torch._utils _rebuild_sparse_tensor",
        "torch._utils _rebuild_tensor_v2.__globals__",
        "collections OrderedDict.fromkeys",
        "collections.abc Callable",
        "argparse ArgumentParser",
        "argparse _sys",
        "numpy frombuffer",
        "cinemae.mae.pickled read_pickle",
    ],
)
@pytest.mark.parametrize("use", [b"", b"(tR", b")\x81"], ids=["named", "called", "made"])
def test_every_other_global_is_refused(tmp_path: Path, name: str, use: bytes) -> None:
    wanted = b"c" + name.replace(" ", "\n").encode() + b"\n"
    with pytest.raises(
        CheckpointError, match=f"refused, its pickle wants to load {re.escape(name.replace(' ', '.'))},"
    ):
        read_pickle(write(tmp_path / "x", wanted + use))


DTYPE_STATE = b"(" + number(3) + text(">") + b"NNN" + number(-1) + number(-1) + number(0) + b"t"
ARRAY_STATE = b"(" + number(1) + numbers_of(4) + b"ctorch\nFloatStorage\n" + b"\x89" + b"Nt"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (b"ctorch\nFloatStorage\n" + DTYPE_STATE + b"b", "Float32DType"),
        (b"ctorch\nBFloat16Storage\n" + DTYPE_STATE + b"b", "(dtype.*)?bfloat16"),
        (b"cargparse\nNamespace\n(N}" + text("__eq__") + b"Nstb", "type"),
        (b"ccollections\nOrderedDict\n(N}" + text("keys") + b"Nstb", "type"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(N}" + text("__defaults__") + b"(tstb", "function"),
        (tensor(storage(4)) + ARRAY_STATE + b"b", "ndarray"),
        (storage(4) + b"q\0" + b"0" + tensor(b"h\0") + b"0h\0" + ARRAY_STATE + b"b", "_Storage"),
        (b"]}b", "list"),
    ],
    ids=["dtype", "bfloat16", "class", "C class", "function", "array", "storage under a tensor", "list"],
)
def test_a_pickle_changes_the_state_of_nothing_but_its_own(tmp_path: Path, state: bytes, kind: str) -> None:
    """Such a file would change this process for whatever comes after it, or free memory that is still looked at."""
    with pytest.raises(CheckpointError, match=f"a state for {kind}"):
        read_pickle(write(tmp_path / "x", state))
    assert np.dtype(ml_dtypes.bfloat16).byteorder == "="
    assert argparse.Namespace(a=1) == argparse.Namespace(a=1)


@pytest.mark.parametrize(
    "opcode",
    [
        pickle.BYTEARRAY8 + struct.pack("<Q", 2**40),  # would be allocated before it is read
        pickle.BINBYTES + struct.pack("<I", 1) + b"a",
        pickle.STACK_GLOBAL,
        pickle.INST + b"os\nsystem\n",
        pickle.EXT1 + b"\1",
        pickle.PERSID + b"0\n",
        pickle.NEWOBJ_EX,
        b"\xff",
    ],
)
def test_opcodes_that_torch_does_not_write_are_refused(tmp_path: Path, opcode: bytes) -> None:
    with pytest.raises(CheckpointError, match=rf"not a readable torch checkpoint \(KeyError: {opcode[0]}\)"):
        read_pickle(write(tmp_path / "x", b"(" + opcode))


def test_a_large_memo_number_takes_no_memory(tmp_path: Path) -> None:
    assert read_pickle(write(tmp_path / "x", number(5) + b"r" + struct.pack("<I", 2**32 - 1))) == 5


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(tmp_path: Path, cut: float) -> None:
    torch.save(small_conv().state_dict(), tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(CheckpointError, match="not a readable torch checkpoint"):
        read_pickle(tmp_path / "x")


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.pth"):
        with pytest.raises(CheckpointError, match=f"{path}: not a readable file"):
            read_pickle(path)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    """A place to write to, a whole file and the pickle in it."""
    place = tmp_path_factory.mktemp("fuzz") / "x"
    content = {"a": numbers(3, 4), "b": numbers(6)[::2], "args": argparse.Namespace(lr=0.1), "n": [1, None, "text"]}
    torch.save({"model": OrderedDict(content)}, place)
    with zipfile.ZipFile(place) as archive:
        return place, place.read_bytes(), archive.read("x/data.pkl")


def read_or_refuse(path: Path) -> None:
    """Read a damaged file; anything but an answer or a CheckpointError ends the test."""
    with suppress(CheckpointError):
        read_pickle(path)


changes = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5)


@settings(max_examples=300)
@given(changes=changes)
def test_damaged_files_are_read_or_refused(valid: tuple[Path, bytes, bytes], changes: list[tuple[int, int]]) -> None:
    place, whole, _ = valid
    data = bytearray(whole)
    for where, value in changes:
        data[where % len(data)] = value
    place.write_bytes(data)
    read_or_refuse(place)


@settings(max_examples=300)
@given(changes=changes)
def test_damaged_pickles_are_read_or_refused(valid: tuple[Path, bytes, bytes], changes: list[tuple[int, int]]) -> None:
    """The archive's checksums are right here, so that what is damaged reaches the unpickler."""
    place, _, pickled = valid
    data = bytearray(pickled)
    for where, value in changes:
        data[where % len(data)] = value
    storages = {"x/data/0": bytes(48), "x/data/1": bytes(24)}
    read_or_refuse(write(place, b"", entries={"x/data.pkl": bytes(data), **storages}))
