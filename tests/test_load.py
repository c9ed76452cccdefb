"""The load test: a few seconds of it against a real service with the toy model, and that it notices faults."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from benchmarks.load_serve import __main__ as command  # noqa: E402
from benchmarks.load_serve import clients, images, report, requests  # noqa: E402

from cinemae.images import ImageError, load_image  # noqa: E402

KNOWN = {"verdict": "ai", "probability": 0.75, "sha256": "00ff", "error": None}


@pytest.fixture
def knowledge() -> clients.Knowledge:
    bad = {"text": images.Refused(b"text", "UnsupportedFormatError", 415)}
    mixture = requests.Mixture({"a.png": b"picture"}, bad, 1000, stall=1.0)
    return clients.Knowledge(mixture, {"a.png": {"verdict": KNOWN, "bits": [[0.5]]}}, bad)


def test_a_real_service_under_load(head_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- load:start -->\nold\n<!-- load:end -->\nafter\n")
    arguments = ["--clients", "8", "--minutes", "0.06", "--offline", "0.2", "--images", "8", "--sides", "96", "160"]
    arguments += ["--model", str(head_folder), "--read-timeout", "1", "--max-body", "1"]
    out = ["--out", str(tmp_path / "load.json"), "--write-docs", str(page)]
    status = command.main([*arguments, *out])
    shown = capsys.readouterr()
    result = report.Report.model_validate_json((tmp_path / "load.json").read_text())
    assert (result.errors, result.lost, result.crossed, result.wrong, result.complaints) == (0, 0, 0, 0, []), shown.err
    assert result.sound
    assert status == 0
    assert result.images > 20
    assert result.rate > 0 < min(result.offline)
    assert 0 < result.latency["p50"] <= result.latency["p95"] <= result.latency["p99"]
    assert result.memory.peak_mb > 50
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "| throughput over offline" in page.read_text()
    assert "old" not in page.read_text()
    assert command.main(["--again", *out]) == 0


def test_the_shares_are_of_a_hundred_and_every_kind_can_be_made(knowledge: clients.Knowledge) -> None:
    assert sum(requests.SHARES.values()) == 100
    rng = random.Random(0)
    for kind in requests.SHARES:
        wanted = knowledge.mixture.make(kind, rng, "c1-r2")
        assert wanted.kind == kind
        assert (wanted.status == 0) == (kind in requests.NO_ANSWER)
        assert all(item.name.startswith("c1-r2-") for item in wanted.items)
    drawn = Counter(knowledge.mixture.draw(rng, "x").kind for _ in range(3000))
    assert set(drawn) == set(requests.SHARES)
    with pytest.raises(ValueError, match="no such kind"):
        knowledge.mixture.make("form of none", rng, "x")


def test_good_images_are_good_and_differ_and_refused_ones_are_refused() -> None:
    good = images.good_images(16, (96, 128))
    assert good == images.good_images(16, (96, 128))
    assert len(set(good.values())) == 16
    assert {load_image(data).facts.format for data in good.values()} == {"JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"}
    for bad in images.refused_images().values():
        with pytest.raises(ImageError) as caught:
            load_image(bad.data)
        assert type(caught.value).__name__ == bad.error


def answer(name: str, **changes: Any) -> dict[str, Any]:
    result = {"status": 200, "verdict": {"path": name, **KNOWN} | changes, "map": {"bits": [[0.5]]}}
    return {"results": [result], "request_id": "1"}


def ask(knowledge: clients.Knowledge, reply: Any, kind: str = "map") -> tuple[clients.Tally, float]:
    """Make one request to a service that answers so."""
    wanted = knowledge.mixture.make(kind, random.Random(0), "c0-r0")
    tally = clients.Tally()

    def handle(request: httpx.Request) -> httpx.Response:
        got = reply(wanted.items[0].name)
        return got if isinstance(got, httpx.Response) else httpx.Response(200, json=got)

    async def run() -> float:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://x") as http:
            return await clients._ask(http, wanted, 0.0, knowledge, tally)

    return tally, asyncio.run(run())


def fail(_: str) -> Any:
    raise httpx.ReadError("cut off")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (answer, None),
        (lambda name: answer("other.png"), "crossed"),
        (lambda name: answer(name, sha256="0f"), "crossed"),
        (lambda name: answer(name, probability=0.7500000001), "wrong"),
        (lambda name: answer(name, verdict="real"), "wrong"),
        (lambda name: {**answer(name), "results": [answer(name)["results"][0] | {"map": None}]}, "wrong"),
        (lambda name: {**answer(name), "results": []}, "lost"),
        (fail, "lost"),
        (lambda name: httpx.Response(500, text="no"), "errors"),
        (lambda name: httpx.Response(503, json={"type": "about:blank"}, headers={"retry-after": "2"}), "errors"),
        (lambda name: httpx.Response(413, json={}), "wrong"),
    ],
)
def test_clients_notice(knowledge: clients.Knowledge, reply: Any, fault: str | None) -> None:
    tally, wait = ask(knowledge, reply)
    found = {name for name in ("errors", "lost", "crossed", "wrong") if getattr(tally, name)}
    assert found == ({fault} if fault else set())
    assert sum(tally.images.values()) == (fault is None)
    assert len(tally.examples) == (fault is not None)
    assert wait == 0


def test_a_busy_service_is_asked_again_after_a_while(knowledge: clients.Knowledge) -> None:
    busy = {"type": "urn:cinemae:problem:queue-full"}
    tally, wait = ask(knowledge, lambda _: httpx.Response(503, json=busy, headers={"retry-after": "3"}))
    assert (tally.busy, tally.errors, wait) == (1, 0, 3.0)


def test_memory_and_rate() -> None:
    grows = report.memory_of([(float(second), 100 + second / 6) for second in range(121)], 20)
    assert grows.slope_mb_per_minute == pytest.approx(10)
    assert grows.end_mb - grows.warm_mb == pytest.approx(15, abs=1.5)
    flat = report.memory_of([(0.0, 10.0), *((float(second), 90.0) for second in range(1, 100))], 10)
    assert (flat.start_mb, flat.peak_mb, flat.slope_mb_per_minute) == (10, 90, 0)
    tally = clients.Tally(images=Counter({0: 100, 10: 3, 11: 5, 19: 4, 20: 50}))
    assert report.rate_of(tally, 10.0, 20.0) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("statuses", "counted", "agrees"),
    [
        ({200: 5}, {"200": 5}, True),
        ({200: 5}, {"200": 6, "499": 1}, True),  # given up when it was answered already
        ({200: 5}, {"200": 8}, False),
        ({200: 5}, {"200": 4}, False),
        ({200: 5, 503: 1}, {"200": 5}, False),
    ],
)
def test_the_two_counts_are_compared(statuses: dict[int, int], counted: dict[str, float], agrees: bool) -> None:
    made = report.Report.model_construct(statuses=statuses, counted=counted, hung_up=2)
    assert made.agrees == agrees
