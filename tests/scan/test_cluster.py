"""Reaching a Ray cluster, and how many actors it has room for."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cinemae.scan.cluster import LOGGERS, Size, _quiet, connected, size_of
from cinemae.scan.config import ScanError


def test_no_cluster_there():
    with pytest.raises(ScanError, match=r"^127.0.0.1:1: no Ray cluster answers there"), connected("127.0.0.1:1"):
        pass
    with pytest.raises(ScanError, match="give the cluster's own address"), connected("ray://127.0.0.1:10001"):
        pass


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    resources = {name: value for name, value in (("CPU", cpus), ("GPU", gpus)) if value}
    return {"Alive": alive, "Resources": resources | {"memory": 1e9}}


@pytest.mark.parametrize(
    ("nodes", "jobs", "device", "wanted"),
    [
        ([node(64), node(64)], None, None, Size(8, 0, 16)),
        ([node(0), node(4), node(16)], None, None, Size(4, 0, 5)),
        ([node(16), node(16, alive=False)], 3, "cpu", Size(3, 0, 5)),
        ([node(4), node(32, 4), node(16, 8)], None, None, Size(2, 1, 12)),
        ([node(32, 4)], 16, "cuda", Size(16, 1, 2)),
        ([node(32, 4)], None, "cpu", Size(8, 0, 4)),
        ([node(1, 4)], None, None, Size(1, 1, 1)),
    ],
)
def test_size_of_actors(nodes, jobs, device, wanted):
    assert size_of(nodes, jobs, device) == wanted


def test_no_room_for_an_actor():
    with pytest.raises(ScanError, match="no node with a CPU"):
        size_of([node(0)], None, None)
    with pytest.raises(ScanError, match="no node of the Ray cluster has 9 cores"):
        size_of([node(8), node(8)], 9, None)


def test_ray_is_quiet_and_its_loggers_are_put_back():
    import ray.data  # noqa: F401 - sets levels of its own

    before = [logging.getLogger(name).level for name in LOGGERS]
    with _quiet():
        assert {logging.getLogger(name).level for name in LOGGERS} == {logging.ERROR}
    assert [logging.getLogger(name).level for name in LOGGERS] == before != [logging.ERROR] * len(LOGGERS)
