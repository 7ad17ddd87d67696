"""Controls as curves to be drawn: what they change in which frame."""

from __future__ import annotations

import torch
from torch import Tensor

from ..control_info import ANGLES
from ..ditto.controls import read_controls
from ..emotion import EMOTIONS, emotion_table
from ..media.plot import Panels
from ..options import MotionOptions, StitchOptions
from .control import Controls
from .curve import Clip
from .parts import EMOTION_RATE, Eyes

UNCHANGED = "No control changes over time"
"""Title of the one panel there is then; its curve is level."""


def control_curves(controls: Controls, clip: Clip) -> Panels:
    """Panels of curves (frames,) by name: emotions, fade and gate, head, gaze, amount of the mouth, times of
    blinks; only what is changed, and a level curve when that is nothing."""
    motion, stitch = controls.motion(MotionOptions(), clip), controls.stitch(StitchOptions(), clip)
    rows = read_controls(stitch.ctrl_info, clip.frames, fade_in=stitch.fade_in, fade_out=stitch.fade_out)
    panels = {
        "Emotion": (_emotions(motion, clip), 0.0),
        "Motion": ({"fade": rows.fade, "gate": rows.vad}, 1.0),
        "Head, degrees added": (dict(zip(ANGLES, rows.offset.unbind(1), strict=True)), 0.0),
        "Head, factor": (dict(zip(ANGLES, rows.amplitude.unbind(1), strict=True)), 1.0),
        "Gaze": (_gaze(controls, clip), 0.0),
        "Mouth": ({"amount": torch.full((clip.frames,), stitch.mouth_amount)}, StitchOptions.mouth_amount),
        "Blinks": ({"begin": _blinks(motion, clip)}, 0.0),
    }
    changed = {
        title: {name: curve for name, curve in curves.items() if bool((curve != resting).any())}
        for title, (curves, resting) in panels.items()
    }
    drawn = {title: curves for title, curves in changed.items() if curves}
    return drawn or {UNCHANGED: {"nothing": torch.zeros(clip.frames)}}


def _emotions(motion: MotionOptions, clip: Clip) -> dict[str, Tensor]:
    """Share of each class that is ever more than a trace."""
    if motion.emo is None:
        return {}
    table = emotion_table(motion.emo)
    row = (torch.arange(clip.frames) / float(clip.fps) * float(EMOTION_RATE)).long() % len(table)
    shares = dict(zip(EMOTIONS, table[row].unbind(1), strict=True))
    return {name: share for name, share in shares.items() if float(share.max()) > 0.02}


def _gaze(controls: Controls, clip: Clip) -> dict[str, Tensor]:
    eyes = [part for part in controls.parts if isinstance(part, Eyes) and (part.gaze_x or part.gaze_y)]
    curves = {"to the right": eyes[-1].gaze_x, "up": eyes[-1].gaze_y} if eyes else {}
    return {name: curve.values(clip) for name, curve in curves.items() if curve}


def _blinks(motion: MotionOptions, clip: Clip) -> Tensor:
    """1 in the frames in which a blink begins that a control names; those drawn at random are not known."""
    begins = torch.zeros(clip.frames)
    for time in motion.blink_times or ():
        frame = round(time * clip.fps)
        if frame < clip.frames:
            begins[frame] = 1
    return begins
