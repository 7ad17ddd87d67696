"""Brings one file from a server to its place: resumed where it stopped, checked, named only when whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import responses
from pathlib import Path

from ..errors import DownloadError, ModelError
from ..host import Host
from ..sizes import exact_size
from .hub_process import PIECE, POLL, HubProcess, Outcome, Request
from .remote import PATIENCE, Remote

PAUSE = 1.0
"""Seconds before the second try; twice as long before each further one."""

_BUSY = (408, 429, 500, 502, 503, 504)
_NOTHING_MORE = 416
"""The answer to a request for what comes after the end."""


class RefusedError(ModelError):
    """This file cannot be had, while others may."""


def partial_of(target: Path, remote: Remote) -> Path:
    """What a file is called until it is whole; another version of it does not go on from there."""
    return target.with_name(f"{target.name}.{remote.version}.part")


def fetch(
    remote: Remote, target: Path, process: HubProcess, host: Host, received: Callable[[int], None]
) -> None:
    """Download a file to `target`, which gets its name when size and checksum are right.

    received: is told the number of bytes that are there. What was received stays for the next call when this
    one is interrupted or the server goes away. Raises `RefusedError` and `DownloadError`.
    """
    partial = partial_of(target, remote)

    def watch() -> None:
        host.check_interrupted()
        received(_size(partial))

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(remote, partial, process, watch)
        if _fault(partial, remote, watch):
            # Older releases of the library append where a server knows no ranges: so once from the beginning.
            partial.unlink()
            _receive(remote, partial, process, watch)
        if fault := _fault(partial, remote, watch):
            partial.unlink()
            raise RefusedError(f"{remote.url} sent {fault}; it was thrown away")
        partial.replace(target)
        for older in target.parent.glob(f"{target.name}.*.part"):
            older.unlink()
    except OSError as error:
        raise DownloadError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if not _size(partial):
            with suppress(OSError):  # Windows: the process may still have it open
                partial.unlink(missing_ok=True)


def _receive(remote: Remote, partial: Path, process: HubProcess, watch: Callable[[], None]) -> None:
    """Get what is missing of a file, or what there is of it; `OSError` when the disk does not take it."""
    pause, since = PAUSE, time.monotonic()
    while remote.bytes is None or _size(partial) < remote.bytes:
        have = _size(partial)
        outcome = process.bring(Request(remote.url, remote.headers, str(partial), remote.bytes), watch)
        watch()
        if outcome.status == _NOTHING_MORE:
            return
        reason = _reason(outcome, remote)
        if not reason:
            if remote.bytes in (None, _size(partial)):
                return
            reason = "the file ended early"
        if _size(partial) > have:
            pause, since = PAUSE, time.monotonic()
        elif time.monotonic() - since > PATIENCE:  # of which the library may have taken its own
            raise DownloadError(f"{remote.url} cannot be reached ({reason}).")
        _wait(pause, watch)
        pause *= 2


def _reason(outcome: Outcome, remote: Remote) -> str:
    """Why another try is worth it; "" for a transfer that ended well."""
    if outcome.disk:
        raise OSError(0, outcome.disk)
    if not outcome.status:
        return outcome.broken
    told = f"{outcome.status} {responses.get(outcome.status, '')}".strip()
    if outcome.status not in _BUSY:
        raise RefusedError(f"{remote.url} is refused ({told})")
    return told


def _fault(path: Path, remote: Remote, watch: Callable[[], None]) -> str:
    """What is wrong with a file that was received; "" when nothing is."""
    size = _size(path)
    if remote.bytes is not None and size != remote.bytes:
        return f"{exact_size(size)} instead of {exact_size(remote.bytes)}"
    for wanted, algorithm, head in (
        (remote.sha256, "sha256", b""),
        (remote.git, "sha1", b"blob %d\0" % size),
    ):
        if wanted and _digest(path, algorithm, head, watch) != wanted:
            return "a file with the wrong checksum"
    return ""


def _digest(path: Path, algorithm: str, head: bytes, watch: Callable[[], None]) -> str:
    digest = hashlib.new(algorithm, head, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            watch()
            digest.update(piece)
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _wait(seconds: float, watch: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        watch()
        time.sleep(min(left, POLL))
