"""Brings one file from a server to its place: resumed where it stopped, checked, named only when whole."""

from __future__ import annotations

import hashlib
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from ..errors import DownloadError, ModelError
from ..host import Host
from ..sizes import exact_size
from .remote import PATIENCE, Remote

PIECE = 2**20
TRIES = 4
"""In a row without a single new byte."""
PAUSE = 1.0
"""Seconds before the second try; twice as long before each further one."""

_BUSY = (408, 429, 500, 502, 503, 504)
_NOTHING_MORE = 416
"""The answer to a request for what comes after the end."""
_BROKEN = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


class RefusedError(ModelError):
    """This file cannot be had, while others may."""


def partial_of(target: Path, remote: Remote) -> Path:
    """What a file is called until it is whole; another version of it does not go on from there."""
    return target.with_name(f"{target.name}.{remote.version}.part")


def fetch(remote: Remote, target: Path, host: Host, received: Callable[[int], None]) -> None:
    """Download a file to `target`, which gets its name when size and checksum are right.

    received: is told the number of bytes that are there. What was received stays for the next call when this
    one is interrupted or the server goes away. Raises `RefusedError` and `DownloadError`.
    """
    partial = partial_of(target, remote)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(remote, partial, host, received)
        if fault := _fault(partial, remote, host):
            partial.unlink()
            raise RefusedError(f"{remote.url} sent {fault}; it was thrown away")
        partial.replace(target)
        for older in target.parent.glob(f"{target.name}.*.part"):
            older.unlink()
    except OSError as error:
        raise DownloadError(f"{target} cannot be written: {error.strerror or error}.") from error


def _receive(remote: Remote, partial: Path, host: Host, received: Callable[[int], None]) -> None:
    failures = 0
    while remote.bytes is None or _size(partial) < remote.bytes:
        have = _size(partial)
        try:
            if _receive_rest(remote, partial, have, host, received):
                return
            reason = "the connection ended early"
        except HTTPError as error:
            if error.code == _NOTHING_MORE:
                return
            if error.code not in _BUSY:
                raise RefusedError(f"{remote.url} is refused ({error.code} {error.reason})") from error
            reason = f"{error.code} {error.reason}"
        except _BROKEN as error:
            reason = str(getattr(error, "reason", "") or error or type(error).__name__)
        failures = 1 if _size(partial) > have else failures + 1
        if failures == TRIES:
            raise DownloadError(f"{remote.url} cannot be reached ({reason}).")
        _wait(PAUSE * 2 ** (failures - 1), host)


def _receive_rest(
    remote: Remote, partial: Path, have: int, host: Host, received: Callable[[int], None]
) -> bool:
    """Append what comes after the first `have` bytes; whether all that the server announced came."""
    request = Request(remote.url, headers={"User-Agent": "ComfyUI-Ditto", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if remote.token:
        request.add_unredirected_header("Authorization", f"Bearer {remote.token}")
    opener = build_opener(HTTPSHandler(context=_certificates()), _Redirects)
    with opener.open(request, timeout=PATIENCE) as answer:
        goes_on = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        announced = (have if goes_on else 0) + int(answer.headers.get("Content-Length", 0))
        end = remote.bytes or announced or sys.maxsize
        with partial.open("ab" if goes_on else "wb") as file:
            while piece := answer.read1(min(PIECE, end - file.tell())):
                host.check_interrupted()
                file.write(piece)
                received(file.tell())
            return file.tell() == end or end == sys.maxsize


class _Redirects(HTTPRedirectHandler):
    """Lets the token follow within a server, not to the one the hub leaves large files with."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        onward = super().redirect_request(req, fp, code, msg, headers, newurl)
        if onward is not None and urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]:
            onward.unredirected_hdrs.update(req.unredirected_hdrs)
        return onward


def _fault(path: Path, remote: Remote, host: Host) -> str:
    """What is wrong with a file that was received; "" when nothing is."""
    size = _size(path)
    if remote.bytes is not None and size != remote.bytes:
        return f"{exact_size(size)} instead of {exact_size(remote.bytes)}"
    for wanted, algorithm, head in (
        (remote.sha256, "sha256", b""),
        (remote.git, "sha1", b"blob %d\0" % size),
    ):
        if wanted and _digest(path, algorithm, head, host) != wanted:
            return "a file with the wrong checksum"
    return ""


def _digest(path: Path, algorithm: str, head: bytes, host: Host) -> str:
    digest = hashlib.new(algorithm, head, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            host.check_interrupted()
            digest.update(piece)
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _wait(seconds: float, host: Host) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        host.check_interrupted()
        time.sleep(min(left, 0.2))


def _certificates() -> ssl.SSLContext:
    """The system's certificates, and those of certifi where Python came without any."""
    context = ssl.create_default_context()
    with suppress(ImportError):
        context.load_verify_locations(import_module("certifi").where())
    return context
