"""Reading ``torch.save`` files as data, without torch: tensors and plain values, nothing that runs.

A torch checkpoint is a zip archive with one pickle, ``data.pkl``, and the raw bytes of each tensor's
storage beside it. The pickle names what it wants to be rebuilt with; here every such name is looked
up in a fixed list of harmless stand-ins of our own (Python's documentation, "Restricting Globals"),
as ``torch.load(weights_only=True)`` does. Anything else is refused before it is imported.

Harmless names are not enough: a pickle may also set the state of what it holds, and so change a
stand-in itself, or swap the memory under an array that others look into. So the opcodes are those of
torch's files and no others, and only dictionaries and namespaces get a state.
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from cinemae.mae.errors import CheckpointError

_STORAGES: dict[str, Any] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
# What protocol 2 writes of tensors and plain values. No opcode that takes a length without reading as much.
_OPCODES = (
    *(pickle.PROTO, pickle.STOP, pickle.GLOBAL, pickle.NEWOBJ, pickle.REDUCE, pickle.BUILD, pickle.BINPERSID),
    *(pickle.MARK, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_TUPLE),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.BINGET, pickle.LONG_BINGET, pickle.BINPUT, pickle.LONG_BINPUT, pickle.POP, pickle.POP_MARK),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINSTRING),
)


class _Refused(Exception):
    """The pickle wants a global that is not on the list."""


@dataclass(frozen=True)
class _Storage:
    """The numbers that tensors are views into; a type of its own, so that no tensor passes for one."""

    numbers: NDArray[Any]


def read_pickle(path: Path) -> object:
    """Read a file of ``torch.save`` as data only; code in it is refused, never run.

    Tensors come as NumPy arrays. ``argparse.Namespace`` is allowed beside tensors and plain values:
    Meta's MAE training code saves its command-line arguments as one under ``args``, and restoring it
    only fills a ``__dict__``.

    Raises:
        CheckpointError: If it is missing or damaged, or its pickle wants any other global; the
            message names that global.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except OSError as error:
        raise CheckpointError(f"{path}: not a readable file: {error}") from error
    except _Refused as error:
        raise CheckpointError(
            f"{path}: refused, its pickle wants to load {error}, which could run code; only tensors,"
            " plain values and argparse.Namespace are read"
        ) from error
    except Exception as error:  # a damaged pickle can fail in any opcode, with any exception
        raise CheckpointError(
            f"{path}: not a readable torch checkpoint ({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _read_archive(archive: zipfile.ZipFile) -> object:
    found = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == "data.pkl"]
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise ValueError("it is compressed, which torch never does: it could unpack to anything")
    if len(found) != 1:
        raise ValueError(f"{len(found)} files named data.pkl in the archive, one is needed")
    folder = found[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("its numbers are not little-endian")
    with archive.open(found[0]) as stream:
        return _Unpickler(stream, archive, folder).load()


class _Unpickler(pickle._Unpickler):  # the one in Python: its opcodes can be chosen
    """Rebuilds tensors as arrays; every global and opcode but the listed ones is refused."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES
    }
    stack: list[Any]

    def __init__(self, stream: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(stream)
        self._archive, self._folder = archive, folder
        self._storages: dict[tuple[str, np.dtype[Any]], _Storage] = {}
        self._allowed: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("argparse", "Namespace"): argparse.Namespace,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        self._allowed |= {("torch", name): np.dtype(kind) for name, kind in _STORAGES.items()}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the stand-in for a global of the pickle; called for every one of them."""
        if (module, name) not in self._allowed:
            raise _Refused(f"{module}.{name}")
        stand_in: Callable[..., Any] = self._allowed[module, name]
        return stand_in

    def persistent_load(self, pid: Any) -> _Storage:
        """Return a storage, ``("storage", type, key, device, elements)``."""
        kind, dtype, key, _, elements = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str) or "/" in key:
            raise ValueError(f"an unknown kind of persistent object: {kind!r}")
        if (key, dtype) not in self._storages:
            data = self._archive.read(f"{self._folder}data/{key}")
            if len(data) != elements * dtype.itemsize:
                raise ValueError(f"storage {key} is not {elements} numbers of {dtype}")
            # A bytearray, since torch takes writable arrays only.
            self._storages[key, dtype] = _Storage(np.frombuffer(bytearray(data), dtype=dtype))
        return self._storages[key, dtype]

    def load_build(self) -> None:
        """Give a dictionary its attributes (``_metadata`` of a state dict) or a namespace its values."""
        state = self.stack.pop()
        if type(self.stack[-1]) not in (OrderedDict, argparse.Namespace):
            raise ValueError(f"a state for {type(self.stack[-1]).__name__}, which has none in torch's files")
        self.stack[-1].__dict__.update(state)

    dispatch[pickle.BUILD[0]] = load_build


def _rebuild_tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Stand in for torch's function of this name: a view into a storage, checked to lie inside it."""
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor without a storage")
    numbers = storage.numbers
    if len(size) != len(stride) or min((offset, *size, *stride), default=0) < 0:
        raise ValueError(f"a tensor of size {size} and strides {stride} at {offset}")
    last = offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(numbers):
        raise ValueError(f"a tensor that ends at {last} of a storage of {len(numbers)}")
    steps = tuple(step * numbers.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps)


def _rebuild_parameter(data: NDArray[Any], *_: Any) -> NDArray[Any]:
    """Stand in for torch's function of this name: a parameter is its tensor."""
    return data
