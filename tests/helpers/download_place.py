"""A hub on this machine with files to download, the folder they belong in, and a host that watches."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from ditto_core.errors import Interrupted
from ditto_core.host import Host
from ditto_core.models.catalogue import ModelFile
from ditto_core.models.download import download
from ditto_core.models.hub_process import PIECE

from .hub_server import Hub, serving

REPO = "someone/model"
BIG, SMALL, LOOSE = bytes(range(256)) * 12_000, b"\x80\x04}.", b"weights of elsewhere" * 5000
"""3 MB, and a file as small as a configuration."""


class WatchingHost(Host):
    """Remembers, and interrupts when so many megabytes are there."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.seen: list[tuple[str, int, int]] = []
        self.heard: list[str] = []
        self.stop_at = stop_at
        self.stopped = 0.0

    def progress(self, stage: str, done: int, total: int, preview: torch.Tensor | None = None) -> None:
        self.seen.append((stage, done, total))

    def notice(self, message: str) -> None:
        self.heard.append(message)

    def check_interrupted(self) -> None:
        if self.seen and self.seen[-1][1] >= self.stop_at:
            self.stopped = time.monotonic()
            raise Interrupted("stopped")


class Place(NamedTuple):
    """A hub with two files, a file elsewhere, and the folder they belong in."""

    hub: Hub
    files: list[ModelFile]
    folder: Path

    def download(self, host: Host | None = None) -> tuple[Path, ...]:
        return download(self.files, [self.folder], host or Host(), self.hub.endpoint)

    def contents(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


WHOLE = {"nets/big.pth": BIG, "cfg/small.pkl": SMALL, "superres/loose.pth": LOOSE}


def whole_pieces(received: int) -> int:
    """What of so many bytes is in the file when the connection breaks."""
    return received // PIECE * PIECE


@contextmanager
def serving_place(folder: Path) -> Iterator[Place]:
    stored = {f"{REPO}/nets/big.pth": BIG, f"{REPO}/cfg/small.pkl": SMALL, "releases/loose.pth": LOOSE}
    with serving(Hub(stored, plain={f"{REPO}/cfg/small.pkl"})) as hub:
        loose = hashlib.sha256(LOOSE).hexdigest()
        files = [
            ModelFile("nets/big.pth", "a network", "MIT", repo=REPO, path="nets/big.pth", bytes=len(BIG)),
            ModelFile("cfg/small.pkl", "its settings", "MIT", repo=REPO, path="cfg/small.pkl"),
            ModelFile(
                "superres/loose.pth", "more", "MIT", url=f"{hub.endpoint}/releases/loose.pth", sha256=loose
            ),
        ]
        yield Place(hub, files, folder)
