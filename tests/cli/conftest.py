"""What the commands are given, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.people import face, write_speech


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    face().save(path)
    return path


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "speech.wav")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where results go; what else lies there was left behind."""
    path = tmp_path / "results"
    path.mkdir()
    return path
