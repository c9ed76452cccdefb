"""Single values out of big Parquet tables, without ever holding a row group.

Rows are asked for in order, more or less: several threads read a part's items. So a table is read
forwards, a few rows at a time, and the last few batches are kept; in memory are these and one page of
the file. Going back means to begin the row group again: right, but slow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from threading import Lock
from typing import Any, BinaryIO

from cinemae.extras import install_hint

_BATCH_BYTES = 8 << 20  # of values, about; a row group has seldom much larger ones beside small ones
_BATCH_ROWS = 256
_BATCHES = 4  # kept of each table
_TABLES = 4  # open at the same time
_BUFFER = 1 << 20


def open_table(file: BinaryIO) -> Any:
    """Open a Parquet file, so that a column is read as a stream; without a buffer a whole row group's is held.

    Raises:
        pyarrow.ArrowException: If it is broken.
        ImportError: If pyarrow is missing.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError(f"Parquet tables need pyarrow: {install_hint('parquet')}") from error
    return parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)


class Cursor:
    """One column of one table, read forwards."""

    def __init__(self, file: BinaryIO, column: str) -> None:
        """Read the table's footer.

        Raises:
            pyarrow.ArrowException: If it is broken.
            KeyError: If there is no such column.
        """
        self.lock = Lock()
        self.closed = False
        self._file, self._column = file, column
        self._table = open_table(file)
        if column not in self._table.schema_arrow.names:
            raise KeyError(column)
        groups = self._table.metadata.num_row_groups
        self._starts = [0, *accumulate(self._table.metadata.row_group(group).num_rows for group in range(groups))]
        self._batches: Iterator[Any] = iter(())
        self._window: deque[tuple[int, Any]] = deque(maxlen=_BATCHES)
        self._group, self._next = -1, 0

    def value(self, row: int) -> Any:
        """Return one value; hold the lock.

        Raises:
            IndexError: If there are fewer rows.
            pyarrow.ArrowException: If the table is broken.
            OSError: If it can't be read.
            ValueError: If a row group is shorter than it says.
        """
        if not 0 <= row < self._starts[-1]:
            raise IndexError(row)
        for start, batch in self._window:
            if start <= row < start + len(batch):
                return batch[row - start].as_py()
        group = bisect_right(self._starts, row) - 1
        if group != self._group or row < self._next:
            self._begin(group)
        while True:
            read = next(self._batches, None)
            if read is None:
                raise ValueError(f"row group {group} ends before row {row}")
            batch = read.column(0)
            start, self._next = self._next, self._next + len(batch)
            self._window.append((start, batch))
            if row < self._next:
                return batch[row - start].as_py()

    def close(self) -> None:
        """Close the file; hold the lock."""
        self.closed = True
        self._batches = iter(())
        self._window.clear()
        self._file.close()

    def _begin(self, group: int) -> None:
        facts = self._table.metadata.row_group(group)
        parts = [facts.column(number) for number in range(facts.num_columns)]
        size = sum(part.total_uncompressed_size for part in parts if self._is_ours(part.path_in_schema))
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * facts.num_rows // max(1, size)))
        self._group, self._next = group, self._starts[group]
        self._batches = self._table.iter_batches(
            batch_size=rows, row_groups=[group], columns=[self._column], use_threads=False
        )

    def _is_ours(self, path: str) -> bool:
        return path == self._column or path.startswith(f"{self._column}.")


class Cells:
    """The cursors of the tables that were read last; safe to use in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cursors: OrderedDict[tuple[str, str], Cursor] = OrderedDict()

    def value(self, place: str, column: str, row: int, open_file: Callable[[], BinaryIO]) -> Any:
        """Return one value.

        Args:
            place: The table; what cursors are kept by.
            column: Column.
            row: Row, from 0.
            open_file: Opens the table if it isn't open yet.

        Raises:
            KeyError: If there is no such column.
            IndexError: If there is no such row.
            pyarrow.ArrowException: If the table is broken.
            OSError: If it can't be read.
        """
        while True:
            cursor = self._cursor((place, column), open_file)
            with cursor.lock:
                if cursor.closed:  # by a thread that needed the room, since we got it
                    continue
                try:
                    return cursor.value(row)
                except Exception:
                    self._forget((place, column), cursor)  # where it stands is not known any more
                    raise

    def close(self) -> None:
        """Close all tables."""
        with self._lock:
            old = list(self._cursors.values())
            self._cursors.clear()
        for one in old:
            with one.lock:
                one.close()

    def _cursor(self, key: tuple[str, str], open_file: Callable[[], BinaryIO]) -> Cursor:
        with self._lock:
            cursor = self._cursors.get(key)
            if cursor is None:
                file = open_file()
                try:
                    cursor = self._cursors[key] = Cursor(file, key[1])
                except BaseException:
                    file.close()
                    raise
            self._cursors.move_to_end(key)
            old = [self._cursors.popitem(last=False)[1] for _ in range(len(self._cursors) - _TABLES)]
        for one in old:
            with one.lock:  # another thread may still be reading
                one.close()
        return cursor

    def _forget(self, key: tuple[str, str], cursor: Cursor) -> None:
        with self._lock:
            if self._cursors.get(key) is cursor:
                del self._cursors[key]
        cursor.close()
