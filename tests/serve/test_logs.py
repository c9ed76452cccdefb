"""Logs: one JSON object a line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from cinemae.serve.logs import JsonFormatter, frames_of


def record(**extra: object) -> logging.LogRecord:
    return logging.getLogger("a").makeRecord("a", logging.INFO, "file", 1, "said %s\nover", ("it",), None, extra=extra)


def test_a_line_has_time_level_message_and_what_was_added():
    line = JsonFormatter().format(record(status=200, place=None, _mark_of_a_library=7))
    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {"level": "info", "logger": "a", "message": "said it\nover", "status": 200, "place": None}


def test_of_an_error_the_class_and_the_frames_are_told_not_the_text():
    try:
        raise ValueError("secret.png")
    except ValueError as error:
        caught = record()
        caught.exc_info = (type(error), error, error.__traceback__)
        (frame,) = frames_of(error)
    line = JsonFormatter().format(caught)
    assert json.loads(line)["error"] == "ValueError"
    assert "test_of_an_error" in frame
    assert "secret" not in line


def test_all_loggers_of_a_process_write_so():
    code = (
        "import logging, warnings\n"
        "from cinemae.serve.logs import configure\n"
        "logging.getLogger('uvicorn.error').addHandler(logging.StreamHandler())\n"
        "configure('INFO')\n"
        "for name in ('uvicorn.error', 'uvicorn.access', 'cinemae.serve', 'other'):\n"
        "    logging.getLogger(name).info('hello')\n"
        "    logging.getLogger(name).debug('not this')\n"
        "warnings.warn('careful')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["uvicorn.error", "cinemae.serve", "other", "py.warnings"]
    assert done.stdout == ""
