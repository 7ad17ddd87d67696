"""The outermost step of the command line: it stops quietly and leaves nothing behind when told to.

The libraries take seconds to load, so the command line itself is imported only once stopping works.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple

from .errors import BAD_INPUT, INTERRUPTED

_CLEAN_UP = 2.0
"""Seconds after a signal in which further ones are not heeded, so that they do not disturb the clean-up."""

_REMEDY = "Install what requirements.txt lists, and torch."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv` (default: the program's own) and give the exit code.

    0 done, 1 an error in the pack, 2 bad usage or input, 130 interrupted (SIGINT or SIGTERM).
    """
    _open_what_is_closed()
    try:
        with _stopped_by_signals():
            try:
                from .cli import run
            except ImportError as error:
                _complain(f"ditto: error: a library is missing or broken: {error}. {_REMEDY}")
                return BAD_INPUT
            return run(argv)
    except KeyboardInterrupt:
        _complain("Interrupted.")
        _forget_the_interrupt()
        return INTERRUPTED
    finally:
        _flush()


def _open_what_is_closed() -> None:
    """Python has no stdout or stderr where the caller closed them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _complain(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")


def _flush() -> None:
    """Write out what was said; where nobody can hear it, silence the flush at exit as well."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
