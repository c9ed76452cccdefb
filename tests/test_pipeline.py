"""Work in threads: order, bounds, overlap, and an end that waits for nothing."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from cinemae.pipeline import ordered_map


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 5))  # later ones finish first
    return number**2


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (3, 1), (2, 7), (4, 100)])
def test_results_come_in_the_order_of_the_items(workers: int, ahead: int) -> None:
    assert list(ordered_map(slow_square, range(40), workers=workers, ahead=ahead)) == [n**2 for n in range(40)]


def test_nothing_in_nothing_out() -> None:
    assert list(ordered_map(slow_square, [], workers=2, ahead=4)) == []


def test_endless_items_are_taken_only_as_far_as_needed() -> None:
    taken = []

    def watched() -> itertools.count[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    stream = ordered_map(slow_square, watched(), workers=2, ahead=5)
    for number in range(20):
        assert next(stream) == number**2
        assert len(taken) <= number + 1 + 5
    stream.close()


def test_workers_overlap() -> None:
    """Two items that wait for each other would never end one after the other."""
    barrier = threading.Barrier(2, timeout=20)
    assert len(list(ordered_map(lambda _: barrier.wait(), range(4), workers=2, ahead=2))) == 4


def test_an_error_reaches_the_caller_at_its_place() -> None:
    stream = ordered_map(lambda number: 1 // number, [1, 0, 1], workers=2, ahead=3)
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_what_is_not_begun_when_the_caller_stops_is_never_begun() -> None:
    begun, gate = [], threading.Event()

    def wait(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(20)
        return number

    stream = ordered_map(wait, range(100), workers=2, ahead=50)
    assert next(stream) == 0
    stream.close()  # does not wait for the two that have begun
    gate.set()
    time.sleep(0.1)
    assert len(begun) <= 4
