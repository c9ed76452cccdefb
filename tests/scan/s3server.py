"""A real S3 server process, and a proxy in front of it that fails by a seeded choice.

Test modules get the fixtures by ``pytest_plugins = ["scan.s3server"]``.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pyarrow.fs as fs
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret"}


@dataclass
class S3Server:
    """A running server.

    Attributes:
        endpoint: Host and port.
    """

    endpoint: str

    def uri(self, path: str, **options: object) -> str:
        """The URI of a bucket or key, with the options that reach it."""
        given = {"region": "us-east-1", "scheme": "http", "endpoint_override": self.endpoint} | options
        return f"s3://{path}?" + "&".join(f"{name}={value}" for name, value in given.items())

    def url(self, path: str) -> str:
        """The plain URL of an object; the server asks for no key."""
        return f"http://{self.endpoint}/{path}"

    def put(self, path: str, data: bytes) -> None:
        """Store an object, without the code under test."""
        bucket, _, key = path.partition("/")
        system = fs.S3FileSystem(
            access_key="testing",
            secret_key="testing-secret",
            endpoint_override=self.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        system.create_dir(bucket)
        with system.open_output_stream(f"{bucket}/{key}") as stream:
            stream.write(data)


@dataclass
class Faults:
    """What a proxy does to requests.

    Attributes:
        shares: Share of the requests that meet each fault: ``500``, ``503``, ``drop`` (no answer),
            ``cut`` (half a body), ``late`` (a pause before the answer).
        pause: Of ``late``, seconds.
        broken: Paths that always meet a fault, and which.
        seen: How often each happened; ``ok`` is none.
    """

    shares: dict[str, float] = field(default_factory=dict)
    pause: float = 0.3
    broken: dict[str, str] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    random: random.Random = field(default_factory=lambda: random.Random(0))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, path: str) -> str:
        """Choose what happens to a request."""
        with self.lock:
            kind = self.broken.get(path.partition("?")[0]) or self._any()
            self.seen[kind] += 1
            return kind

    def _any(self) -> str:
        at = self.random.random()
        for kind, share in self.shares.items():
            if (at := at - share) < 0:
                return kind
        return "ok"


_OF_ONE_HOP = ("transfer-encoding", "expect", "connection", "content-length")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client to acknowledge its headers
    target: ClassVar[str]
    faults: ClassVar[Faults]

    def forward(self) -> None:
        body = self.body()
        fault = self.faults.choose(self.path)
        if fault in ("500", "503"):
            self.send_response(int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "drop":
            self.hang_up()
            return
        if fault == "late":
            time.sleep(self.faults.pause)
        upstream = http.client.HTTPConnection(self.target, timeout=600)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            self.answer(answer, answer.read(), cut=fault == "cut")
        finally:
            upstream.close()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def answer(self, answer: http.client.HTTPResponse, body: bytes, *, cut: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", size or "0")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *arguments: Any) -> None:
        """Say nothing of clients that went away: with short timeouts they do."""


class FaultyS3(S3Server):
    """The same server behind a proxy.

    Attributes:
        faults: What the proxy does; none at first.
    """

    def __init__(self, target: str) -> None:
        self.faults = Faults()
        handler = type("Handler", (_Handler,), {"target": target, "faults": self.faults})
        self._server = _Server(("127.0.0.1", 0), handler)
        super().__init__(f"127.0.0.1:{self._server.server_address[1]}")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the proxy."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server process that works."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", endpoint.split(":")[1]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | KEYS)
    try:
        _wait(process, endpoint)
        yield S3Server(endpoint)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment, and nothing else of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (KEYS | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def faulty(s3: S3Server, s3_keys: None) -> Iterator[FaultyS3]:
    """The server behind a proxy that can fail."""
    proxy = FaultyS3(s3.endpoint)
    try:
        yield proxy
    finally:
        proxy.close()


def _wait(process: subprocess.Popen[bytes], endpoint: str) -> None:
    host, _, port = endpoint.partition(":")
    end = time.monotonic() + 600
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
