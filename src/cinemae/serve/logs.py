"""Structured logs: one JSON object a line on standard error, uvicorn's own lines too.

What a client sends, the names of its files among it, is never logged.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, and whatever ``extra`` gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # Names with an underscore in front are other libraries' marks on every record.
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN and name[0] != "_"}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": type(record.exc_info[1]).__name__, "frames": frames_of(record.exc_info[1])}
        return json.dumps(line, default=str)


def frames_of(error: BaseException) -> list[str]:
    """Return where an error came from, innermost last; not its text, which may name a client's file."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def configure(level: str) -> None:
    """Send the records of all loggers to standard error in this form; done once a process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], name != "uvicorn.access"  # the service writes that line itself
    logging.captureWarnings(True)
