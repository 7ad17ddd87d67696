"""Memory stays flat: clips and sources many times as long need hardly more of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.ditto_release import use_small_networks, write_release

from benchmarks.memory import PORTRAIT, measure, write_swaying

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows does not report a process's peak memory this way"),
]


@pytest.fixture(scope="module")
def small_ditto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Networks that take and give what the published ones do, but hold no memory worth mentioning."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        yield write_release(tmp_path_factory.mktemp("memory") / "release") / "ditto_pytorch", "small"


def test_a_minute_needs_at_most_a_tenth_more_memory_than_ten_seconds() -> None:
    short, long = (measure(PORTRAIT, seconds, max_size=320) for seconds in (10, 60))
    assert long <= 1.1 * short


def test_ditto_needs_at_most_a_tenth_more_memory_for_a_clip_eight_times_as_long(small_ditto) -> None:
    short, long = (measure(PORTRAIT, seconds, 320, small_ditto) for seconds in (4, 32))
    assert long <= 1.1 * short


def test_ditto_needs_at_most_a_tenth_more_memory_for_a_source_eight_times_as_long(
    small_ditto, tmp_path: Path
) -> None:
    videos = (write_swaying(tmp_path / f"{seconds}.mp4", seconds, side=320) for seconds in (5, 40))
    short, long = (measure(video, 1, 320, small_ditto) for video in videos)
    assert long <= 1.1 * short
