"""From a path or URI to the storage that can read it."""

from __future__ import annotations

import os
from os import PathLike

from cinemae.extras import install_hint, package_name
from cinemae.scan.storage.base import Storage
from cinemae.scan.storage.local import LocalStorage
from cinemae.scan.storage.uris import Address


def open_storage(place: str | PathLike[str]) -> Storage:
    """See :meth:`cinemae.scan.storage.Storage.of`."""
    address = Address.of(os.fspath(place))
    if not address.scheme:
        return LocalStorage(address.path)
    try:
        if address.scheme == "s3":
            from cinemae.scan.storage.arrow import ArrowStorage

            return ArrowStorage(address)
        if address.scheme in ("gs", "gcs"):
            from cinemae.scan.storage.gcs import GcsStorage

            return GcsStorage(address)
        if address.scheme in ("http", "https"):
            from cinemae.scan.storage.http import HttpStorage

            return HttpStorage(address)
        from cinemae.scan.storage.other import OtherStorage

        return OtherStorage(address)
    except ImportError as error:
        package = package_name(error.name) if error.name else str(error)
        raise ImportError(f"{address.scheme}:// needs {package}: {install_hint('scan')}") from error
