"""The assembly line: items in order, nobody waits in vain, the first error counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ditto_core.ditto.line import Line, Stage


def doubled(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item
        yield item


def run_line(stages: list[Stage], items: int, room: int) -> list[int]:
    line = Line(stages, room, threading.Event())
    taken: list[int] = []
    for item in range(items):
        while not line.offer(item):
            taken += line.take()
            line.wait(1)
    line.end()
    while not line.finished:
        taken += line.take()
        line.wait(1)
    line.stop()
    return taken


@pytest.mark.parametrize("room", [1, 2, 5])
@pytest.mark.parametrize("items", [0, 1, 30])
def test_a_line_keeps_the_order(items: int, room: int):
    begun = time.perf_counter()
    expected = [item for item in range(items) for _ in range(4)]
    assert run_line([doubled, doubled], items, room) == expected
    assert time.perf_counter() - begun < 1  # nobody ever waited for a timeout


def test_a_line_wakes_who_waits_for_room():
    def swallow(items: Iterator[int]) -> Iterator[int]:
        for _ in items:
            pass
        yield from ()

    begun = time.perf_counter()
    assert run_line([doubled, swallow], 30, 1) == []
    assert time.perf_counter() - begun < 1


def test_only_the_first_error_counts():
    started = threading.Barrier(2)

    def failing(words: str, wait: float) -> Stage:
        def stage(items: Iterator[int]) -> Iterator[int]:
            started.wait(5)
            time.sleep(wait)
            raise ValueError(words)
            yield from items

        return stage

    line = Line([failing("first", 0), failing("second", 0.2)], 1, threading.Event())
    time.sleep(0.4)
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            line.take()
    line.stop()
