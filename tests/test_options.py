"""Options refuse what they cannot mean when they are made, before any work."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ditto_core.blend.superres_plan import SuperResOptions
from ditto_core.control_info import EXPRESSION, MOTION_PARTS
from ditto_core.ditto.motion import WIDTHS
from ditto_core.ditto.networks.lmdm import FRAMES
from ditto_core.ditto.sampler import TRAINING_STEPS
from ditto_core.errors import InputError
from ditto_core.limits import Limits, kinds
from ditto_core.media.encoders import VideoOptions
from ditto_core.models.execution import Execution
from ditto_core.options import (
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
        (FaceChoice, "index", -1),
        (FaceChoice, "rule", "smallest"),
        (FaceChoice, "point", ("left", 0.5)),
        (FaceChoice, "point", (0.5, 1.5)),
        (FaceChoice, "point", 0.5),
        (FaceChoice, "point", (0.5,)),
        (AvatarOptions, "max_size", "128"),
        (AvatarOptions, "max_size", 100.7),
        (AvatarOptions, "max_size", 16_385),
        (AvatarOptions, "smo_k_s", 10_001),
        (AvatarOptions, "motion_frames", 0),
        (AvatarOptions, "face_networks", "mine"),
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
        (MotionOptions, "delta_eye_open_n", []),
        (MotionOptions, "delta_eye_open_n", [-5, 3]),
        (MotionOptions, "delta_eye_open_n", [-1, 3]),
        (MotionOptions, "delta_eye_open_n", -2),
        (MotionOptions, "delta_eye_open_n", float("nan")),
        (MotionOptions, "delta_eye_open_n", "often"),
        (MotionOptions, "emo", 8),
        (MotionOptions, "emo", "joy"),
        (MotionOptions, "emo", []),
        (MotionOptions, "emo", [[0.5, 0.5]]),
        (MotionOptions, "blink_rate", "often"),
        (MotionOptions, "blink_times", 0.5),
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
        (StitchOptions, "use_d_keys", 5),
        (StitchOptions, "use_d_keys", {"exp": "1.2"}),
        (StitchOptions, "use_d_keys", {"exp": float("nan")}),
        (StitchOptions, "fade_out_keys", ("mouth",)),
        (StitchOptions, "fade_out_keys", "exp"),
        (StitchOptions, "fade_out_keys", 5),
        (StitchOptions, "ctrl_info", 5),
        (StitchOptions, "ctrl_info", "frames.json"),
        (StitchOptions, "ctrl_info", {0: {"bogus": 1}}),
        (StitchOptions, "ctrl_info", {0: {"delta_yaw": "half"}}),
        (StitchOptions, "ctrl_info", {0: {"delta_exp": [0.0] * 62}}),
        (StitchOptions, "ctrl_info", {"first": {}}),
        (StitchOptions, "ctrl_info", [{"fade_out_keys": "exp"}]),
        (StitchOptions, "overall_ctrl_info", {"delta_pich": 2}),
        (StitchOptions, "overall_ctrl_info", {"vad_alpha": float("inf")}),
        (StitchOptions, "overall_ctrl_info", 2),
        (BlendOptions, "alpha", "0.5"),
        (BlendOptions, "mode", "soft"),
        (BlendOptions, "mode", ["blend"]),
        (VideoOptions, "crf", "18"),
        (VideoOptions, "crf", None),
        (VideoOptions, "crf", 18.5),
        (VideoOptions, "audio_bitrate", 64_000.5),
        (SuperResOptions, "steadiness", 1.5),
        (SuperResOptions, "when", None),
        (Execution, "precision", "fp8"),
        (Execution, "networks", {"decoder": "onyx"}),
    ],
)
def test_what_an_option_cannot_be_is_refused(options: Any, field: str, value: Any) -> None:
    with pytest.raises(InputError):
        options(**{field: value})


OPTIONS = (
    FaceChoice, AvatarOptions, MotionOptions, StitchOptions, BlendOptions, SuperResOptions, VideoOptions,
)  # fmt: skip
OWN_RULES = ("delta_eye_open_n",)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_number_has_limits_with_its_default_between_them(options: Any) -> None:
    made = options()
    for name, kind in kinds(options).items():
        value = getattr(made, name)
        if isinstance(value, (int, float, Fraction)) and kind.type is not bool and name not in OWN_RULES:
            assert kind.limits, name
            assert kind.limits.low <= value <= kind.limits.high, name


def test_the_limits_are_those_of_dittos_windows_and_training() -> None:
    of = kinds(MotionOptions)
    assert of["overlap_v2"].limits == Limits(0, FRAMES - 1)
    assert of["smo_k_d"].limits == Limits(1, FRAMES - 1)
    assert of["sampling_timesteps"].limits == Limits(1, TRAINING_STEPS)


def test_controls_of_frames_that_can_be_followed_are_taken() -> None:
    offset = [[0.0, 0.0, 0.01]] * 21
    info = {
        "3": {"delta_exp": offset, "fade_out_keys": None, "fade_alpha": 0.5},
        "4": {"fade_out_keys": ["kp"]},
    }
    assert StitchOptions(ctrl_info=info, overall_ctrl_info={"delta_pitch": 2}).ctrl_info == info
    assert StitchOptions(use_d_keys={"exp": 1.2, "t": 0}).use_d_keys == {"exp": 1.2, "t": 0}
    assert MotionOptions(delta_eye_open_n=[-1]).delta_eye_open_n == [-1]


def test_what_is_refused_says_what_may_be_chosen() -> None:
    with pytest.raises(InputError, match=r"^blend mode is 'soft'; choose one of blend, replace, strong"):
        BlendOptions(mode="soft")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^crf is 52; it must be between 0 and 51\.$"):
        VideoOptions(crf=52)


def test_a_frame_rate_may_be_any_number() -> None:
    assert MotionOptions(fps=25.0).fps == Fraction(25)  # type: ignore[arg-type]
    assert MotionOptions(fps="29.97").fps == Fraction(30000, 1001)  # type: ignore[arg-type]
    for kind in (np.float32, np.uint8, np.int32):
        assert MotionOptions(fps=kind(25)).fps * 10**9 == 25 * 10**9


def test_the_parts_of_motion_are_those_of_ditto() -> None:
    assert tuple(WIDTHS) == MOTION_PARTS
    assert WIDTHS["exp"] == EXPRESSION
    assert (
        StitchOptions(use_d_keys=MOTION_PARTS, fade_out_keys=(*MOTION_PARTS, "kp"), fade_type="").fade_type
        == ""
    )


def test_the_path_of_a_network_may_be_text() -> None:
    assert SuperResOptions(method="model", model="x4.pth").model == Path("x4.pth")
