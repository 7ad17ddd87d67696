"""Model files are written under another name and get their own when they are whole."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ModelError
from ..unfinished import unfinished


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """`unfinished`, with a `ModelError` when it cannot be written: no space, no permission."""
    try:
        with unfinished(path) as hidden:
            yield hidden
    except OSError as error:
        raise ModelError(
            f"The model file {path} cannot be written: {error}. Make room on the disk, or choose a folder "
            "that can be written to, then try again."
        ) from error
