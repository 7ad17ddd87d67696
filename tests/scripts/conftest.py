"""What tests of the documents' scripts share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.command_line import listen_to_talk
from helpers.ditto_release import use_small_networks, write_release

from ditto_core import cli


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return listen_to_talk(monkeypatch, cli)


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `checkpoints` as published, with small networks in it."""
    use_small_networks(monkeypatch)
    return write_release(tmp_path / "checkpoints")
