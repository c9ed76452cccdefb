"""Compiling a graph for this machine, once: what was compiled is kept in the user's cache folder.

Compiling the shipped MAEs takes longer than scoring an image with them. A cache file is written under
another name and then renamed, so that programs that start at the same time never see half of one;
where the folder can't be written, each start compiles anew.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cinemae.mae import frozen, openvino_graph
from cinemae.mae.openvino_library import ov
from cinemae.mae.select import cpu_flags

log = logging.getLogger(__name__)
CACHE_VARIABLE = "CINEMAE_CACHE"
MOST_BYTES = 100_000_000  # a larger MAE takes longer to read twice than to compile


def compile_graph(build: Callable[[], ov.Model], key: str, settings: dict[str, Any]) -> ov.CompiledModel:
    """Return a compiled graph, from the cache if it is there.

    Args:
        build: Makes the graph; not called if a compiled one is found.
        key: Names the weights and the shape; the settings, the machine, OpenVINO and the code that
            builds graphs are added to it.
        settings: OpenVINO's properties.
    """
    core = ov.Core()
    path = cache_folder() / f"{_digest(key, settings)}.blob"
    if (blob := _read(path)) is not None:
        try:
            return core.import_model(blob, "CPU", settings)
        except RuntimeError as error:
            log.warning("%s: can't be used, compiling again: %s", path, error)
    compiled = core.compile_model(build(), "CPU", settings)
    _write(path, compiled)
    return compiled


def cache_folder() -> Path:
    """Return the folder of compiled graphs: ``$CINEMAE_CACHE``, or ``cinemae`` in the user's cache folder."""
    if place := os.environ.get(CACHE_VARIABLE):
        return Path(place)
    from platformdirs import user_cache_path

    return user_cache_path("cinemae", appauthor=False)


def _digest(key: str, settings: dict[str, Any]) -> str:
    code = b"".join(inspect.getsource(module).encode() for module in (openvino_graph, frozen))
    parts = [key, repr(sorted(settings.items(), key=str)), ov.get_version(), *sorted(cpu_flags())]
    return hashlib.sha256("\n".join(parts).encode() + code).hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """Return a blob whose checksum, which stands before it, is right; None if there is none."""
    try:
        data = path.read_bytes()
    except OSError:  # not there, or not ours to read: compile
        return None
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        log.warning("%s: damaged, compiling again", path)
        return None
    return data[32:]


def _write(path: Path, compiled: ov.CompiledModel) -> None:
    blob = compiled.export_model().getvalue()
    if len(blob) > MOST_BYTES:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(hashlib.sha256(blob).digest())
                stream.write(blob)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:  # a read-only or full disk must not keep anybody from scoring
        log.info("%s: not kept: %s", path, error)
