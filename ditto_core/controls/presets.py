"""Named settings, with the numbers of the published documents."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import InputError
from ..options import AvatarOptions, MotionOptions
from .control import Control
from .curve import Clip

PRESETS: dict[str, dict[str, Any]] = {
    "maximum_quality": {
        "sampling_timesteps": 100,
        "overlap_v2": 20,
        "smo_k_d": 5,
        "smo_k_s": 15,
        "max_size": 1920,
    },
    "high_quality": {"sampling_timesteps": 75, "overlap_v2": 15, "smo_k_d": 5},
    "balanced": {"sampling_timesteps": 50, "overlap_v2": 10, "smo_k_d": 3, "smo_k_s": 13, "max_size": 1920},
    "fast_preview": {"sampling_timesteps": 25, "overlap_v2": 5, "max_size": 512},
    "maximum_speed": {"sampling_timesteps": 25, "overlap_v2": 5, "smo_k_d": 1, "smo_k_s": 1, "max_size": 512},
    "realistic": {"sampling_timesteps": 50, "overlap_v2": 10, "smo_k_d": 3, "smo_k_s": 13},
    # The documents' command has emotion 6 and calls it happy; 6 is surprise.
    "expressive": {"sampling_timesteps": 50, "overlap_v2": 10, "smo_k_d": 2, "emo": 6},
    "stable": {"sampling_timesteps": 50, "overlap_v2": 15, "smo_k_d": 5, "smo_k_s": 15},
}
"""Fields of `AvatarOptions` and `MotionOptions` with their values."""


@dataclass(frozen=True)
class Preset(Control):
    """One of `PRESETS`; options that it does not name stay as they are."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in PRESETS:
            raise InputError(f"There is no preset {self.name!r}; use one of {', '.join(PRESETS)}.")

    def avatar(self, options: AvatarOptions) -> AvatarOptions:
        return replace(options, **self._fields_of(options))

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:  # noqa: ARG002
        return replace(options, **self._fields_of(options))

    def _fields_of(self, options: AvatarOptions | MotionOptions) -> dict[str, Any]:
        known = {part.name for part in fields(options)}
        return {name: value for name, value in PRESETS[self.name].items() if name in known}
