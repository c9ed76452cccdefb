"""A real browser on a real server: starting both, and watching what a page does that it should not."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from cinemae.verdict import Verdict
from pictures import encode
from processes import environment, start
from toys import pink

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
TITLES = {"ai": "Looks AI-generated", "real": "Looks real", "inconclusive": "Inconclusive"}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 20_000  # ms that a page may take; the machine may be busy

GIVE = """([files, how]) => {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    for (const [name, type, data] of files) given.items.add(new File([bytes(data)], name, { type }));
    const options = { bubbles: true, cancelable: true };
    if (how === 'paste') document.body.dispatchEvent(new ClipboardEvent(how, { ...options, clipboardData: given }));
    else document.body.dispatchEvent(new DragEvent(how, { ...options, dataTransfer: given }));
}"""


def said(verdict: Verdict) -> str:
    """The line that a card shows."""
    assert verdict.verdict is not None
    assert verdict.probability is not None
    share = f"{100 * verdict.probability:.0f} %"
    if not 0.01 <= verdict.probability <= 0.99:
        share = "under 1 %" if verdict.probability < 0.5 else "over 99 %"
    return f"{TITLES[verdict.verdict]}, AI probability {share}"


def png_of(seed: int, draw: Callable[[int], np.ndarray] = pink) -> bytes:
    """A toy picture as a PNG file."""
    return encode(draw(seed), "PNG")


def find_browser() -> str:
    """Return the path of a Chromium."""
    path = os.environ.get("CINEMAE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail("no Chromium: `scripts/browser.sh` installs one and prints its path, for CINEMAE_BROWSER")
    return path


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@contextmanager
def serving(log: Path, *options: object, **variables: str) -> Iterator[str]:
    """Run ``cinemae serve`` with these options until the test is done; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("w") as written:
        streams = {"stdout": written, "stderr": subprocess.STDOUT}
        process = start("serve", "--port", port, *options, env=environment(**variables), **streams)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(address: str, process: subprocess.Popen[str], log: Path) -> None:
    """Wait until a server is ready; fail with its log if it ends before."""
    until = time.monotonic() + 600
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except HTTPError as error:  # it answers, and is not ready yet
            error.close()
        except URLError:  # nobody listens yet
            pass
        time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


class Outline(HTMLParser):
    """The tags of a document, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


class Visit:
    """One tab on the page, and all that went wrong in it.

    Attributes:
        page: The tab.
        faults: Console errors, script errors, policy violations and requests to other origins.
        refusals: Whether answers with an error status are part of the test; a browser logs each.
    """

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context = browser.new_context(**({"color_scheme": "light", "accept_downloads": True} | options))
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.address, self.faults, self.refusals = address, list[str](), False
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning") and not (self.refusals and "Failed to load resource" in message.text):
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("blob", "data") and f"{url.scheme}://{url.netloc}" != self.address:
            self.faults.append(f"request: {request.url}")

    def open(self) -> Visit:
        """Load the page, until it knows the model."""
        self.page.goto(self.address)
        expect(self.page.locator("#model")).not_to_contain_text("asking")
        return self

    def give(self, *files: tuple[str, bytes], how: str = "pick", kind: str = "image/png") -> Visit:
        """Hand files to the page: ``pick``, ``drop`` or ``paste``."""
        if how == "pick":
            payload = [{"name": name, "mimeType": kind, "buffer": data} for name, data in files]
            self.page.set_input_files("#pick", payload)  # type: ignore[arg-type]
        else:
            self.page.evaluate(GIVE, [[[name, kind, base64.b64encode(data).decode()] for name, data in files], how])
        return self

    def score(self, *files: tuple[str, bytes], **options: str) -> Locator:
        """Hand files to the page, wait until all cards have ended, and return these."""
        before = self.cards.count()
        self.give(*files, **options)
        expect(self.cards).to_have_count(before + len(files))
        expect(self.page.locator("#progress")).to_be_hidden()
        return self.cards

    @property
    def cards(self) -> Locator:
        """The cards of the list."""
        return self.page.locator(".card")

    def details(self, card: Locator) -> Locator:
        """Open a card's details and return it when its picture is drawn."""
        more = card.get_by_role("button", name="Details")
        if more.get_attribute("aria-expanded") == "false":
            more.click()
        expect(card.locator(".stage")).not_to_have_attribute("aria-busy", "true")
        return card

    def save(self, button: Locator, place: Path) -> Path:
        """Press a button that downloads, and return the file."""
        with self.page.expect_download() as download:
            button.click()
        path = place / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def close(self) -> None:
        """Close the tab and fail if anything went wrong in it."""
        self.context.close()
        assert self.faults == []


Open = Callable[..., Visit]
