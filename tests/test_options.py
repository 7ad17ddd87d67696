"""Options refuse what they cannot mean when they are made, before any work."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ditto_core.blend.superres_plan import SuperResOptions
from ditto_core.ditto.controls import KEYS
from ditto_core.errors import InputError
from ditto_core.options import (
    MOTION_PARTS,
    AvatarOptions,
    BlendOptions,
    FaceChoice,
    MotionOptions,
    StitchOptions,
)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (FaceChoice, "index", "0"),
        (FaceChoice, "point", ("left", 0.5)),
        (FaceChoice, "point", (0.5, 1.5)),
        (AvatarOptions, "max_size", "128"),
        (AvatarOptions, "max_size", 100.7),
        (AvatarOptions, "template_n_frames", 2.5),
        (AvatarOptions, "crop_scale", "2"),
        (AvatarOptions, "crop_do_rotate", "false"),
        (AvatarOptions, "face", "largest"),
        (MotionOptions, "fps", 0),
        (MotionOptions, "fps", -25.0),
        (MotionOptions, "fps", "soon"),
        (MotionOptions, "blinks", "false"),
        (MotionOptions, "sampling_timesteps", 7.5),
        (MotionOptions, "overlap_v2", -1),
        (MotionOptions, "overlap_v2", 80),
        (MotionOptions, "smo_k_d", 0),
        (MotionOptions, "smo_k_d", 80),
        (MotionOptions, "blink_rate", "often"),
        (MotionOptions, "blink_times", ("soon",)),
        (MotionOptions, "blink_times", (-1.0,)),
        (MotionOptions, "blink_times", (float("nan"),)),
        (StitchOptions, "mouth_amount", None),
        (StitchOptions, "fade_in", -7),
        (StitchOptions, "fade_out", 10_001),
        (StitchOptions, "fade_out", 2.5),
        (StitchOptions, "fade_type", "x"),
        (StitchOptions, "drive_eye", "false"),
        (StitchOptions, "relative_d", "no"),
        (StitchOptions, "use_d_keys", ("nose",)),
        (StitchOptions, "use_d_keys", {"nose": 1.0}),
        (StitchOptions, "use_d_keys", "exp"),
        (StitchOptions, "fade_out_keys", ("mouth",)),
        (StitchOptions, "ctrl_info", 5),
        (StitchOptions, "ctrl_info", "frames.json"),
        (BlendOptions, "alpha", "0.5"),
    ],
)
def test_what_an_option_cannot_be_is_refused(options: Any, field: str, value: Any) -> None:
    with pytest.raises(InputError):
        options(**{field: value})


def test_a_frame_rate_may_be_any_number() -> None:
    assert MotionOptions(fps=25.0).fps == Fraction(25)  # type: ignore[arg-type]
    assert MotionOptions(fps="29.97").fps == Fraction(30000, 1001)  # type: ignore[arg-type]


def test_the_parts_of_motion_are_those_of_ditto() -> None:
    assert MOTION_PARTS == KEYS
    assert StitchOptions(use_d_keys=KEYS, fade_out_keys=(*KEYS, "kp"), fade_type="").fade_type == ""


def test_the_path_of_a_network_may_be_text() -> None:
    assert SuperResOptions(method="model", model="x4.pth").model == Path("x4.pth")
