"""Downloads files of the catalogue into a model folder; what is there already stays."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..errors import DownloadError
from ..host import Host
from ..sizes import size_of
from .catalogue import ModelFile
from .hub_process import POLL, HubProcess, HubProcessError
from .inventory import take_inventory
from .remote import Remote, ask, hub_endpoint, url_of
from .transfer import RefusedError, fetch, partial_of

MEGABYTE = 10**6
"""Progress counts these."""

T = TypeVar("T")


def download(
    files: Iterable[ModelFile],
    folders: Sequence[Path],
    host: Host,
    endpoint: str = "",
    *,
    send_token: bool = True,
) -> tuple[Path, ...]:
    """Fetch the files that are in none of the model folders, into the first of them; the paths written.

    endpoint: the hub instead of `HF_ENDPOINT` and the public one. `HF_TOKEN` and `HF_HUB_OFFLINE` count.
    send_token: whether the hub may see the token; not if somebody else chose it.
    Raises `DownloadError` that says what could not be had, and why; calling again goes on from there.
    """
    wanted = take_inventory(files, folders).wanted
    if not wanted:
        return ()
    folder = folders[0].absolute()
    hub = hub_endpoint(endpoint)
    answers = _awaited(lambda: ask(wanted, hub, send_token=send_token), host)
    remotes = {file: answer for file in wanted if isinstance(answer := answers[file], Remote)}
    begun = {file: _begun(folder / file.place, remote) for file, remote in remotes.items()}
    total = sum(remote.bytes or 0 for remote in remotes.values())
    _check_space(total - sum(begun.values()), folder)
    _tell_restrictions(remotes, host)

    refusals = [answer for answer in answers.values() if isinstance(answer, str)]
    progress = _Progress(host, begun, total)
    written: list[Path] = []
    try:
        with HubProcess() as process:
            for file, remote in remotes.items():
                try:
                    fetch(remote, folder / file.place, process, host, partial(progress.received, file))
                    written.append(folder / file.place)
                except RefusedError as error:
                    refusals.append(str(error))
    except HubProcessError as error:
        raise DownloadError(
            f"The process that downloads {error}; the console may say why. What came is kept: try again."
        ) from error
    if refusals:
        raise DownloadError(f"Not every file could be downloaded: {'; '.join(dict.fromkeys(refusals))}.")
    return tuple(written)


def _awaited(work: Callable[[], T], host: Host) -> T:
    """What a call returns that cannot be stopped; an interrupt is not to wait for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  raised where it is awaited
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([future], POLL).done:
        host.check_interrupted()
    return future.result()


def by_hand(files: Iterable[ModelFile], folder: Path, endpoint: str = "") -> str:
    """What to put where, a paragraph for each file: its place and size, and its address."""
    hub = hub_endpoint(endpoint)
    return "\n".join(
        f"{folder.absolute() / file.place} ({size_of(file.bytes)}, {file.licence})\n    {url_of(file, hub)}"
        for file in files
    )


def free_space(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _check_space(needed: int, folder: Path) -> None:
    free = free_space(folder)
    if needed > free:
        raise DownloadError(
            f"The download needs {size_of(needed)}, and {folder} has {size_of(free)} free. Make room, or "
            "choose another folder."
        )


def _begun(target: Path, remote: Remote) -> int:
    """How much of a file came with an earlier call."""
    path = partial_of(target, remote)
    return path.stat().st_size if path.is_file() else 0


def _tell_restrictions(files: Iterable[ModelFile], host: Host) -> None:
    restricted = [f"{file.name} ({file.licence})" for file in files if file.non_commercial]
    if restricted:
        host.notice(f"Not for commercial use: {', '.join(restricted)}.")


class _Progress:
    """Progress of all files together, told whenever another megabyte is there."""

    def __init__(self, host: Host, have: dict[ModelFile, int], total: int) -> None:
        self._host = host
        self._have = dict(have)
        self._total = max(1, -(-total // MEGABYTE))
        self._told = -1

    def received(self, file: ModelFile, count: int) -> None:
        """Take note that `count` bytes of a file are there."""
        self._have[file] = count
        done = min(sum(self._have.values()) // MEGABYTE, self._total)
        if done != self._told:
            self._told = done
            self._host.progress("Download", done, self._total)
