"""The terminal as a host: progress bars and notices on stderr, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import torch
from tqdm import tqdm

from .host import Host


class ConsoleHost(Host):
    """Shows progress bars and notices on stderr; a bar only where somebody can watch it."""

    def __init__(self, quiet: bool = False, unit: str = "frame") -> None:
        """unit: what progress counts."""
        self.quiet = quiet
        self._unit = unit
        self._stage = ""
        self._bar: tqdm[NoReturn] | None = None

    def progress(
        self,
        stage: str,
        done: int,
        total: int,
        preview: torch.Tensor | None = None,  # noqa: ARG002
    ) -> None:
        self._tell(lambda: self._show(stage, done, total))

    def notice(self, message: str) -> None:
        self._tell(lambda: tqdm.write(message, file=sys.stderr))

    def close(self) -> None:
        if self._bar is not None:
            self._tell(self._bar.close)

    def _show(self, stage: str, done: int, total: int) -> None:
        if self._bar is None or self._stage != stage:
            self.close()
            self._stage, self._bar = stage, tqdm(desc=stage, total=total, unit=self._unit, disable=None)
        self._bar.update(done - self._bar.n)

    def _tell(self, speak: Callable[[], object]) -> None:
        """Speak unless told to be quiet; fall silent when nobody can hear, while the work goes on."""
        if self.quiet:
            return
        try:
            speak()
        except OSError:
            self.quiet = True


def say(text: str) -> None:
    """A result, on stdout; where nobody can hear it, the work counts all the same."""
    with suppress(OSError):
        sys.stdout.write(text + "\n")
