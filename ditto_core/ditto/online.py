"""A whole recording animated the way a stream is."""

from __future__ import annotations

from itertools import chain
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..audio.resample import mono
from ..blend.put_back import mask_weight, rendered_region
from ..data import Audio, Avatar, Frames
from ..errors import InputError
from ..host import Host
from ..options import BlendOptions, MotionOptions, StitchOptions
from ..sequences import LazySequence
from .avatar import DittoAvatar
from .draw import FPS
from .engine import DittoEngine
from .source import CROP_SIDE
from .speech import FRAME, PUBLISHED_CHUNK, RATE, Chunk, frame_count
from .streaming import ONLINE, StreamingSession


class _StreamedFrames(LazySequence):
    """The frames of a session, to be read once and in order."""

    def __init__(self, session: StreamingSession, samples: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__(frame_count(len(samples)), shape, torch.uint8)
        self._batches = chain(session.feed(samples), session.rest())
        self._waiting = torch.empty((0, *shape), dtype=torch.uint8)
        self._next = 0

    def compute(self, start: int, stop: int) -> Tensor:
        if start != self._next:
            raise InputError(
                f"Frame {start} of a stream was asked for where {self._next} follows; read them in order."
            )
        while len(self._waiting) < stop - start:
            self._waiting = torch.cat([self._waiting, next(self._batches)])
        self._next = stop
        taken, self._waiting = self._waiting[: stop - start], self._waiting[stop - start :]
        return taken


def animate_online(
    engine: DittoEngine,
    avatar: Avatar,
    audio: Audio,
    motion: MotionOptions = ONLINE,
    stitch: StitchOptions | None = None,
    blend: BlendOptions | None = None,
    host: Host | None = None,
    *,
    chunk: Chunk = PUBLISHED_CHUNK,
) -> Frames:
    """A whole recording animated the way a stream is; the frames can be read once, in order."""
    count = audio.frame_count(FPS)
    samples = mono(audio, RATE)
    missing = (count - 1) * FRAME + 1 - len(samples)  # resampling may round a last frame away
    fitted = F.pad(samples, (0, max(missing, 0)))[: count * FRAME]
    session = StreamingSession(engine, avatar, motion, stitch, blend, host, chunk=chunk, length=count)
    frames = _StreamedFrames(session, fitted, avatar.frames.shape)
    person = cast(DittoAvatar, avatar)  # the session has refused any other
    weight = mask_weight(torch.ones(CROP_SIDE, CROP_SIDE), blend or BlendOptions())
    index = avatar.source_index(count, FPS)
    region = rendered_region(weight, person.crop_to_original, index, person.absent)
    return Frames(frames, FPS, audio, region)
