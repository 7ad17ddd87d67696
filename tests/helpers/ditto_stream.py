"""Streams of speech for Ditto on small networks."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.speech import Chunk
from ditto_core.ditto.streaming import ONLINE, Stages, StreamingSession
from ditto_core.host import Host
from ditto_core.options import BlendOptions, MotionOptions, StitchOptions

QUICK = replace(ONLINE, sampling_timesteps=2)
SHORT = replace(QUICK, overlap_v2=75)
"""Frames come soon: a window adds five."""


@contextmanager
def threads_end() -> Iterator[None]:
    """See that no thread is left that was not there before."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    assert left == []


def sound(seconds: float) -> Tensor:
    return 0.1 * torch.randn(round(seconds * 16000), generator=torch.Generator().manual_seed(1))


@functools.lru_cache
def recording() -> Tensor:
    return sound(0.9)


def whole(session: StreamingSession, samples: Tensor, piece: int) -> Tensor:
    with session:
        return torch.cat([*(session.push(part) for part in samples.split(piece)), session.close()])


def drawn_stages(engine: DittoEngine, avatar: DittoAvatar, motion: MotionOptions, **more: Any) -> Stages:
    given: dict[str, Any] = {
        "stitch": StitchOptions(),
        "blend": BlendOptions(),
        "length": None,
        "chunk": Chunk(),
        **more,
    }
    return Stages(engine, avatar, motion, host=Host(), stopped=threading.Event(), **given)
