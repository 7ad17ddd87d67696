"""The inputs and the output that the nodes of Ditto/Controls share."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ditto_core.controls.curve import Between
from .inputs import named
from .sockets import ControlsSocket

BETWEEN = named(Between)
KEYFRAMES = "One number, or keyframes such as 0: 0, 1.5s: 8, 60: -3: a time is a frame or, with s, seconds."


def controls_input() -> Any:
    """The controls that others are added to."""
    return ControlsSocket.Input(
        "controls",
        optional=True,
        tooltip="Controls this one is added to; where both set the same, this one counts.",
    )


def controls_output() -> Any:
    """All controls so far."""
    return ControlsSocket.Output(
        display_name="controls",
        tooltip="For the next control, for the stages (Ditto Load Avatar, Ditto LMDM Sample, Ditto Motion "
        "Stitch) or Ditto Talking Head.",
    )


def curve_input(name: str, meaning: str) -> Any:
    """A value over time, as text."""
    return io.String.Input(name, default="", tooltip=f"{meaning} {KEYFRAMES}")


def seconds_input(name: str, tooltip: str) -> Any:
    """A time in the clip."""
    return io.Float.Input(name, default=0.0, min=0.0, max=100_000.0, step=0.1, tooltip=tooltip)


def between_input() -> Any:
    """How values get from one keyframe to the next."""
    return io.Combo.Input(
        "between",
        options=list(BETWEEN),
        default="smooth",
        tooltip="From keyframe to keyframe: smooth eases, linear goes straight, hold jumps.",
    )
