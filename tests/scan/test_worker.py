"""The worker process by itself: what it says, in which order, and that it ends."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinemae.detector import Detector
from cinemae.scan.child import WORKER
from cinemae.scan.items import Item
from cinemae.scan.messages import Reply, Setup, Task
from cinemae.scan.worker import Budget
from cinemae.settings import DetectorSettings
from pictures import encode
from processes import environment
from toys import pink


def talk(setup: Setup, items: list[Item], command: tuple[str, ...] = WORKER) -> list[Reply]:
    """Say everything, wait for as many answers, then hang up."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        lines = [setup, *(Task(number=number, item=item) for number, item in enumerate(items))]
        worker.stdin.write(b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
        worker.stdin.flush()
        said = [Reply.model_validate_json(worker.stdout.readline())]
        while said[0].ready and sum(reply.done is not None for reply in said) < len(items):
            said.append(Reply.model_validate_json(worker.stdout.readline()))
        worker.stdin.close()
        assert worker.wait(timeout=600) == 0
        assert worker.stdout.read() == b""
    return said


def setup_of(settings: DetectorSettings, **changes: Any) -> Setup:
    return Setup(settings=settings.model_copy(update={"jobs": 2}), source="", **changes)


def test_reads_begins_and_answers_each_input(quick, pictures):
    paths = sorted((pictures / "00").iterdir())[:20]
    items = [Item(id=path.name, kind="file", place=str(path)) for path in paths]
    items.append(Item(id="gone", kind="file", place=str(pictures / "gone")))
    items.append(Item(id="shut", kind="file", place=str(pictures), reason="permission denied"))
    ready, *said = talk(setup_of(quick, seed=5), items)
    detector = quick.load()
    assert ready.ready is not None
    assert ready.ready.model_dump() == {
        "model": detector.fingerprint,
        "precision": "f32",
        "device": "cpu",
        "jobs": 2,
    }
    for number, item in enumerate(items):
        steps = [
            next(name for name in ("reading", "begun", "done") if getattr(reply, name) is not None)
            for reply in said
            if number in (reply.reading, reply.begun, reply.done)
        ]
        # What can't be read is never given to the decoder.
        assert steps == (["reading", "done"] if number >= 20 else ["reading", "begun", "done"])
        (verdict,) = [reply.verdict for reply in said if reply.done == number]
        assert verdict is not None
        assert (verdict.path, verdict.seed) == (item.id, 5)
        if number < 20:
            wanted = detector.detect_one(item.place, name=item.id, seed=5)
            assert verdict.model_copy(update={"seconds": wanted.seconds}) == wanted
    gone, shut = (reply.verdict for n in (20, 21) for reply in said if reply.done == n)
    assert gone is not None
    assert gone.error is not None
    assert (gone.error.type, gone.error.message[:6]) == ("MissingItemError", "gone: ")
    assert shut is not None
    assert shut.error is not None
    assert (shut.error.type, shut.error.message) == ("ListingError", "shut: permission denied")


def test_a_refused_file_has_its_hash(quick, pictures):
    _, *said = talk(setup_of(quick), [Item(id="text", kind="file", place=str(pictures / "00" / "text.jpg"))])
    verdict = said[-1].verdict
    assert verdict is not None
    assert verdict.error is not None
    assert verdict.error.type == "UnsupportedFormatError"
    assert verdict.sha256 == hashlib.sha256(b"no picture").hexdigest()
    assert verdict.file_bytes == len(b"no picture")


def test_maps_are_those_of_the_detector(head_folder, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(pink(5), "PNG"))
    settings = DetectorSettings(model=str(head_folder), device="cpu", precision="f32")
    item = Item(id="a", kind="file", place=str(tmp_path / "a.png"))
    _, *said = talk(setup_of(settings, maps=True), [item])
    likelihood = Detector.load(head_folder, device="cpu", precision="f32").score(tmp_path / "a.png")
    assert likelihood.extraction is not None
    wanted = likelihood.extraction.likelihoods["semantic"][0]
    found = said[-1].likelihood
    assert found is not None
    assert (found.rows, found.cols) == (14, 14)
    np.testing.assert_array_equal(
        np.float32(found.bits).reshape(14, 14), np.asarray(wanted.per_patch(wanted.nll), dtype=np.float32)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"maps": True}, "no semantic scale to store maps of"), ({"accurate": True}, "rounds are a setting of partition")],
)
def test_what_the_model_can_t_do_is_said_at_once(quick, changes, message):
    if "accurate" in changes:
        said = talk(setup_of(quick.model_copy(update=changes)), [])
    else:
        said = talk(setup_of(quick, **changes), [])
    assert said[0].failed is not None
    assert message in said[0].failed.message


def test_jobs_are_the_cores_that_are_used(quick, pictures):
    """A worker beside others must not take their cores: it has as many computing threads as it has jobs."""
    code = (
        "import sys, json\nfrom cinemae.scan.messages import Setup\nfrom cinemae.scan.worker import load\n"
        "detector = load(Setup.model_validate_json(sys.argv[1]))\n"
        "print(json.dumps([b.runtime.threads for b in detector.extractor.backbones.values()]))"
    )
    setup = setup_of(quick.model_copy(update={"threads": 1})).model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, setup], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1]


def test_the_budget_bounds_what_is_held_and_lets_a_giant_in_alone():
    budget = Budget(100)
    seen: list[int] = []
    lock = threading.Lock()

    def hold(count: int) -> None:
        budget.take(count)
        with lock:
            seen.append(budget.held)
        time.sleep(0.002)
        budget.give(count)

    threads = [threading.Thread(target=hold, args=(count,)) for count in [40, 30, 60, 500, 10] * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=600)
    assert len(seen) == 30
    assert max(held for held in seen if held != 500) <= 100
    assert seen.count(500) == 6
    assert budget.held == 0


def test_nothing_is_imported_from_the_working_folder(quick, tmp_path):
    """Who scans a folder from within it must not run what lies there."""
    (tmp_path / "json.py").write_text("raise SystemExit('ran a file of the source')\n")
    (tmp_path / "cinemae").mkdir()
    setup = setup_of(quick).model_dump_json().encode() + b"\n"
    done = subprocess.run(
        WORKER, input=setup, capture_output=True, cwd=tmp_path, timeout=600, env=environment() | absolute_path()
    )
    assert done.returncode == 0, done.stderr
    assert Reply.model_validate_json(done.stdout).ready


def absolute_path() -> dict[str, str]:
    """Where this process finds the package, for one that starts in another folder."""
    return {"PYTHONPATH": str(Path(sys.modules["cinemae"].__file__ or "").parents[1])}
