"""The feature cache: what was stored comes back to the bit, whatever happened meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cinemae.features.cache import FeatureCache

WRITER = """
import sys, numpy as np
from pathlib import Path
from cinemae.features.cache import FeatureCache
cache, number = FeatureCache(Path(sys.argv[1])), 0
while True:
    batch = {f"{number}/{k}": np.random.default_rng([number, k]).normal(size=300).astype("f4") for k in range(20)}
    cache.put(batch)
    print(number, flush=True)
    number += 1
"""


def vector(*seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=300).astype(np.float32)


@contextmanager
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_round_trip_is_bit_exact(tmp_path):
    odd = np.array([0.0, -0.0, 1e-45, 3.4e38, np.inf, np.nan, np.pi], dtype=np.float32)
    with FeatureCache(tmp_path / "deep" / "er" / "f.sqlite") as cache:
        cache.put({"a": odd, "b": vector(1)[::3], "empty": np.zeros(0, dtype=np.float32)})
    with FeatureCache(tmp_path / "deep" / "er" / "f.sqlite") as cache:
        assert len(cache) == 3
        assert cache.get("a").tobytes() == odd.tobytes()
        assert cache.get("b").tobytes() == vector(1)[::3].tobytes()
        assert cache.get("empty").shape == (0,)
        assert cache.get("c") is None


def test_a_second_put_replaces(tmp_path):
    with FeatureCache(tmp_path / "f.sqlite") as cache:
        cache.put({"a": vector(1)})
        cache.put({"a": vector(2)})
        assert len(cache) == 1
        assert np.array_equal(cache.get("a"), vector(2))


def test_a_batch_that_fails_leaves_nothing(tmp_path):
    class Broken:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise OSError("disk on fire")

    with FeatureCache(tmp_path / "f.sqlite") as cache:
        try:
            cache.put({"a": vector(1), "b": Broken()})
        except OSError:
            assert len(cache) == 0
        else:
            raise AssertionError("the broken vector was stored")


def test_survives_a_kill_at_any_moment(tmp_path):
    with writer(tmp_path / "f.sqlite") as process:
        done = [int(process.stdout.readline()) for _ in range(25)]
        os.kill(process.pid, signal.SIGKILL)  # in the middle of whatever it does
        done += [int(line) for line in process.stdout.read().split()]
    assert process.returncode == -signal.SIGKILL
    with FeatureCache(tmp_path / "f.sqlite") as cache:
        for number in done:
            for k in range(20):
                assert np.array_equal(cache.get(f"{number}/{k}"), vector(number, k))
        assert len(cache) % 20 == 0  # no batch is there by half
        cache.put({"after": vector(0)})
        assert np.array_equal(cache.get("after"), vector(0))


def test_readers_in_parallel_with_a_writing_process(tmp_path):
    with writer(tmp_path / "f.sqlite") as process:
        process.stdout.readline()

        def read(reader: int) -> int:
            found = 0
            with FeatureCache(tmp_path / "f.sqlite") as cache:
                for turn in range(200):
                    number, k = turn % 5, (turn + reader) % 20
                    if (got := cache.get(f"{number}/{k}")) is not None:
                        assert np.array_equal(got, vector(number, k))
                        found += 1
            return found

        with ThreadPoolExecutor(4) as pool:
            assert min(pool.map(read, range(4))) > 0
        assert process.poll() is None  # it wrote all the while


def test_two_writers_take_turns(tmp_path):
    """Two processes on one file: both go on, and what both wrote is whole."""
    with writer(tmp_path / "f.sqlite") as first, writer(tmp_path / "f.sqlite") as second:
        for process in (first, second):
            for _ in range(5):
                assert process.stdout.readline().strip().isdigit()
    with FeatureCache(tmp_path / "f.sqlite") as cache:
        assert np.array_equal(cache.get("4/19"), vector(4, 19))
