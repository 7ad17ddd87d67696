"""Memory stays flat: a clip six times as long needs hardly more of it."""

from __future__ import annotations

import os

import pytest

from benchmarks.memory import PORTRAIT, measure


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows does not report a process's peak memory this way")
def test_a_minute_needs_at_most_a_tenth_more_memory_than_ten_seconds() -> None:
    short, long = (measure(PORTRAIT, seconds, max_size=320) for seconds in (10, 60))
    assert long.megabytes <= 1.1 * short.megabytes
