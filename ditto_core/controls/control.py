"""One control, and the list of them that a user builds up.

Every control changes the options of the stages it is about. They are merged in order: where two change the
same thing of the same frame, the later one counts. What a control does not name keeps its value, so a stage's
own options hold until a control says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor

from ..control_info import FrameControl, frame_entries
from ..options import AvatarOptions, MotionOptions, StitchOptions
from .curve import Clip


class Control:
    """Changes nothing; a control overrides the stages it is about."""

    def avatar(self, options: AvatarOptions) -> AvatarOptions:
        return options

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:  # noqa: ARG002
        return options

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:  # noqa: ARG002
        return options


@dataclass(frozen=True)
class Controls:
    """The user's controls, in the order they are merged."""

    parts: tuple[Control, ...] = ()

    def plus(self, *controls: Control) -> Controls:
        """These and, after them, others."""
        return Controls((*self.parts, *controls))

    def avatar(self, options: AvatarOptions) -> AvatarOptions:
        for part in self.parts:
            options = part.avatar(options)
        return options

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:
        for part in self.parts:
            options = part.motion(options, clip)
        return options

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:
        for part in self.parts:
            options = part.stitch(options, clip)
        return options


def in_frames(options: StitchOptions, entries: Iterable[tuple[int, FrameControl]]) -> StitchOptions:
    """The options with these (frame number, control) laid over their `ctrl_info`, key by key."""
    info = {frame: dict(entry) for frame, entry in frame_entries(options.ctrl_info)}
    for frame, entry in entries:
        info.setdefault(frame, {}).update(entry)
    return replace(options, ctrl_info=info)


def by_frame(values: Mapping[str, Tensor]) -> Iterator[tuple[int, FrameControl]]:
    """A value or row of each key for every frame from 0 on, for `in_frames`."""
    for key, column in values.items():
        for frame, value in enumerate(cast("list[Any]", column.tolist())):
            yield frame, {key: value}
