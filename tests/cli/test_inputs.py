"""What the arguments of ``cinemae detect`` stand for, and how it is opened."""

import io
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from cinemae.cli.download import DownloadError, download
from cinemae.cli.inputs import Input, RefusedInput, expand, open_inputs
from cinemae.images import UnreadableFileError, load_image
from toys import pink

PICTURE = b"GIF89a and what follows"


class Handler(BaseHTTPRequestHandler):
    """Serves a picture, errors, redirects, a flood and a drip."""

    def do_GET(self) -> None:
        if self.path == "/picture.gif":
            self._send(200, PICTURE)
        elif self.path == "/moved":
            self._send(302, b"", Location="/picture.gif")
        elif self.path in ("/to-file", "/to-ftp"):
            self._send(302, b"", Location={"/to-file": "file:///etc/hosts", "/to-ftp": "ftp://localhost/x"}[self.path])
        elif self.path == "/flood":
            self._send(200, bytes(200_000))
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self._send(404, b"gone")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up; that is what they are here for."""


@pytest.fixture(scope="module")
def site():
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def names(inputs: list[Input]) -> list[str]:
    return [item.name for item in inputs]


def test_folder_gives_images_at_any_depth_sorted_without_hidden_ones(album):
    assert names(expand([str(album)])) == [str(album / name) for name in ("a.JPG", "b.png", "deep/er/c.webp")]


def test_folder_names_stay_relative_and_links_to_folders_are_not_followed(album, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x.png").write_bytes(b"1")
    (tmp_path / "pictures" / "loop").symlink_to(tmp_path / "pictures", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert names(expand(["pictures"])) == [str(Path("pictures", "x.png"))]


def test_nothing_found_is_said_in_the_stream(tmp_path):
    found = expand([str(tmp_path), str(tmp_path / "*.png")])
    assert [item.kind for item in found] == ["refused", "refused"]
    assert "no image" in found[0].reason
    assert "matches" in found[1].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_folder_that_may_not_be_listed_is_a_refusal(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "closed").mkdir(mode=0)
    kinds = {item.name: item.kind for item in expand([str(tmp_path)])}
    assert kinds == {str(tmp_path / "a.png"): "path", str(tmp_path / "closed"): "refused"}


def test_folder_that_vanishes_is_a_refusal(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "gone").mkdir()
    real = os.scandir

    def scandir(path):
        if Path(path).name == "gone":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = expand([str(tmp_path)])
    assert {item.name: item.kind for item in found} == {
        str(tmp_path / "a.png"): "path",
        str(tmp_path / "gone"): "refused",
    }


def test_patterns(album):
    assert names(expand([str(album / "*.[pJ]*")])) == [str(album / "a.JPG"), str(album / "b.png")]
    assert names(expand([str(album / "**" / "*.webp")])) == [str(album / "deep" / "er" / "c.webp")]
    everything = names(expand([str(album / "*")]))
    assert everything == [str(album / name) for name in ("a.JPG", "b.png", "deep/er/c.webp", "notes.txt")]


def test_file_whose_name_looks_like_a_pattern(tmp_path):
    path = tmp_path / "photo[1].png"
    path.write_bytes(b"1")
    assert expand([str(path)]) == [Input(str(path))]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["a.png", "a.png"], 2),
        (["a.png", "./a.png"], 2),
        ([".", "a.png"], 1),
        (["a.png", "."], 1),
        ([".", "*.png", "."], 1),
        ([".", "a.png", "a.png"], 2),
        (["-", "-"], 2),
    ],
)
def test_twice_only_if_named_twice(arguments, count, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    assert len(expand(arguments)) == count


def test_missing_file_is_left_to_the_decoder(tmp_path):
    path = str(tmp_path / "none.png")
    assert list(open_inputs(expand([path]))) == [path]


def test_urls_need_a_flag_and_http():
    given = ["http://x.org/a.png", "HTTPS://x.org/a.png", "ftp://x.org/a.png", "file:///etc/hosts"]
    refused = expand(given)
    assert [item.kind for item in refused] == ["refused"] * 4
    assert all("--allow-url" in item.reason for item in refused)
    allowed = expand(given, allow_url=True)
    assert [item.kind for item in allowed] == ["url", "url", "refused", "refused"]


def test_standard_input_and_refusals_are_sources(monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(pink(1)).save(buffer, "PNG")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(buffer.getvalue())))
    first, second = open_inputs([Input("-", "stdin"), Input("http://x", "refused", "not allowed")])
    loaded = load_image(first)
    assert (loaded.name, loaded.facts.format) == ("-", "PNG")
    with pytest.raises(UnreadableFileError, match=r"^http://x: .*not allowed$"):
        load_image(second)


def test_file_name_that_is_no_text(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        Image.fromarray(pink(1)).save(path)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes only names that are text")
    (source,) = open_inputs(expand([str(tmp_path)]))
    loaded = load_image(source)
    assert loaded.name == str(tmp_path / r"\udcff.png")
    assert loaded.facts.width == 96
    (missing,) = open_inputs([Input(path.replace(".png", ".jpg"))])
    with pytest.raises(UnreadableFileError, match="No such file"):
        load_image(missing)


def test_download(site):
    assert download(f"{site}/picture.gif") == PICTURE
    assert download(f"{site}/moved") == PICTURE


@pytest.mark.parametrize(
    ("page", "limits", "reason"),
    [
        ("/missing", {}, "404"),
        ("/to-file", {}, "not allowed"),
        ("/to-ftp", {}, "unknown url type"),
        ("/flood", {"max_bytes": 100_000}, "more than 100,000 bytes"),
        ("/drip", {"deadline": 0.2}, "not there after 0.2 seconds"),
    ],
)
def test_download_that_fails_says_why(site, page, limits, reason):
    with pytest.raises(DownloadError, match=reason):
        download(site + page, **limits)


def test_url_that_is_no_url():
    for url in ("http://", "http://[", "http://127.0.0.1:1/"):
        with pytest.raises(DownloadError, match=r"\w+"):
            download(url)


def test_urls_in_the_stream(site):
    good, bad = open_inputs(expand([f"{site}/picture.gif", f"{site}/missing"], allow_url=True))
    assert (good.name, good.read()) == (f"{site}/picture.gif", PICTURE)
    assert isinstance(bad, RefusedInput)
    with pytest.raises(UnreadableFileError, match=f"^{re.escape(bad.name)}: .*404 Not Found$"):
        load_image(bad)
