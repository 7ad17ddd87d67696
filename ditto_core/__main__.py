"""The outermost step of the command line: it stops quietly and leaves nothing behind when told to.

The libraries take seconds to load, so the command line itself is imported only once stopping works.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from .errors import BAD_INPUT, DONE, INTERRUPTED

_CLEAN_UP = 2.0
"""Seconds after a signal in which further ones are not heeded, so that they do not disturb the clean-up."""

_REMEDY = "Install what requirements.txt lists, and torch."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv` (default: the program's own) and give the exit code.

    0 done, 1 an error in the pack, 2 bad usage or input, 130 interrupted (SIGINT or SIGTERM).
    """
    try:
        with _stopped_by_signals():
            try:
                from .cli import run
            except ImportError as error:
                sys.stderr.write(f"ditto: error: a library is missing or broken: {error}. {_REMEDY}\n")
                return BAD_INPUT
            code = run(argv)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        _forget_the_interrupt()
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a report went away; silence the flush at exit as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _forget_the_interrupt() -> None:
    """Let the exit code be ours.

    An interrupt that passes through code run from a string, as dataclasses are made from, is remembered by
    Python even when it is caught: the process would end by killing itself. The next such code clears that,
    and named tuples are made from such code.
    """
    NamedTuple("Forgotten", [])


@contextmanager
def _stopped_by_signals() -> Generator[None, None, None]:
    """Turn SIGINT and SIGTERM into a KeyboardInterrupt."""
    stopped = -_CLEAN_UP

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if time.monotonic() - stopped >= _CLEAN_UP:
            stopped = time.monotonic()
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
