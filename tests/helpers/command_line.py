"""The command line called as a user calls it, in this process."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ditto_core.__main__ import main

_FILES = {"inference": "--source_path a --audio_path b --output_path c"}
VIDEO_FILES = "--source_video a.mp4 --audio b.wav --output c.mp4"

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def talk(source: Path, audio: Path, output: Path, *more: str) -> int:
    return main(["talk", "--source", str(source), "--audio", str(audio), "--output", str(output), *more])


def command(script: str, flags: str = "") -> list[str]:
    """What is typed for a script: its files under some names, and flags."""
    return shlex.split(f"{script} {_FILES.get(script, VIDEO_FILES)} {flags}")


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refusal(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that says what is wrong."""
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("ditto")
    assert "error: " in line
    return line


def listen_to_talk(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> dict[str, Any]:
    """What the module asks `talk` to do, instead of doing it."""
    call: dict[str, Any] = {}

    def remember(source: Path, audio: Path, output: Path, **more: Any) -> Path:
        call.update(more, source=source, audio=audio, output=output)
        return output

    monkeypatch.setattr(module, "talk", remember)
    return call
