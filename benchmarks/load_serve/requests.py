"""The mixture: which request a client makes next, and what it must get for it."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field, replace
from typing import Any

from .images import Refused

SHARES = {  # of 100 requests
    "form": 24, "raw": 22, "json": 9, "form of several": 9, "form of good and bad": 6, "map": 8, "slow upload": 3,
    "refused image": 9, "form of bad only": 2, "no image type": 1, "broken form": 1, "not JSON": 1, "too large": 1,
    "stalled upload": 1, "hangs up in the body": 2, "hangs up before the answer": 1,
}  # fmt: skip
GOOD = ("form", "raw", "json", "form of several", "form of good and bad", "map", "slow upload")
NO_ANSWER = ("hangs up in the body", "hangs up before the answer")


@dataclass(frozen=True)
class Item:
    """One image of a request.

    Attributes:
        name: What it is called: no other request's image is called so.
        key: Name of the good image, or of what is wrong with a bad one.
        data: The file's bytes.
    """

    name: str
    key: str
    data: bytes


@dataclass(frozen=True)
class Wanted:
    """A request, and what must come of it.

    Attributes:
        kind: Key of :data:`SHARES`.
        items: Its images.
        status: Status of the whole answer; 0 for none.
        body: The body.
        headers: Of the request.
        params: Of the request's address.
        pause: Seconds between the parts of a body that is sent slowly; 0 sends it whole.
    """

    kind: str
    items: list[Item]
    status: int
    body: bytes
    headers: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0


class Mixture:
    """Makes requests.

    Args:
        good: Images to score, by name.
        bad: Images that are refused, by what is wrong with them.
        most_bytes: Limit of the service's bodies.
        stall: Seconds that are longer than the service waits for a part of a body.
    """

    def __init__(self, good: dict[str, bytes], bad: dict[str, Refused], most_bytes: int, stall: float) -> None:
        self.good, self.bad = good, bad
        self.most_bytes, self.stall = most_bytes, stall

    def draw(self, rng: random.Random, label: str) -> Wanted:
        """Return the next request of a client; the label is in the names of its images."""
        (kind,) = rng.choices(list(SHARES), weights=list(SHARES.values()))
        return self.make(kind, rng, label)

    def make(self, kind: str, rng: random.Random, label: str) -> Wanted:
        """Return a request of this kind."""
        if kind in ("form of several", "form of good and bad"):
            keys = [rng.choice(list(self.good)) for _ in range(rng.randint(2, 4))]
            if kind == "form of good and bad":
                keys[rng.randrange(1, len(keys))] = rng.choice(list(self.bad))
            return self._form(kind, self._items(keys, label), 200)
        if kind == "form of bad only":
            items = self._items([rng.choice(list(self.bad))] * 2, label)
            return self._form(kind, items, self.bad[items[0].key].status)
        if kind == "refused image":
            key = rng.choice(list(self.bad))
            items = self._items([key], label)
            whole = self._raw if rng.random() < 0.5 else self._form
            return whole(kind, items, self.bad[key].status)
        items = self._items([rng.choice(list(self.good))], label)
        if kind == "form":
            return self._form(kind, items, 200)
        if kind in ("raw", "hangs up before the answer"):
            return self._raw(kind, items, 200 if kind == "raw" else 0)
        if kind == "json":
            images = [{"name": item.name, "data": base64.b64encode(item.data).decode()} for item in items]
            return Wanted(
                kind, items, 200, json.dumps({"images": images}).encode(), {"content-type": "application/json"}
            )
        if kind == "map":
            wanted = self._raw(kind, items, 200)
            wanted.params["map"] = "true"
            return wanted
        if kind == "slow upload":
            return self._raw(kind, items, 200, pause=rng.uniform(0.1, 0.5))
        if kind == "stalled upload":
            return replace(self._raw(kind, items, 408, pause=self.stall), items=[])
        if kind == "hangs up in the body":
            return self._raw(kind, items, 0, pause=0.2)
        return self._malformed(kind, items)

    def _malformed(self, kind: str, items: list[Item]) -> Wanted:
        if kind == "no image type":
            return Wanted(kind, [], 415, items[0].data, {"content-type": "text/plain"})
        if kind == "broken form":
            form = self._form(kind, items, 400)
            return Wanted(kind, [], 400, form.body[: len(form.body) // 2], form.headers)
        if kind == "not JSON":
            return Wanted(kind, [], 400, b'{"images": [', {"content-type": "application/json"})
        if kind == "too large":
            return Wanted(kind, [], 413, bytes(self.most_bytes + 1), {"content-type": "image/png"})
        raise ValueError(f"no such kind of request: {kind}")

    def _items(self, keys: list[str], label: str) -> list[Item]:
        return [
            Item(f"{label}-{place}-{key}", key, self.good[key] if key in self.good else self.bad[key].data)
            for place, key in enumerate(keys)
        ]

    @staticmethod
    def _raw(kind: str, items: list[Item], status: int, pause: float = 0.0) -> Wanted:
        (item,) = items
        headers = {"content-type": "application/octet-stream"}
        return Wanted(kind, items, status, item.data, headers, {"name": item.name}, pause)

    @staticmethod
    def _form(kind: str, items: list[Item], status: int) -> Wanted:
        mark = f"cut-{items[0].name}"
        parts: list[bytes] = []
        for item in items:
            parts.append(
                f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{item.name}"\r\n'.encode()
            )
            parts += [b"Content-Type: application/octet-stream\r\n\r\n", item.data, b"\r\n"]
        body = b"".join([*parts, f"--{mark}--\r\n".encode()])
        return Wanted(kind, items, status, body, {"content-type": f"multipart/form-data; boundary={mark}"})


def expected_results(wanted: Wanted, known: dict[str, Any], bad: dict[str, Refused]) -> list[dict[str, Any]]:
    """Return what each image's result must say.

    Args:
        wanted: The request.
        known: Verdicts and maps of the good images, as scored offline.
        bad: The bad images.
    """
    results: list[dict[str, Any]] = []
    for item in wanted.items:
        if item.key in known:
            facts = {"status": 200, "error": None, **known[item.key]["verdict"]}
            results.append(facts | ({"bits": known[item.key]["bits"]} if wanted.kind == "map" else {}))
        else:
            results.append({"status": bad[item.key].status, "error": bad[item.key].error})
    return results
