"""Bytes of files by way of `huggingface_hub`, in a process of its own.

Its `http_get` asks the servers: retries, redirects, ranges, proxies and certificates are the library's. It
takes addresses elsewhere too, and goes on with a part of a file, which `hf_hub_download` has given up in
recent releases. Neither can be stopped at once, and not every release tells how far it is: hence the process.

This file is both ends of it, the class and the program, so it imports nothing of the pack.
"""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

PIECE = 2**18
"""Bytes the library hands over at a time, and loses when a connection breaks; its own 10 MB are too many."""
POLL = 0.1
"""Seconds between two looks at what has arrived."""

_SETTINGS = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ENABLE_HF_TRANSFER": "0",  # cannot go on with a part
    "HF_HUB_VERBOSITY": "critical",
}


@dataclass(frozen=True)
class Request:
    """What to append to the file `part`: the rest of what is at `url`, no further than `bytes` in all."""

    url: str
    headers: dict[str, str]
    part: str
    bytes: int | None


@dataclass(frozen=True)
class Outcome:
    """How it ended: a server's refusal, a broken connection or a full disk, in words. Nothing of it: well."""

    status: int = 0
    broken: str = ""
    disk: str = ""


class HubProcessError(Exception):
    """The process cannot be started, or has ended by itself."""


class HubProcess:
    """The process, as long as the context lasts. Raises `HubProcessError`."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable or "python", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **_SETTINGS},
                start_new_session=True,  # Ctrl-C is for us to answer
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise HubProcessError(f"cannot be started ({error})") from error
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> HubProcess:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._listener.join()
        with suppress(OSError):  # what it did not read any more
            self._process.__exit__(None, None, None)

    def bring(self, request: Request, watch: Callable[[], None]) -> Outcome:
        """Carry out a request. watch: called all the while; it may raise, and then the context should end."""
        assert self._process.stdin
        with suppress(OSError):  # it has ended, which the listener notices
            self._process.stdin.write(json.dumps(asdict(request)) + "\n")
            self._process.stdin.flush()
        while True:
            watch()
            with suppress(Empty):
                answer = self._answers.get(timeout=POLL)
                break
        if not answer:
            raise HubProcessError(f"has ended by itself ({self._process.wait()})")
        return Outcome(**json.loads(answer))

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")


def main() -> None:
    """The program: answers each line on stdin with one on stdout, and ends with stdin."""
    answers, sys.stdout = sys.stdout, sys.stderr
    here = Path(__file__).parent
    sys.path[:] = [entry for entry in sys.path if Path(entry) != here]  # these are no top-level modules
    http_get = import_module("huggingface_hub.file_download").http_get
    for name in ("constants", "file_download"):  # older releases read it in the second
        import_module(f"huggingface_hub.{name}").__dict__["DOWNLOAD_CHUNK_SIZE"] = PIECE
    requests: SimpleQueue[Request] = SimpleQueue()
    threading.Thread(target=_take_requests, args=(requests,), daemon=True).start()
    while True:
        outcome = _bring(http_get, requests.get())
        answers.write(json.dumps(asdict(outcome)) + "\n")
        answers.flush()


def _take_requests(requests: SimpleQueue[Request]) -> None:
    for line in sys.stdin:
        requests.put(Request(**json.loads(line)))
    os._exit(0)  # nobody is waiting any more


def _bring(http_get: Callable[..., None], request: Request) -> Outcome:
    try:
        with _Part(request) as part:
            have = part.tell()
            http_get(
                request.url, part, resume_size=have, headers=request.headers, expected_size=request.bytes
            )
    except _EnoughError:
        return Outcome()
    except Exception as error:  # noqa: BLE001  the library's errors have no common base
        return _outcome(error)
    return Outcome()


def _outcome(error: Exception) -> Outcome:
    response: Any = getattr(error, "response", None)
    if response is not None:
        return Outcome(status=response.status_code)
    if isinstance(error, _DiskError):
        return Outcome(disk=str(error))
    if "Consistency check" in str(error):  # the size is not the expected one, which is checked again
        return Outcome()
    said = str(error).strip().splitlines()
    return Outcome(broken=said[0] if said else type(error).__name__)


class _EnoughError(Exception):
    """A server that sends more than was promised."""


class _DiskError(Exception):
    """What the disk says; the network has the same class of errors, and so has a missing certificate."""


@contextmanager
def _on_disk() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _DiskError(error.strerror or str(error)) from error


def _claim(file: io.BufferedWriter) -> None:
    """Keep other downloads from writing to a file until it is closed, where the system can (not Windows)."""
    try:
        locks: Any = import_module("fcntl")
        locks.flock(file, locks.LOCK_EX | locks.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(errno.EBUSY, "another download is writing to it") from error
    except (ImportError, OSError):  # nor can every file system
        pass


class _Part(io.BufferedWriter):
    """The file that is written: no longer than promised, and nothing held back when the process is ended."""

    def __init__(self, request: Request) -> None:
        with _on_disk():
            super().__init__(io.FileIO(request.part, "ab"))
            _claim(self)
        self._end = sys.maxsize if request.bytes is None else request.bytes

    def write(self, buffer: Any, /) -> int:
        room = self._end - self.tell()
        with _on_disk():
            written = super().write(buffer[:room])
            self.flush()
        if len(buffer) > room:
            raise _EnoughError
        return written


if __name__ == "__main__":
    main()
