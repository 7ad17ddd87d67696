"""An assembly line: stages that work at the same time, each in a thread, with a bounded queue behind each.

A stage is a generator: it takes an iterator of what comes in and yields what goes out. All queues share one
lock and one flag, so whoever waits is woken by progress, by the end, by the first error and by a stop: nobody
waits for what cannot come any more. When nothing is taken out, the queues fill up from the end to the
beginning and `offer` takes nothing more in.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..errors import Interrupted

Stage = Callable[[Iterator[Any]], Iterator[Any]]


class Stopped(Exception):
    """Takes a stage out of its work once the line was stopped; it ends in the line."""


@dataclass
class _Queue:
    """What waits behind a stage; `ended` when nothing more is added."""

    items: deque[Any] = field(default_factory=deque[Any])
    ended: bool = False


class Line:
    """Runs stages in a row. One thread hands in and takes out; any may stop the line.

    `offer`, `take` and `wait` raise the first error of a stage, or `Interrupted` after a stop.
    """

    def __init__(self, stages: Sequence[Stage], room: int, stopped: threading.Event) -> None:
        """room: items each queue holds. stopped: set when the line stops, for stages that work long."""
        self._room = room
        self._stopped = stopped
        self._changed = threading.Condition()
        self._queues = [_Queue() for _ in range(len(stages) + 1)]
        self._error: BaseException | None = None
        self._threads = [
            # Daemons: a line somebody forgot must not keep a program from ending.
            threading.Thread(target=self._run, args=(number, stage), name=f"ditto-{number}", daemon=True)
            for number, stage in enumerate(stages)
        ]
        for thread in self._threads:
            thread.start()

    def offer(self, item: Any) -> bool:
        """Hand in an item; False when there is no room for it now."""
        with self._changed:
            self._check()
            if len(self._queues[0].items) >= self._room:
                return False
            self._add(self._queues[0], item)
            return True

    def end(self) -> None:
        """Nothing more is handed in."""
        self._end(self._queues[0])

    def take(self) -> list[Any]:
        """All that is finished by now."""
        with self._changed:
            self._check()
            items = list(self._queues[-1].items)
            self._queues[-1].items.clear()
            self._changed.notify_all()
            return items

    @property
    def finished(self) -> bool:
        """All that was handed in has been taken out, after `end`."""
        with self._changed:
            self._check()
            return self._queues[-1].ended and not self._queues[-1].items

    def wait(self, seconds: float) -> None:
        """Wait until something can be taken or handed in, or all is finished, but no longer than this."""
        first, last = self._queues[0], self._queues[-1]

        def ready() -> bool:
            room = not first.ended and len(first.items) < self._room
            return room or bool(last.items) or last.ended or self._stopped.is_set()

        with self._changed:
            self._changed.wait_for(ready, seconds)
            self._check()

    def halt(self) -> None:
        """Let all stages end as soon as they can, without waiting for them."""
        with self._changed:
            self._stopped.set()
            for queue in self._queues:
                queue.items.clear()
            self._changed.notify_all()

    def stop(self) -> None:
        """`halt` and wait for the stages; each finishes the item it is at."""
        self.halt()
        if threading.current_thread() in self._threads:
            return  # a stage's thread may happen to collect what stops its own line
        for thread in self._threads:
            thread.join()

    def _run(self, number: int, stage: Stage) -> None:
        """The work of a stage's thread."""
        try:
            with torch.inference_mode():
                for item in stage(self._items(self._queues[number])):
                    self._put(self._queues[number + 1], item)
            self._end(self._queues[number + 1])
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  raised again where items are taken
            self._fail(error)

    def _items(self, queue: _Queue) -> Iterator[Any]:
        """What comes in, as it comes."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: queue.items or queue.ended or self._stopped.is_set())
                if self._stopped.is_set():
                    raise Stopped
                if not queue.items:
                    return
                item = queue.items.popleft()
                self._changed.notify_all()
            yield item

    def _put(self, queue: _Queue, item: Any) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(queue.items) < self._room or self._stopped.is_set())
            if self._stopped.is_set():
                raise Stopped
            self._add(queue, item)

    def _add(self, queue: _Queue, item: Any) -> None:
        queue.items.append(item)
        self._changed.notify_all()

    def _end(self, queue: _Queue) -> None:
        with self._changed:
            queue.ended = True
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if not self._stopped.is_set():
                self._error = error
            self.halt()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stopped.is_set():
            raise Interrupted("The stream was cancelled.")
