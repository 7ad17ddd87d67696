"""Files are written under a hidden name and get their own when they are whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def unfinished(path: Path) -> Generator[Path]:
    """A hidden empty file beside `path` to write to; it moves there when the block succeeds, else it goes,
    and so do the folders made for it.

    Where `path` is a link, the file it points to is replaced. Raises the `OSError` that keeps it from being
    written, before the work where that is known.
    """
    path = Path(os.path.realpath(path))
    hidden = path.with_name(_hidden_name() + path.suffix)
    new_folders = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch(exist_ok=False)
        yield hidden
        hidden.replace(path)
    finally:
        _remove(hidden)
        with suppress(OSError):  # something is in it
            for folder in new_folders:
                folder.rmdir()


def probe(path: Path) -> None:
    """Raise the `OSError` that keeps files from being written there; nothing is left, no folder is made."""
    folder = next(each for each in Path(os.path.realpath(path)).parents if each.exists())
    hidden = folder / _hidden_name()
    try:
        hidden.touch(exist_ok=False)
    finally:
        _remove(hidden)


def _remove(hidden: Path) -> None:
    with suppress(OSError):  # it is not there, or its folder is a file
        hidden.unlink()


def _hidden_name() -> str:
    return f".ditto-{uuid.uuid4().hex[:12]}.part"
