"""Downloads that are stopped, and the process that carries them out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from helpers.download_place import BIG, REPO, WHOLE, Place, WatchingHost, whole_pieces
from helpers.hub_server import wait_until

from ditto_core.errors import DownloadError, Interrupted
from ditto_core.host import Host
from ditto_core.models import hub_process
from ditto_core.models.download import download
from ditto_core.models.hub_process import PIECE


def test_an_interrupted_download_goes_on_in_the_next_call(place: Place) -> None:
    place.hub.stalls, place.hub.cut = True, {f"{REPO}/nets/big.pth": 2_500_000}
    host = WatchingHost(stop_at=2)
    with pytest.raises(Interrupted):
        place.download(host)
    assert time.monotonic() - host.stopped < 0.5, "the server's silence was waited for"
    (name,) = place.contents()
    assert name.startswith("nets/big.pth.")
    assert name.endswith(".part")
    begun = len(place.contents()[name])
    assert begun == whole_pieces(2_500_000)

    host = WatchingHost()
    place.download(host)
    assert place.contents() == WHOLE
    assert place.hub.asked_for("nets/big")[-1][2]["Range"] == f"bytes={begun}-"
    assert host.seen[0][1] >= begun // 10**6


def test_an_interrupt_does_not_wait_for_a_hub_that_never_answers(place: Place) -> None:
    class Impatient(Host):
        asked = 0.0

        def check_interrupted(self) -> None:
            self.asked = self.asked or time.monotonic()
            if time.monotonic() - self.asked > 0.3:
                raise Interrupted

    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(Interrupted):
            download(place.files, [place.folder], Impatient(), endpoint)
    assert time.monotonic() - begun < 5, "the hub's silence was waited for"
    assert place.contents() == {}


def test_the_process_that_downloads_ends_with_the_one_that_asked(place: Place, tmp_path: Path) -> None:
    place.hub.stalls, place.hub.cut = True, {"releases/loose.pth": PIECE}
    place.hub.files["releases/loose.pth"] = bytes(2 * PIECE)
    part = tmp_path / "loose.part"
    request = {"url": place.files[2].url, "headers": {}, "part": str(part), "bytes": None}
    command = [sys.executable, hub_process.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        wait_until(lambda: part.exists() and part.stat().st_size == PIECE)
        process.stdin.close()
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("program", "words"),
    [("false", r"has ended by itself \(1\); .* try again"), ("/nowhere", "cannot be started")],
)
def test_a_process_that_fails_is_one_clear_error(
    place: Place, program: str, words: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which(program) or program)
    begun = time.monotonic()
    with pytest.raises(DownloadError, match=f"The process that downloads {words}"):
        place.download()
    assert time.monotonic() - begun < 5, "it was asked again and again"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX locks")
def test_a_second_download_of_a_file_leaves_the_first_alone(place: Place) -> None:
    part = place.folder / "nets" / f"big.pth.{hashlib.sha256(BIG).hexdigest()[:12]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BIG[:PIECE])
    locks = import_module("fcntl")
    with part.open("ab") as first:
        locks.flock(first, locks.LOCK_EX)
        with pytest.raises(DownloadError, match=r"big\.pth cannot be written: another download is writing"):
            place.download()
        assert part.read_bytes() == BIG[:PIECE]
    place.download()
    assert place.contents() == WHOLE
