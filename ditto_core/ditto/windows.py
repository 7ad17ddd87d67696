"""From windows of 80 frames to a whole motion sequence: fused where they overlap, smoothed, in sync.

Offline the whole speech is known. Online it comes piece by piece: a window is drawn as soon as there is
speech for it, and frames leave once no later window changes them. Either way N rows of speech give exactly
N frames, for every overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .condition import Conditioner
from .motion import MOTION_WIDTH, POSE, clip, smooth, to_vectors
from .networks.lmdm import FRAMES

HISTORY = 2 * FRAMES
"""Frames kept while windows are added; a new window reads and changes fewer than that."""

SampleWindow = Callable[[Tensor, Tensor], Tensor]
"""(condition (80, C), motion before it (265,)) -> motion (80, 265)."""


@dataclass(frozen=True)
class WindowOptions:
    """How windows are joined.

    overlap: frames two windows share (published: 10 offline, 70 online). smoothing: frames of the moving
    average over everything but the expression, 1 for none. fix_kp_cond: a window starts from where the one
    before ended, but every so many windows from the initial motion again, 0 for never; fix_kp_cond_dim: the
    columns start to stop-1 then still come from the window before.
    """

    overlap: int = 10
    smoothing: int = 3
    fix_kp_cond: int = 0
    fix_kp_cond_dim: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < FRAMES:
            raise InputError(f"overlap_v2 is {self.overlap}; it must be between 0 and {FRAMES - 1} frames.")
        if not 1 <= self.smoothing < FRAMES:
            raise InputError(f"smo_k_d is {self.smoothing}; it must be between 1 and {FRAMES - 1} frames.")
        if self.fix_kp_cond < 0:
            raise InputError(f"fix_kp_cond is {self.fix_kp_cond}; it must be 0 (never) or a window count.")
        start, stop = self.fix_kp_cond_dim or (0, MOTION_WIDTH)
        if not 0 <= start <= stop <= MOTION_WIDTH:
            raise InputError(f"fix_kp_cond_dim is {start} to {stop}; it must lie in 0 to {MOTION_WIDTH}.")

    @property
    def advance(self) -> int:
        """New frames of each window after the first."""
        return FRAMES - self.overlap


class WindowChain:
    """The motion that grows window by window; only its newest frames are kept.

    `motion` holds the newest of the `length` frames there are. The newest `fuse` of them, and none before,
    change when a window is added.
    """

    def __init__(self, sample: SampleWindow, initial: Tensor, options: WindowOptions, fuse: int) -> None:
        self.sample = sample
        self.initial = initial
        self.options = options
        self.fuse = fuse
        self.before = initial
        self.motion = initial.new_empty((0, MOTION_WIDTH))
        self.length = 0
        self.windows = 0

    def add(self, cond: Tensor) -> None:
        """Draw the motion of the next window from its condition (80, C)."""
        prediction = self.sample(cond, self.before)
        recent = self.motion[-HISTORY:]
        self.motion = (
            extend(recent, prediction, self.options, self.fuse)
            if self.windows
            else smooth_pose(prediction, self.options.smoothing)
        )
        self.length += self.options.advance if self.windows else FRAMES
        self.windows += 1
        self.before = self._motion_before()

    def frames(self, start: int, stop: int) -> Tensor:
        """Frames start to stop - 1, counted from the first there was."""
        offset = self.length - len(self.motion)
        return self.motion[start - offset : stop - offset]

    def _motion_before(self) -> Tensor:
        """What the next window starts from: the frame before its first, or the initial motion again."""
        newest = self.motion[len(self.motion) - self.options.overlap - 1]
        every = self.options.fix_kp_cond
        if every == 0 or self.windows % every:
            return newest
        start, stop = self.options.fix_kp_cond_dim or (0, 0)
        return torch.cat([self.initial[:start], newest[start:stop], self.initial[stop:]])


def extend(motion: Tensor, prediction: Tensor, options: WindowOptions, fuse: int) -> Tensor:
    """`motion` (L, 265) continued by a window (80, 265): cross-faded over `fuse` frames, smoothed there."""
    join, overlap = len(motion) - fuse, options.overlap
    weight = (torch.arange(fuse, dtype=motion.dtype, device=motion.device) / max(fuse, 1))[:, None]
    fused = motion[join:] * (1 - weight) + prediction[overlap - fuse : overlap] * weight
    longer = torch.cat([motion[:join], fused, prediction[overlap:]])
    return smooth_pose(longer, options.smoothing, join, len(motion) + 1)


def smooth_pose(motion: Tensor, kernel: int, start: int = 0, stop: int | None = None) -> Tensor:
    """(N, 265) with everything but the expression averaged over neighbours, in rows start to stop - 1."""
    stop = len(motion) if stop is None else stop
    first = max(start - kernel, 0)  # an average reaches less far than its kernel is long
    averaged = smooth(motion[first : stop + kernel, POSE], kernel)[start - first :][: stop - start]
    smoothed = motion.clone()
    smoothed[start:stop, POSE] = averaged
    return smoothed


def join_windows(cond: Tensor, sample: SampleWindow, initial: Tensor, options: WindowOptions) -> Tensor:
    """The motion (N, 265) for conditions (N, C), window after window; initial (265,) starts the first."""
    chain = WindowChain(sample, initial, options, fuse=options.overlap)
    finished: list[Tensor] = []
    for start in range(0, len(cond), options.advance):
        finished.append(chain.motion[:-HISTORY])
        chain.add(_padded(cond[start : start + FRAMES]))
    return torch.cat([*finished, chain.motion])[: len(cond)]


def sample_offline(cond: Tensor, sample: SampleWindow, initial: Tensor, options: WindowOptions) -> Tensor:
    """The published offline sequence: `join_windows`, smoothed once more as a whole."""
    return smooth_pose(join_windows(cond, sample, initial, options), options.smoothing)


class MotionStream:
    """Motion for speech that is still coming.

    `push` speech features as they come and get the frames that are final, `close` at the end and get the
    rest; together exactly one frame a row. `reference` is the motion that stitching relates all frames to:
    the first frame of the warm-up, known once a window was drawn. `conditioner` may be replaced on the way,
    say with another emotion; it counts from the next row on.
    """

    def __init__(
        self,
        conditioner: Conditioner,
        sample: SampleWindow,
        silence: Tensor,
        options: WindowOptions,
        limits: Tensor | None = None,
    ) -> None:
        """silence: features (overlap, 1024) of silence, the warm-up before the first frame."""
        if len(silence) != options.overlap:
            raise InputError(f"The warm-up has {len(silence)} rows; it must have {options.overlap}.")
        self.conditioner = conditioner
        self.limits = limits
        self.reference: Tensor | None = None
        initial = to_vectors(conditioner.character.motion)[0]
        fuse = min(options.overlap, options.advance)
        self._chain = WindowChain(sample, initial, options, fuse)
        self._waiting = conditioner.rows(silence, -options.overlap)
        self._last_speech = silence[-1:]
        self._rows = 0
        self._emitted = 0

    def push(self, speech: Tensor) -> Tensor:
        """Take features (n, 1024) and give the frames (k, 265) that became final."""
        self._wait(speech, self._rows)
        self._rows += len(speech)
        frames = [self._waiting.new_empty((0, MOTION_WIDTH))]
        while len(self._waiting) >= FRAMES:
            self._draw_window()
            frames.append(self._emit(self._chain.length - self._chain.fuse))
        return torch.cat(frames)

    def close(self) -> Tensor:
        """The frames not given yet. The last window is filled up with its last row of speech."""
        if self._rows and len(self._waiting):
            missing = FRAMES - len(self._waiting)
            self._wait(self._last_speech.expand(missing, -1), self._rows)
            self._draw_window()
        return self._emit(self._rows + self._chain.options.overlap)

    def _wait(self, speech: Tensor, start: int) -> None:
        self._waiting = torch.cat([self._waiting, self.conditioner.rows(speech, start)])
        self._last_speech = torch.cat([self._last_speech, speech])[-1:]

    def _draw_window(self) -> None:
        self._chain.add(self._waiting[:FRAMES])
        self._waiting = self._waiting[self._chain.options.advance :]
        if self.reference is None:
            self.reference = self._clipped(self._chain.frames(0, 1))[0]

    def _emit(self, stop: int) -> Tensor:
        """Frames of the chain up to `stop`; its first `overlap` are the warm-up, which nobody sees."""
        start = self._chain.options.overlap + self._emitted
        self._emitted += stop - start
        return self._clipped(self._chain.frames(start, stop))

    def _clipped(self, motion: Tensor) -> Tensor:
        return motion if self.limits is None else clip(motion, self.limits)


def _padded(cond: Tensor) -> Tensor:
    """A window of 80 rows, filled up by repeating the last one."""
    return torch.cat([cond, cond[-1:].expand(FRAMES - len(cond), -1)])
