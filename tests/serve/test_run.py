"""``cinemae serve`` as a process: it starts, answers, counts over its workers, and ends in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cinemae.serve.metrics import forget_dead
from pictures import encode
from processes import environment, start
from toys import pink

PNG = {"content-type": "image/png"}


class Server:
    """A running service.

    Attributes:
        url: Where it listens.
        process: Its process, or that of the workers' parent.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.url, self.port = process, f"http://127.0.0.1:{port}", port
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with self.process.stderr:
            self.lines.extend(self.process.stderr)

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 600
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("".join(self.lines))

    def wait_for_line(self, text: str, count: int) -> None:
        """Wait until so many lines of the log have this text."""
        end = time.monotonic() + 600
        while sum(text in line for line in list(self.lines)) < count:
            assert time.monotonic() < end, "".join(self.lines)
            time.sleep(0.1)

    def workers(self) -> list[int]:
        """Return the processes that said that they started."""
        return [int(number) for number in re.findall(r"Started server process \[(\d+)\]", "".join(self.lines))]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(40)
        self.reader.join(10)
        return status


@contextmanager
def server(head: Path, *options: object, **surroundings: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("serve", "--port", port, "--model", head, "--device", "cpu", *options)
    process = start(*arguments, stdout=subprocess.DEVNULL, env=environment(**surroundings))
    running = Server(process, port)
    try:
        running.wait_until_ready()
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        running.reader.join(10)


def test_it_answers_finishes_what_it_has_when_told_to_stop_and_logs_json(head_folder, detector):
    data = encode(pink(1, 700), "PNG")
    wanted = detector.score(data).verdict.probability
    files = [("file", ("a.png", data, "image/png"))] * 32
    serving = server(head_folder, "--jobs", 1, "--max-body", 48)
    with serving as running, httpx.Client(base_url=running.url, timeout=600) as other:
        assert "text/html" in other.get("/").headers["content-type"]
        # Who sends too much still gets to read why.
        large = httpx.post(f"{running.url}/v1/detect", content=bytes(50 << 20), headers=PNG, timeout=600)
        assert (large.status_code, large.json()["type"]) == (413, "urn:cinemae:problem:body-too-large")
        # Who hangs up leaves the queue.
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{running.url}/v1/detect", files=files, timeout=httpx.Timeout(60, read=0.1))
        text = ""
        while "cinemae_disconnects_total 1.0" not in text or "cinemae_images_running 0.0" not in text:
            text = other.get("/metrics").text
        assert "cinemae_images_waiting 0.0" in text
        assert int(float(re.search(r"cinemae_image_seconds_count (\S+)", text)[1])) < 32
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(httpx.post, f"{running.url}/v1/detect", files=files, timeout=600)
            while "cinemae_images_running 1.0" not in other.get("/metrics").text:
                assert not asked.done()
            running.process.send_signal(signal.SIGTERM)
            while (ready := other.get("/readyz")).status_code == 200:
                assert not asked.done()
            refused = other.post("/v1/detect", content=data, headers=PNG)
            assert not asked.done()  # all of this while the work in hand goes on
            answer = asked.result()
        assert running.process.wait(20) == 0
        running.reader.join(10)
    assert ready.json()["type"] == refused.json()["type"] == "urn:cinemae:problem:draining"
    assert [result["verdict"]["probability"] for result in answer.json()["results"]] == [wanted] * 32
    lines = [json.loads(line) for line in running.lines]
    assert {"time", "level", "message"} <= set.intersection(*map(set, lines))
    assert [line["status"] for line in lines if line.get("route") == "/v1/detect"] == [413, 499, 503, 200]
    assert "drained" in [line["message"] for line in lines]


def test_two_workers_share_the_port_and_the_counters(head_folder, images, tmp_path):
    with server(head_folder, "--workers", 2, "--jobs", 1, TMPDIR=str(tmp_path)) as running:
        pattern = r"cinemae_model_info\{.*\} 2\.0"
        end = time.monotonic() + 600
        while not re.search(pattern, httpx.get(f"{running.url}/metrics").text):  # both are up
            assert time.monotonic() < end, "".join(running.lines)
            time.sleep(0.2)
        wanted: dict[str, float] = {}
        for _ in range(3):
            for name, data in list(images.items())[:4]:
                answer = httpx.post(f"{running.url}/v1/detect", content=data, headers=PNG, timeout=600)
                probability = answer.json()["results"][0]["verdict"]["probability"]
                assert wanted.setdefault(name, probability) == probability
        text = httpx.get(f"{running.url}/metrics").text
        counted = re.findall(r"cinemae_image_seconds_count (\S+)", text)
        assert [float(count) for count in counted] == [12]
        victim = running.workers()[0]
        os.kill(victim, signal.SIGKILL)  # as a decoder that crashes would
        running.wait_for_line("Started server process", 3)
        while not re.search(pattern, httpx.get(f"{running.url}/metrics").text):
            assert time.monotonic() < end, "".join(running.lines)
            time.sleep(0.2)
        assert "cinemae_image_seconds_count 12.0" in httpx.get(f"{running.url}/metrics").text
        folder = list(tmp_path.glob("cinemae-metrics-*"))
        assert len(folder) == 1
        assert running.stop() == 0
    assert not folder[0].exists()
    assert not any("Traceback" in line for line in running.lines)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_loaded_ends_the_service(workers, tmp_path):
    process = start("serve", "--port", 0, "--workers", workers, "--model", tmp_path, "--device", "cpu")
    _, said = process.communicate(timeout=600)
    assert process.returncode == 2
    assert str(tmp_path) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken_ends_the_service(head_folder, workers):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("serve", "--port", port, "--workers", workers, "--model", head_folder, "--device", "cpu")
        _, said = process.communicate(timeout=600)
    assert process.returncode == 2
    assert said == f"cinemae: port {port} is in use by another program; stop it, or give another --port\n"


def test_an_address_that_is_not_here_is_said_before_anything_is_loaded():
    from cinemae.serve.run import AddressError, check_address

    check_address("127.0.0.1", 0)
    with pytest.raises(AddressError, match=r"192\.0\.2\.1 is no address of this machine"):
        check_address("192.0.2.1", 8000)
    with pytest.raises(AddressError, match=r"can't listen at no\.such\.host\.invalid"):
        check_address("no.such.host.invalid", 8000)


def test_gauges_of_dead_workers_are_forgotten(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"gauge_livesum_{dead.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{dead.pid}.db"]
    for name in names:
        (tmp_path / name).touch()
    forget_dead(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
