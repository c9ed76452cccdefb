"""Every command that the README shows is run, as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cinemae.verdict import Verdict
from pictures import photo
from toys import pink

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's commands name."""
    place = tmp_path_factory.mktemp("desk")
    (place / "pictures").mkdir()
    Image.fromarray(photo()).save(place / "photo.jpg")
    shutil.copy(ROOT / "samples" / "chelsea.jpg", place / "pictures")
    shutil.copy(ROOT / "samples" / "drawn-waves.png", place / "pictures")
    shutil.copytree(ROOT / "configs", place / "configs")
    for label, folder in enumerate(("nature", "ai")):
        (place / "DATA" / "toy" / "val" / folder).mkdir(parents=True)
        for number in range(6):
            picture = Image.fromarray(pink(20 * label + number))
            picture.save(place / "DATA" / "toy" / "val" / folder / f"{folder}{number}.png")
    return place


ENDLESS = "cinemae serve"
ENDING = [line for line in commands() if not line.startswith(("make ", ENDLESS))]


@pytest.mark.parametrize("line", ENDING)
def test_a_command_runs(line: str, desk: Path) -> None:
    assert shlex.split(line)[0] == "cinemae"
    shell = f"{shlex.quote(sys.executable)} -m {line}"
    done = subprocess.run(shell, shell=True, cwd=desk, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    if "--json" in line:
        verdicts = [Verdict.model_validate_json(row) for row in done.stdout.splitlines()]
        assert verdicts
        assert all(verdict.probability is not None for verdict in verdicts)
    if "--map" in line:
        assert len(list((desk / "maps").glob("*.png"))) == 4
    if "scan summary" in line:
        assert "2" in done.stdout


def test_the_service_serves(desk: Path) -> None:
    (line,) = {line for line in commands() if line.startswith(ENDLESS)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The port of the README may be taken here; everything else is as it stands there.
    command = [sys.executable, "-m", *shlex.split(line), "--port", str(port)]
    server = subprocess.Popen(command, cwd=desk, stderr=subprocess.DEVNULL)
    try:
        page = patiently(f"http://127.0.0.1:{port}/", server)
        assert page.status_code == 200
        assert "cinemae" in page.text
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/detect",
            files={"file": ("a.jpg", (desk / "photo.jpg").read_bytes())},
            timeout=600,
        )
        assert answer.json()["results"][0]["verdict"]["probability"] is not None
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()


def patiently(url: str, server: subprocess.Popen[bytes]) -> httpx.Response:
    """Get a page of a service that is about to start."""
    end = time.monotonic() + 600
    while True:
        assert server.poll() is None, "the service has ended"
        assert time.monotonic() < end
        try:
            return httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.2)


def test_the_python_example_runs(desk: Path) -> None:
    (example,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", example], cwd=desk, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("ai", "real", "inconclusive")


def test_the_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = [line.removeprefix("make ") for line in commands() if line.startswith("make ")]
    assert named == ["demo", "test"]
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_linked_files_and_named_commands_exist() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    shown = subprocess.run([sys.executable, "-m", "cinemae", "--help"], capture_output=True, text=True, timeout=600)
    for name in re.findall(r"^\| `cinemae ([\w-]+)` ", README, flags=re.MULTILINE):
        assert re.search(rf"\b{name}\b", shown.stdout), name
