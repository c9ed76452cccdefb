"""A server with the toy model and a browser for the tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from serve.page.browser import Open, Visit, browsing, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; not for the whole session, since Playwright's event loop is in the way of other tests' loops."""
    with browsing() as started:
        yield started


@pytest.fixture(scope="session")
def server(head_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server without keys."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(log, "--model", head_folder, "--device", "cpu", "--jobs", 1) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Open]:
    """Open the page in a tab of its own; the test fails if anything goes wrong there."""
    made: list[Visit] = []

    def make(**options: object) -> Visit:
        made.append(Visit(browser, server, **options))
        return made[-1].open()

    yield make
    for each in made:
        each.close()
