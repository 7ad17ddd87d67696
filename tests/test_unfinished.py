"""Files that appear when they are whole: after a failure nothing is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ditto_core.unfinished import probe, unfinished


def test_folders_stay_with_the_file_that_is_in_them(tmp_path: Path) -> None:
    with unfinished(tmp_path / "new" / "deep" / "a.mp4") as hidden:
        hidden.write_text("whole")
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["a.mp4", f"{'a' * 300}.mp4"])
def test_folders_made_for_a_file_that_failed_go(tmp_path: Path, name: str) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises((KeyboardInterrupt, OSError)), unfinished(tmp_path / "old" / "new" / "deep" / name):
        raise KeyboardInterrupt
    assert list((tmp_path / "old").iterdir()) == []


def test_folders_that_somebody_else_uses_stay(tmp_path: Path) -> None:
    writing = unfinished(tmp_path / "new" / "deep" / "a.mp4")
    writing.__enter__()
    (tmp_path / "new" / "b.txt").touch()
    writing.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b.txt"]


def test_an_interrupted_probe_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, **_: object) -> None:
        path.write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "touch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
