"""A video that grows while speech still comes: chunks in, frames and sound written as they are ready."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from torch import Tensor

from ..data import Avatar
from ..errors import InputError
from ..host import Host
from ..media.encoders import VideoOptions
from ..media.writer import video_file
from ..options import BlendOptions, MotionOptions, StitchOptions
from .draw import FPS
from .engine import DittoEngine
from .speech import FRAME, RATE, Chunk
from .streaming import StreamingSession

CHANNELS = 1


class StreamedVideo:
    """Takes chunks of speech as the published online program does, and writes what they say.

    Each chunk holds past, present and future frames, and begins `present` frames after the one before, the
    first one with `past` frames of silence. `take` waits while there is more speech than can be rendered, so
    that nothing piles up. The video appears under its name when `finish` returns; an error or `cancel` leaves
    nothing of it.
    """

    def __init__(
        self,
        engine: DittoEngine,
        avatar: Avatar,
        output: Path,
        motion: MotionOptions,
        stitch: StitchOptions,
        blend: BlendOptions,
        video: VideoOptions,
        host: Host,
        *,
        chunk: Chunk,
        length: int | None,
    ) -> None:
        """length: frames there will be, where that is known: what comes beyond is not rendered, and a fade
        at the end is possible."""
        self.chunk = chunk
        self.frames = 0
        """How many were written."""
        self._length = length
        self._heard = 0
        self._chunks = 0
        session = StreamingSession(engine, avatar, motion, stitch, blend, host, chunk=chunk, length=length)
        self._work = self._written(session, avatar, output, video, host)
        next(self._work)

    def take(self, samples: Tensor) -> None:
        """Take the samples (T,) of the next chunk; what is missing of its future is silence."""
        chunk, samples = self.chunk, self.chunk.checked(samples)
        self._chunks += 1
        self._go_on(samples[-chunk.present * FRAME :] if self._chunks > 1 else samples[chunk.past * FRAME :])

    def finish(self) -> None:
        """Render and write the rest."""
        self._go_on(None)

    def cancel(self) -> None:
        """Stop all work; nothing of the video is left."""
        self._work.close()

    @property
    def due(self) -> int:
        """Frames that the speech taken so far gives."""
        spoken = self._chunks * self.chunk.present
        return spoken if self._length is None else min(spoken, self._length)

    def _go_on(self, samples: Tensor | None) -> None:
        try:
            self._work.send(samples)
        except StopIteration as end:
            if not end.value:
                raise InputError("This video is finished or was given up; set it up again.") from None

    def _written(
        self, session: StreamingSession, avatar: Avatar, output: Path, video: VideoOptions, host: Host
    ) -> Generator[None, Tensor | None, bool]:
        """All the work: samples are sent in, None at the end; then True."""
        height, width, _ = avatar.frames.shape
        with session, video_file(output, height, width, FPS, video, (RATE, CHANNELS)) as file:

            def write(batch: Tensor) -> None:
                file.write(batch[: self.due - self.frames])
                self.frames = file.frames
                host.progress("render", self.frames, self.due, batch[-1])

            while (samples := (yield)) is not None:
                if self._length is not None:
                    samples = samples[: max(self._length * FRAME - self._heard, 0)]
                self._heard += len(samples)
                file.add_sound(samples[None])
                for batch in session.feed(samples):
                    write(batch)
            file.end_sound()
            for batch in session.rest():
                write(batch)
        return True
