"""Model files are written under another name and get their own when they are whole."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ModelError


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A hidden name beside `path` to write to; the file moves there when the block succeeds, else it goes.

    Raises a `ModelError` when it cannot be written: no space, no permission.
    """
    unfinished = path.with_name(f".ditto-{uuid.uuid4().hex[:12]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise ModelError(
            f"The model file {path} cannot be written: {error}. Make room on the disk, or choose a folder "
            "that can be written to, then try again."
        ) from error
    finally:
        with suppress(OSError):  # it is not there, or its folder is a file
            unfinished.unlink()
