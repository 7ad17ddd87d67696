"""Interrupts, readers that go away, and who is shown the progress."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.command_line import contents, posix
from helpers.people import frames_in, write_speech

from ditto_core import cli

ROOT = Path(__file__).parents[2]


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_at_once_and_leaves_nothing(
    number: signal.Signals, portrait: Path, tmp_path: Path, folder: Path
) -> None:
    speech = write_speech(tmp_path / "long.wav", seconds=120)
    arguments = ["--source", portrait, "--audio", speech, "--output", folder / "out.mp4"]
    with start("talk", *arguments) as process:
        wait_until(lambda: len(contents(folder)) == 1, process)
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert time.monotonic() - sent < 3  # a second, and some for a busy machine
    assert process.returncode == 130
    assert told.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in told
    assert contents(folder) == []


@posix
def test_an_interrupt_inside_code_made_of_text_gives_the_same_exit_code() -> None:
    """Dataclasses are made of text, and importing the libraries makes thousands."""
    stopped = "import sys; from ditto_core import cli, __main__ as door; "
    stopped += "cli.run = lambda _: exec('raise KeyboardInterrupt'); sys.exit(door.main([]))"
    assert subprocess.run([sys.executable, "-c", stopped], cwd=ROOT).returncode == 130


@posix
def test_a_reader_that_goes_away_is_no_error() -> None:
    with start("--help") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        told = process.stderr.read()
        assert process.wait(30) == 0
    assert told == ""


@posix
def test_the_work_goes_on_when_nobody_listens(portrait: Path, speech: Path, folder: Path) -> None:
    with start("talk", "--source", portrait, "--audio", speech, "--output", folder / "out.mp4") as process:
        assert process.stderr
        process.stderr.close()
        assert process.wait(60) == 0
    assert frames_in(folder / "out.mp4") == 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's devices")
@pytest.mark.parametrize("where", [">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_where_nothing_can_be_said_the_exit_code_is_the_same(
    where: str, portrait: Path, speech: Path, folder: Path
) -> None:
    command = [sys.executable, "-m", "ditto_core", "talk", "--source", str(portrait), "--audio", str(speech)]

    def code(*more: str) -> int:
        return subprocess.run(f"{shlex.join([*command, *more])} {where}", shell=True, cwd=ROOT).returncode

    assert code("--output", str(folder / "out.mp4")) == 0
    assert frames_in(folder / "out.mp4") == 10
    assert code("--output", str(folder / "out.txt")) == 2


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_shown_to_whoever_watches(
    watched: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    host = cli.ConsoleHost()
    host.progress("register", 1, 1)
    host.progress("render", 8, 16)
    host.progress("render", 16, 16)
    host.close()
    told = capsys.readouterr().err
    assert ("register: 100%" in told) == ("render: 100%" in told) == watched
    assert ("16/16" in told) == watched


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ditto_core", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
