"""``POST /v1/detect``: every kind of body, the detector's own numbers, and what is wrong with bad images."""

from __future__ import annotations

import asyncio
import base64
import io

import pytest
from PIL import Image

from cinemae.maps import patch_map, reconstruction, tint
from pictures import encode, png_bomb
from toys import pink

pytestmark = pytest.mark.anyio
SMALL = encode(pink(3, 16), "PNG")
CUT = encode(pink(4), "JPEG")[:1500]
BAD = {
    "unsupported-format": (415, b"This is no image at all.", "UnsupportedFormatError"),
    "pixel-limit": (413, png_bomb(), "PixelLimitError"),
    "too-small": (422, SMALL, "TooSmallError"),
    "truncated-image": (422, CUT, "TruncatedImageError"),
    "unreadable-file": (400, b"", "UnreadableFileError"),
}


def without_time(verdict: dict) -> dict:
    return {name: value for name, value in verdict.items() if name != "seconds"}


def expected(detector, name: str, data: bytes, **options) -> dict:
    scored = detector.score(data, name=name, **options)
    return without_time(scored.verdict.model_dump(mode="json"))


async def test_every_kind_of_body_gives_the_detectors_verdict(serving, detector, images, form):
    name, data = next(iter(images.items()))
    encoded = base64.b64encode(data).decode()
    async with serving() as client:
        answers = [
            await client.post("/v1/detect", files=form((name, data))),
            await client.post("/v1/detect", json={"images": [{"name": name, "data": encoded}]}),
            await client.post("/v1/detect", params={"name": name}, content=data, headers={"content-type": "image/png"}),
            await client.post(
                "/v1/detect", params={"name": name}, content=data, headers={"content-type": "application/octet-stream"}
            ),
        ]
    for answer in answers:
        assert answer.status_code == 200
        (result,) = answer.json()["results"]
        assert result["status"] == 200
        assert without_time(result["verdict"]) == expected(detector, name, data)
        assert result["map"] is result["reconstruction"] is result["problem"] is None
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_body_without_a_length_and_a_name(serving, images):
    data = images["real-1.png"]

    async def pieces():
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    async with serving() as client:
        answer = await client.post("/v1/detect", content=pieces(), headers={"content-type": "image/png"})
    assert answer.json()["results"][0]["verdict"]["path"] == "upload"


async def test_many_files_come_back_in_their_order(serving, images, form):
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(*images.items()))
    assert [result["verdict"]["path"] for result in answer.json()["results"]] == list(images)


async def test_under_load_each_client_gets_its_own_images_exact_score(serving, detector, images, form):
    wanted = {name: expected(detector, name, data) for name, data in images.items()}
    assert len({verdict["bits_per_dim"] for verdict in wanted.values()}) == len(images)
    async with serving() as client:

        async def ask(name: str, data: bytes) -> tuple[str, dict]:
            answer = await client.post("/v1/detect", files=form((name, data)))
            return name, answer.json()["results"][0]["verdict"]

        for _ in range(2):
            for name, verdict in await asyncio.gather(*(ask(*item) for item in images.items())):
                assert without_time(verdict) == wanted[name]


async def test_map_and_reconstruction(serving, detector, images):
    name, data = "ai-1.jpg", images["ai-1.jpg"]
    scored = detector.score(data, name=name)
    async with serving() as client:
        answer = await client.post(
            "/v1/detect",
            params={"map": True, "reconstruction": True},
            content=data,
            headers={"content-type": "image/jpeg"},
        )
    (result,) = answer.json()["results"]
    picture = Image.open(io.BytesIO(base64.b64decode(result["map"].pop("png"))))
    assert result["map"] == patch_map(scored).model_dump(mode="json")
    assert picture.mode == "RGBA"
    assert picture.tobytes() == tint(scored).tobytes()
    predicted = Image.open(io.BytesIO(base64.b64decode(result["reconstruction"]["predicted"])))
    seen = Image.open(io.BytesIO(base64.b64decode(result["reconstruction"]["view"])))
    assert predicted.tobytes() == reconstruction(scored).tobytes()
    assert predicted.size == seen.size == (224, 224)


async def test_seed_and_accuracy_are_the_detectors(serving, detector, images, form):
    name, data = "real-2.png", images["real-2.png"]
    async with serving() as client:
        seeded = await client.post("/v1/detect", params={"seed": 5}, files=form((name, data)))
        accurate = await client.post("/v1/detect", params={"accurate": True}, files=form((name, data)))
    verdicts = [without_time(answer.json()["results"][0]["verdict"]) for answer in (seeded, accurate)]
    assert verdicts[0] == expected(detector, name, data, seed=5)
    assert verdicts[1] == expected(detector.with_rounds(4), name, data)
    assert verdicts[0] != expected(detector, name, data)


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_image_alone_is_a_problem(serving, kind, form):
    status, data, error = BAD[kind]
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(("bad.jpg", data)))
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (said["type"], said["status"]) == (f"urn:cinemae:problem:{kind}", status)
    assert said["detail"].startswith("bad.jpg: ")
    assert said["instance"] == "urn:cinemae:request:" + answer.headers["x-request-id"]
    assert said["results"][0]["verdict"]["error"]["type"] == error


async def test_bad_images_do_not_stop_good_ones(serving, images, form):
    bad = [(f"{kind}.jpg", data) for kind, (_, data, _) in BAD.items()]
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(bad[0], ("good.png", images["real-0.png"]), *bad[1:]))
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [result["status"] for result in results] == [415, 200, 413, 422, 422, 400]
    assert results[1]["verdict"]["verdict"] in ("ai", "real", "inconclusive")
    assert results[2]["problem"]["type"] == "urn:cinemae:problem:pixel-limit"


@pytest.mark.parametrize(
    ("kinds", "status", "said"),
    [
        (("pixel-limit", "pixel-limit"), 413, "pixel-limit"),
        (("too-small", "truncated-image"), 422, "all-refused"),
        (("pixel-limit", "unsupported-format"), 422, "all-refused"),
    ],
)
async def test_all_refused(serving, form, kinds, status, said):
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(*((kind, BAD[kind][1]) for kind in kinds)))
    assert answer.status_code == answer.json()["status"] == status
    assert answer.json()["type"] == f"urn:cinemae:problem:{said}"
    assert [result["verdict"]["path"] for result in answer.json()["results"]] == list(kinds)


async def test_a_fault_of_ours_is_one_images_and_its_name_is_not_logged(
    serving, detector, images, form, monkeypatch, caplog
):
    score = detector.score

    def broken(source, *, name, **options):
        if name == "secret-name.png":
            raise MemoryError(name)
        return score(source, name=name, **options)

    monkeypatch.setattr(detector, "score", broken)
    good, bad = ("good.png", images["real-0.png"]), ("secret-name.png", images["real-1.png"])
    async with serving() as client:
        answer = await client.post("/v1/detect", files=form(good, bad))
        alone = await client.post("/v1/detect", files=form(bad))
    assert [result["status"] for result in answer.json()["results"]] == [200, 500]
    assert alone.status_code == 500
    assert alone.json()["type"] == "urn:cinemae:problem:internal-error"
    failed = [record for record in caplog.records if record.message == "scoring failed"]
    assert len(failed) == 2
    assert failed[0].error == "MemoryError"
    assert all("secret" not in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    ("query", "where"),
    [({"seed": -1}, "seed"), ({"seed": "x"}, "seed"), ({"map": "perhaps"}, "map"), ({"name": ""}, "name")],
)
async def test_a_bad_parameter_is_named(serving, images, query, where):
    async with serving() as client:
        answer = await client.post(
            "/v1/detect", params=query, content=images["real-0.png"], headers={"content-type": "image/png"}
        )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:cinemae:problem:invalid-request"
    assert [wrong["where"] for wrong in answer.json()["errors"]] == [f"query.{where}"]


async def test_the_model_and_its_limits(serving, detector):
    async with serving({"body_bytes": 5000, "files": 3}) as client:
        said = (await client.get("/v1/model")).json()
    assert said["fingerprint"] == detector.fingerprint
    assert said["precision"] == detector.extractor.precision
    assert (said["device"], said["threshold"]) == ("cpu", detector.head.config.threshold)
    assert (tuple(said["band"]), said["alpha"]) == (detector.head.band, detector.head.config.alpha)
    assert said["limits"] == {
        "body_bytes": 5000, "files": 3, "pixels": 1_000_000, "min_side": 32, "deadline_seconds": 60.0,
    }  # fmt: skip
    # The toys are folders: their place is not told.
    assert [(one["scale"], one["name"], one["licence"]) for one in said["backbones"]] == [
        ("semantic", "local", None), ("fine", "local", None),
    ]  # fmt: skip
