"""The columns of Lite's motion: what moves, in which unit."""

from __future__ import annotations

CHANNELS = (
    "open",  # gap between the inner lips, cm, 0 closed
    "wide",  # mouth width, -1 rounded .. +1 stretched
    "press",  # lips pressed together, 0..1
    "tuck",  # lower lip under the upper teeth (f, v), 0..1
    "upper",  # upper lip raised, 0..1
    "tongue",  # tongue lift, cm
    "blink_left",  # image-left eye closed, 0..1
    "blink_right",  # image-right eye closed, 0..1
    "brow",  # brows raised, -1..1
    "smile",  # mouth corners raised, -1..1
    "yaw",  # head turned, degrees
    "pitch",  # head nodded, degrees
    "roll",  # head tilted, degrees
    "tx",  # head moved sideways, cm
    "ty",  # head moved up, cm
)

COLUMN = {name: column for column, name in enumerate(CHANNELS)}
