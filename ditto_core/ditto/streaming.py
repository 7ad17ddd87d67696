"""Ditto while the speech is still coming: samples in, finished frames out, in sync and flat in memory.

The stages are generators, each fed by the one before: listen, draw, stitch, warp, decode, put back. One
inside the other they need no threads and give the same frames. `StreamingSession` runs them in a `Line`, a
thread each with a bounded queue behind it, so that one frame is decoded while the next is warped. When
nobody takes frames, or speech comes faster than it can be rendered, the queues fill up and `push` waits.

Warm-up, first frame (d0) and windows are those of the published online program; see `windows.MotionStream`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..blend.put_back import put_back
from ..control_info import FrameControl, frame_entries
from ..data import Audio, Avatar, FaceCrops, FeatureVolumes, Keypoints, Motion
from ..errors import EngineError, InputError
from ..host import Host
from ..options import BlendOptions, MotionOptions, StitchOptions
from ..sequences import TensorSequence
from .avatar import DittoAvatar
from .controls import ControlRows
from .draw import FPS, blink_offsets, stream_motion
from .engine import DittoEngine
from .line import Line, Stopped
from .motion import from_vectors, keypoints
from .speech import FRAME, PUBLISHED_CHUNK, RATE, Chunk, SpeechStream, speech_features
from .stitch import DRIVEN_CHANNELS

ONLINE = MotionOptions(overlap_v2=70, sampling_timesteps=10)
"""The published options for streams."""

BLINK_CYCLE = 3000
"""Frames after which blinks repeat when nobody knows how many there will be (as published)."""

Samples = NDArray[np.floating[Any]] | Tensor
"""Mono speech (T,) at 16 kHz, floating-point, nominally in -1..1."""

_PATIENCE = 0.1
"""Seconds between two looks at whether the user wants to stop."""

_NO_SOUND = Audio(torch.empty(1, 0), RATE)


class Stages:
    """The stages of one stream, in order: `listen`, `draw`, `stitch`, `warp`, `decode`, `put_back`."""

    def __init__(
        self,
        engine: DittoEngine,
        avatar: DittoAvatar,
        motion: MotionOptions,
        stitch: StitchOptions,
        blend: BlendOptions,
        chunk: Chunk,
        length: int | None,
        host: Host,
        stopped: Event,
    ) -> None:
        self.engine = engine
        self.avatar = avatar
        self.blend = blend
        self.speech = SpeechStream(engine.hear, chunk)
        self._stopped = stopped
        character, self.drawn_for = engine.imagined(avatar, motion)
        self.stitcher = engine.stitcher(avatar, self.drawn_for, stitch)
        self.controls = _controls(engine, stitch, length)
        self.eyes = blink_offsets(engine.config.blink_table, length or BLINK_CYCLE, motion)
        engine.networks.prepare(("hubert", "lmdm"), host)
        self.motion = stream_motion(
            engine.networks.motion_model,
            _silence(engine, motion.overlap_v2, chunk, host),
            character,
            engine.config,
            motion,
            engine.networks.device,
            self._check,
        )
        if engine.networks.device.type == "cuda":  # a CPU would spend a frame's time on it
            engine.warm_up(avatar)
        self._source = TensorSequence(keypoints(avatar.face))

    def listen(self, pieces: Iterator[Tensor]) -> Iterator[Tensor]:
        """Samples (T,) to speech features (n, 1024)."""
        for samples in pieces:
            features = self.speech.push(samples)
            if features is not None:
                yield features
        features = self.speech.close()
        if features is not None:
            yield features

    def draw(self, speech: Iterator[Tensor]) -> Iterator[Tensor]:
        """Speech features to motion (n, 265)."""
        for features in speech:
            drawn = self.motion.push(features)
            if len(drawn):
                yield drawn
        drawn = self.motion.close()
        if len(drawn):
            yield drawn

    def stitch(self, motion: Iterator[Tensor]) -> Iterator[Keypoints]:
        """Motion to keypoints, as many frames at once as are rendered together."""
        start = 0
        for drawn in motion:
            for first in range(0, len(drawn), self.engine.batch):
                values = drawn[first : first + self.engine.batch]
                yield self._stitched(values, start + first)
            start += len(drawn)

    def warp(self, points: Iterator[Keypoints]) -> Iterator[FeatureVolumes]:
        for each in points:
            volumes = self.engine.warp(each)
            yield replace(volumes, values=TensorSequence(volumes.values[:]))

    def decode(self, volumes: Iterator[FeatureVolumes]) -> Iterator[FaceCrops]:
        for each in volumes:
            crops = self.engine.decode(each)
            yield replace(crops, images=TensorSequence(crops.images[:]))

    def put_back(self, crops: Iterator[FaceCrops]) -> Iterator[Tensor]:
        """Face crops to finished frames, RGB uint8 (n, H, W, 3)."""
        for each in crops:
            yield put_back(each, self.blend).images[:]

    def _stitched(self, values: Tensor, start: int) -> Keypoints:
        """The keypoints of frames `start` and following."""
        if self.stitcher.reference is None and self.motion.reference is not None:
            self.stitcher.reference = from_vectors(self.motion.reference[None])
        frames = torch.arange(start, start + len(values))
        index = self.avatar.source_index(len(values), FPS, start)
        eyes = None if self.eyes is None else self.eyes[frames % len(self.eyes)]
        driven = self.stitcher.drive(from_vectors(values), index, self.controls(frames), eyes)
        motion = Motion(self.engine, driven.values(), FPS, DRIVEN_CHANNELS, _NO_SOUND)
        points = TensorSequence(self.stitcher.place(driven, index))
        return Keypoints(self.engine, self.avatar, motion, self._source, points, index, "crop")

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped


class StreamingSession:
    """`push` speech as it comes and take the frames that are ready; `close` gives the rest.

    Together one frame for each started 40 ms, whatever the overlap and however the speech is cut. A session
    is used by one thread; `cancel` may be called by another. Any error cancels it, and so does leaving a
    `with` block before `close`.
    """

    def __init__(
        self,
        engine: DittoEngine,
        avatar: Avatar,
        motion: MotionOptions = ONLINE,
        stitch: StitchOptions | None = None,
        blend: BlendOptions | None = None,
        host: Host | None = None,
        *,
        chunk: Chunk = PUBLISHED_CHUNK,
        length: int | None = None,
        room: int = 1,
    ) -> None:
        """chunk: the frames that the speech encoder hears at once. length: frames there
        will be, where that is known: then fade_out works, and blinks come as offline. room: batches of frames
        that may wait behind each stage.

        Raises an `InputError` for options that do not fit a stream and an `EngineError` for an avatar of
        another engine.
        """
        if not isinstance(avatar, DittoAvatar):
            raise EngineError(f"This person was registered by {avatar.engine.label}; register with Ditto.")
        _check_options(motion, stitch := stitch or StitchOptions(), length, room)
        self._host = host or Host()
        self._nothing = torch.empty((0, *avatar.frames.shape), dtype=torch.uint8)
        self._open = True
        # Longer pieces are cut, so that the features, and with them the frames, do not depend on the pieces.
        self._piece = chunk.present * FRAME
        stopped = Event()
        stages = Stages(
            engine, avatar, motion, stitch, blend or BlendOptions(), chunk, length, self._host, stopped
        )
        order = (stages.listen, stages.draw, stages.stitch, stages.warp, stages.decode, stages.put_back)
        self._line = Line(order, room, stopped)
        weakref.finalize(self, self._line.halt)

    def push(self, samples: Samples) -> Tensor:
        """Take speech and give the frames that are ready, RGB uint8 (n, H, W, 3).

        Waits while there is more speech than the stages can take.
        """
        return torch.cat([self._nothing, *self.feed(samples)])

    def close(self) -> Tensor:
        """The frames not given yet; none when there is nothing left. Silence follows the last sample."""
        return torch.cat([self._nothing, *self.rest()])

    def feed(self, samples: Samples) -> Iterator[Tensor]:
        """`push`, in small batches of frames as they get ready; all is taken when no more come."""
        yield from self._guarded(self._feed(self._usable(samples)))

    def rest(self) -> Iterator[Tensor]:
        """`close`, in small batches of frames as they get ready."""
        yield from self._guarded(self._rest())

    def cancel(self) -> None:
        """Stop all work and throw away what is not finished. Returns once the threads have ended, which takes
        as long as the network calls they are in."""
        self._open = False
        self._line.stop()

    def __enter__(self) -> StreamingSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _usable(self, samples: Samples) -> Tensor:
        """A copy of the samples as float32, so that a caller may use his buffer again."""
        if not self._open:
            raise InputError("This stream is closed; start a new one for more speech.")
        values = np.array(samples.detach().cpu().numpy() if isinstance(samples, Tensor) else samples)
        if values.ndim != 1 or values.dtype.kind != "f":
            told = f"{values.dtype} {values.shape}"
            raise InputError(f"Speech must be mono samples (T,), floating-point in -1..1; this is {told}.")
        if not np.isfinite(values).all():
            raise InputError("The speech contains values that are no numbers (NaN or infinite).")
        return torch.from_numpy(values.astype(np.float32, copy=False))

    def _feed(self, samples: Tensor) -> Iterator[Tensor]:
        for start in range(0, len(samples), self._piece):
            piece = samples[start : start + self._piece]
            while not self._line.offer(piece):
                yield from self._line.take()
                self._pause()
        yield from self._line.take()

    def _rest(self) -> Iterator[Tensor]:
        if not self._open:
            return
        self._line.end()
        while not self._line.finished:
            yield from self._line.take()
            self._pause()
        self.cancel()

    def _pause(self) -> None:
        """Wait for the stages, for a moment."""
        self._host.check_interrupted()
        self._line.wait(_PATIENCE)

    def _guarded(self, frames: Iterator[Tensor]) -> Iterator[Tensor]:
        """The same frames; the session ends when something goes wrong on the way, or nobody takes them."""
        try:
            self._host.check_interrupted()
            for batch in frames:
                yield batch.clone()  # an ordinary tensor, whatever mode the stages work in
        except BaseException:
            self.cancel()
            raise


def _silence(engine: DittoEngine, overlap: int, chunk: Chunk, host: Host) -> Tensor:
    """Features (overlap, 1024) of silence, which the published online program starts with."""

    def progress(_done: int, _total: int) -> None:
        host.check_interrupted()

    samples = torch.zeros(max(overlap, 1) * FRAME)
    return speech_features(samples, engine.hear, chunk, progress, engine.hear.batches)[:overlap]


def _controls(
    engine: DittoEngine, options: StitchOptions, length: int | None
) -> Callable[[Tensor], ControlRows]:
    """What is changed in frames (n,) of a stream that has `length` of them, or nobody knows how many."""
    if length is not None:
        all_rows = engine.controls(length, options)
        return lambda frames: all_rows.take(frames.clamp(max=length - 1))
    entries: dict[int, FrameControl] = {}
    for frame, entry in frame_entries(options.ctrl_info):
        if frame >= 0:
            entries[frame] = {**entries.get(frame, {}), **entry}
    named = sorted({*range(options.fade_in), *entries})  # a row for each, and one for all others
    place = {frame: row for row, frame in enumerate(named)}
    by_row = {place[frame]: entry for frame, entry in entries.items()}
    rows = engine.controls(len(named) + 1, replace(options, ctrl_info=by_row))
    return lambda frames: rows.take(torch.tensor([place.get(int(frame), len(named)) for frame in frames]))


def _check_options(motion: MotionOptions, stitch: StitchOptions, length: int | None, room: int) -> None:
    if motion.fps != FPS:
        raise InputError(f"A stream has {FPS} frames a second; fps is {float(motion.fps):g}.")
    if length is None and stitch.fade_out > 0:
        raise InputError("A fade_out needs to know when speech ends: give the stream's length, or no fade.")
    if length is not None and length < 1:
        raise InputError(f"length is {length}; it must be the number of frames there will be, or None.")
    if room < 1:
        raise InputError(f"room is {room}; it must be at least 1.")
