"""Tables of a benchmark in a page of the documentation."""

from __future__ import annotations

from pathlib import Path


def write_docs(page: Path, **sections: str) -> None:
    """Put each text between the page's marks ``<!-- name:start -->`` and ``<!-- name:end -->``.

    Raises:
        ValueError: If the page lacks a mark.
    """
    text = page.read_text()
    for name, section in sections.items():
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        if start not in text or end not in text:
            raise ValueError(f"{page}: no {start} ... {end}")
        text = f"{text.split(start)[0]}{start}\n\n{section.strip()}\n\n{end}{text.split(end)[1]}"
    page.write_text(text)
