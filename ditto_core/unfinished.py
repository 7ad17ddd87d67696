"""Files are written under a hidden name and get their own when they are whole."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def unfinished(path: Path) -> Generator[Path]:
    """A hidden empty file beside `path` to write to; it moves there when the block succeeds, else it goes.

    Raises the `OSError` that keeps it from being written, before the work where that is known.
    """
    hidden = path.with_name(f".ditto-{uuid.uuid4().hex[:12]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch(exist_ok=False)
        yield hidden
        hidden.replace(path)
    finally:
        with suppress(OSError):  # it is not there, or its folder is a file
            hidden.unlink()
