"""Where scans read and write: local folders, S3, GCS, HTTP and whatever else fsspec knows, behind one class."""

from cinemae.scan.storage.base import MOST_BYTES, Entry, MissingError, Storage, StorageError, TooLargeError
from cinemae.scan.storage.uris import public

__all__ = ["MOST_BYTES", "Entry", "MissingError", "Storage", "StorageError", "TooLargeError", "public"]
