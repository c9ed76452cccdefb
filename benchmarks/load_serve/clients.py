"""The clients: they ask all the time, check every answer, and count."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from .images import Refused
from .requests import NO_ANSWER, Mixture, Wanted, expected_results

PARTS = 5  # of a body that is sent slowly
DELIBERATE = ("urn:cinemae:problem:queue-full", "urn:cinemae:problem:draining")
EXAMPLES = 20


@dataclass
class Tally:
    """What the clients saw.

    Attributes:
        statuses: Answers by status.
        kinds: Requests by kind.
        latencies: Seconds of the answers with verdicts, without those whose body was sent slowly.
        images: Images that got the right verdict, by the second of the run in which it came.
        busy: Answers 503 that say why and when to come again.
        errors: Other answers of 500 and above.
        lost: Requests without an answer that should have had one.
        crossed: Results that are another image's.
        wrong: Answers that are not what they should be in another way.
        hung_up: Requests that the client itself gave up.
        examples: A few of what went wrong, in words.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    images: Counter[int] = field(default_factory=Counter)
    busy: int = 0
    errors: int = 0
    lost: int = 0
    crossed: int = 0
    wrong: int = 0
    hung_up: int = 0
    examples: list[str] = field(default_factory=list)

    def blame(self, what: str, wanted: Wanted, words: str) -> None:
        """Count a fault, and keep it in words if it is one of the first."""
        setattr(self, what, getattr(self, what) + 1)
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{what}: {wanted.kind}: {words}"[:500])


@dataclass(frozen=True)
class Knowledge:
    """What every client knows.

    Attributes:
        mixture: Makes requests.
        known: Verdicts and maps of the good images.
        bad: The bad images.
    """

    mixture: Mixture
    known: dict[str, Any]
    bad: dict[str, Refused]


async def run_clients(url: str, count: int, seconds: float, knowledge: Knowledge, seed: int = 0) -> Tally:
    """Let so many clients ask for so long; returns when all have their last answer."""
    tally, begun = Tally(), time.monotonic()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http, asyncio.TaskGroup() as group:
        for number in range(count):
            rng = random.Random(f"{seed}/{number}")
            group.create_task(_client(http, number, rng, begun, begun + seconds, knowledge, tally))
    return tally


async def _client(
    http: httpx.AsyncClient,
    number: int,
    rng: random.Random,
    begun: float,
    end: float,
    knowledge: Knowledge,
    tally: Tally,
) -> None:
    turn = 0
    while time.monotonic() < end:
        wanted = knowledge.mixture.draw(rng, f"c{number}-r{turn}")
        turn += 1
        tally.kinds[wanted.kind] += 1
        if wanted.kind in NO_ANSWER:
            await _hang_up(http, wanted, rng)
            tally.hung_up += 1
            continue
        while (wait := await _ask(http, wanted, begun, knowledge, tally)) > 0 and time.monotonic() < end:
            await asyncio.sleep(wait * rng.uniform(1, 1.5))


async def _ask(http: httpx.AsyncClient, wanted: Wanted, begun: float, knowledge: Knowledge, tally: Tally) -> float:
    """Make a request and check its answer; returns the seconds to wait before it is to be made again, 0 for never."""
    start = time.monotonic()
    try:
        answer = await _send(http, wanted)
    except httpx.HTTPError as error:
        tally.blame("lost", wanted, f"{type(error).__name__}: {error}")
        return 0.0
    tally.statuses[answer.status_code] += 1
    if answer.status_code == 503 and answer.json().get("type") in DELIBERATE and "retry-after" in answer.headers:
        tally.busy += 1
        return float(answer.headers["retry-after"])
    if answer.status_code >= 500:
        tally.blame("errors", wanted, f"{answer.status_code} {answer.text[:300]}")
        return 0.0
    if answer.status_code != wanted.status:
        tally.blame("wrong", wanted, f"{answer.status_code} instead of {wanted.status}: {answer.text[:300]}")
        return 0.0
    right = _check(answer.json(), wanted, knowledge, tally)
    if answer.status_code == 200:
        now = time.monotonic()
        tally.images[int(now - begun)] += right
        if not wanted.pause:
            tally.latencies.append(now - start)
    return 0.0


def _check(body: dict[str, Any], wanted: Wanted, knowledge: Knowledge, tally: Tally) -> int:
    """Compare an answer with what is known of its images; returns how many verdicts are right."""
    results, right = body.get("results") or [], 0
    if len(results) != len(wanted.items):
        tally.blame("lost", wanted, f"{len(results)} results for {len(wanted.items)} images")
        return 0
    for item, result, known in zip(
        wanted.items, results, expected_results(wanted, knowledge.known, knowledge.bad), strict=True
    ):
        verdict = result["verdict"]
        if verdict["path"] != item.name or verdict["sha256"] != known.get("sha256"):
            tally.blame("crossed", wanted, f"{item.name} got {verdict['path']}, {verdict['sha256']}")
            continue
        got = {name: verdict[name] for name in verdict if name in known} | {"status": result["status"]}
        got["error"] = verdict["error"]["type"] if verdict["error"] else None
        if "bits" in known:
            got["bits"] = (result["map"] or {}).get("bits")
        if got != known:
            differing = {name: (got.get(name), known[name]) for name in known if got.get(name) != known[name]}
            tally.blame("wrong", wanted, f"{item.name}: {differing}")
        elif result["status"] == 200:
            right += 1
    return right


async def _send(http: httpx.AsyncClient, wanted: Wanted) -> httpx.Response:
    content: bytes | AsyncIterator[bytes] = wanted.body
    if wanted.kind == "stalled upload":
        content = _stalled(wanted.body, wanted.pause)
    elif wanted.pause:
        content = _slowly(wanted.body, wanted.pause)
    return await http.post("/v1/detect", content=content, headers=wanted.headers, params=wanted.params)


async def _hang_up(http: httpx.AsyncClient, wanted: Wanted, rng: random.Random) -> None:
    """Break off while the body is sent, or before the answer comes; both close the connection."""
    try:
        async with asyncio.timeout(rng.uniform(0.3, 0.7) if wanted.pause else rng.uniform(0.02, 0.1)):
            await _send(http, wanted)
    except (TimeoutError, httpx.HTTPError):  # what was meant to happen
        return


async def _slowly(body: bytes, pause: float) -> AsyncIterator[bytes]:
    size = -(-len(body) // PARTS)
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(pause)


async def _stalled(body: bytes, pause: float) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    await asyncio.sleep(pause)
