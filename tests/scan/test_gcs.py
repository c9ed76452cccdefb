"""Google Cloud Storage against a small imitation of its JSON API: no server of it can be installed with pip."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from cinemae.scan.items import MissingItemError
from cinemae.scan.sources import list_items, read_item
from cinemae.scan.storage import MissingError, Storage

# In a process of its own: pyarrow holds the interpreter while it waits for an answer.
SERVER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

OBJECTS = {"a/1.jpg": b"one", "a/b/2.jpg": b"two", "a/b/c/3.png": b"three", "a/b.txt": b"", "a/.x/4.jpg": b""}
OBJECTS["z.jpg"] = b"z"

def facts(name):
    dates = {"updated": "2026-01-01T00:00:00Z", "timeCreated": "2026-01-01T00:00:00Z"}
    size = str(len(OBJECTS[name]))
    return {"kind": "storage#object", "id": name, "name": name, "bucket": "bucket", "size": size, **dates}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        head, _, name = parts.path.partition("/storage/v1/b/bucket/o")
        name = unquote(name.strip("/"))
        if parts.path == "/storage/v1/b/bucket":
            self.say(200, b'{"kind": "storage#bucket", "id": "bucket", "name": "bucket"}')
        elif name in OBJECTS:
            self.say(200, OBJECTS[name] if query.get("alt") == "media" else json.dumps(facts(name)).encode())
        elif name or head:
            self.say(404, b'{"error": {"code": 404, "message": "none"}}')
        else:
            prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
            found = [name for name in sorted(OBJECTS) if name.startswith(prefix)]
            deep = [name for name in found if delimiter and delimiter in name[len(prefix):]]
            prefixes = sorted({prefix + name[len(prefix):].split("/")[0] + "/" for name in deep})
            items = [facts(name) for name in found if name not in deep]
            self.say(200, json.dumps({"kind": "storage#objects", "items": items, "prefixes": prefixes}).encode())

    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def options() -> Iterator[str]:
    """The query that leads to the imitation."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"?anonymous=true&scheme=http&endpoint_override=127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_bucket_is_listed_with_folders_that_no_object_stands_for(options: str) -> None:
    source = f"gs://bucket/a{options}"
    items = list(list_items(source))
    assert {item.id: read_item(item, source=source) for item in items} == {
        "1.jpg": b"one",
        "b/2.jpg": b"two",
        "b/c/3.png": b"three",
    }
    assert [item.place for item in items] == [f"gs://bucket/a/{item.id}" for item in items]
    assert [item.id for item in list_items(f"gs://bucket/{options}")] == [
        "a/1.jpg",
        "a/b/2.jpg",
        "a/b/c/3.png",
        "z.jpg",
    ]


def test_patterns_and_folders(options: str) -> None:
    storage = Storage.of(f"gs://bucket{options}")
    found = [(entry.path, entry.is_folder) for entry in storage.children("a")]
    assert found == [("a/1.jpg", False), ("a/b", True), ("a/b.txt", False)]
    assert storage.names("a") == ["1.jpg", "b.txt"]
    assert [item.id for item in list_items(f"gs://bucket/a/*/*.jpg{options}")] == ["b/2.jpg"]


def test_what_is_not_there(options: str) -> None:
    with pytest.raises(MissingError):
        list_items(f"gs://bucket/none{options}")
    (item,) = list_items(f"gs://bucket/z.jpg{options}")
    with pytest.raises(MissingItemError, match=r"^z\.jpg: no such file"):
        read_item(item.model_copy(update={"place": "gs://bucket/none.jpg"}), source=f"gs://bucket{options}")
