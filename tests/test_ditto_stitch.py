"""Motion put on the source against the recorded option sets, and the choices that differ from them."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from helpers.golden import Golden, assert_relative, assert_within, table
from helpers.seeded_weights import fill_
from torch import Tensor

from ditto_core.ditto.blinks import blink_rows, blink_starts, blinks_at, blinks_at_rate
from ditto_core.ditto.controls import ControlRows, fade_alphas, read_controls
from ditto_core.ditto.motion import WIDTHS, FaceInfo, MotionInfo, degrees
from ditto_core.ditto.networks.stitch_network import StitchNetwork
from ditto_core.ditto.stitch import (
    EYE_POINTS,
    LIP_POINTS,
    MotionStitcher,
    StitchRules,
    gaze_correction,
    motion_gains,
    point_mask,
)
from ditto_core.errors import InputError

RECORDED = Golden("ditto/motion_stitch")
CASES: dict[str, Any] = RECORDED.info("cases")


def face(name: str) -> FaceInfo:
    return FaceInfo(**{key: RECORDED[f"in.{name}.{key}"] for key in (*WIDTHS, "kp")})


def driving() -> MotionInfo:
    frames = [[RECORDED[f"in.d{i}.{key}"] for i in range(4)] for key in WIDTHS]
    return MotionInfo(*(torch.cat(values) for values in frames))


def source() -> FaceInfo:
    first, second = face("s"), face("s1")
    return FaceInfo(*(torch.cat([getattr(f, key) for f in (first, second)]) for key in (*WIDTHS, "kp")))


def stitcher(case: dict[str, Any]) -> MotionStitcher:
    setup, is_video = case.get("setup", {}), not case.get("img", True)
    ratio = (RECORDED["in.ch_scale"] / source().scale[:1]).item() if setup.get("ch") else 1.0
    rules = StitchRules(
        gains=motion_gains(setup.get("use_d_keys"), is_video=is_video, scale_ratio=ratio),
        relative=setup.get("relative_d", True),
        drive_eye=setup.get("drive_eye", not is_video),
        fade_to=setup.get("fade_type", ""),
        vad_on="expression",
        amplitude_of="logits",
    )
    network = StitchNetwork()
    fill_(network, "ditto/stitch_network")
    reference = driving().take(torch.tensor([setup["d0"]])) if "d0" in setup else None
    return MotionStitcher(source(), rules, network if setup.get("flag_stitching", True) else None, reference)


def controls(case: dict[str, Any]) -> ControlRows:
    setup = case.get("setup", {})
    frames = [dict(frame) for frame in case.get("ctrl", [])]
    for frame in frames:
        if frame.get("delta_exp"):
            frame["delta_exp"] = RECORDED["in.delta_exp"]
    return read_controls(
        frames,
        4,
        overall=setup.get("overall_ctrl_info"),
        fade_out_keys=setup.get("fade_out_keys", ("exp",)),
    )


def eyes(case: dict[str, Any]) -> Tensor | None:
    setup = case.get("setup", {})
    if not setup.get("eye"):
        return None
    count = setup.get("N_d", 3000)
    starts = blink_starts(count, 15, setup.get("delta_eye_open_n", 0), Random(0))
    return RECORDED["in.delta_eye_arr"][blink_rows(count, 15, starts)[:4]]


def source_index(case: dict[str, Any]) -> Tensor:
    return torch.zeros(4, dtype=torch.int64) if case.get("img", True) else torch.tensor([0, 1, 0, 1])


@torch.inference_mode()
@pytest.mark.parametrize("name", CASES)
def test_every_recorded_option_set(name: str):
    case = CASES[name]
    x_s, x_d = stitcher(case)(driving(), source_index(case), controls(case), eyes(case))
    assert_relative(x_s, RECORDED[f"out.{name}.x_s"])
    assert_relative(x_d, RECORDED[f"out.{name}.x_d"])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["image_official", "video_official", "fade_s_video", "ctrl_delta_alpha"])
def test_piece_by_piece_is_the_same(name: str):
    case = CASES[name]
    index, blink, ctrl = source_index(case), eyes(case), controls(case)
    stitch = stitcher(case)
    for start, stop in ((0, 1), (1, 4)):
        rows = slice(start, stop)
        _, x_d = stitch(
            driving().take(rows), index[rows], ctrl.take(rows), None if blink is None else blink[rows]
        )
        assert_relative(x_d, RECORDED[f"out.{name}.x_d"][rows])


def test_gaze_correction():
    recorded = Golden("ditto/gaze_delta")
    corrected = recorded["in.exp"] + gaze_correction(recorded["in.d"])
    assert_relative(corrected, recorded["out.exp"])


def plain(**rules: Any) -> MotionStitcher:
    return MotionStitcher(source(), StitchRules(relative=False, drive_eye=False, **rules))


def with_control(**entry: Any) -> ControlRows:
    return read_controls([entry] * 4, 4)


def test_the_speech_gate_leaves_blinks_alone_by_default():
    index, blinks = torch.zeros(4, dtype=torch.int64), RECORDED["in.delta_eye_arr"][4:8]
    rules = StitchRules(relative=False)
    shut = [
        MotionStitcher(source(), rules)(driving(), index, with_control(vad_alpha=0), eye)[1]
        for eye in (blinks, torch.zeros(4, 63))
    ]
    moved = (shut[0] - shut[1]).abs().flatten(1).amax(0) > 0
    assert torch.equal(moved, point_mask(EYE_POINTS) > 0)
    speaking = MotionStitcher(source(), rules)(driving(), index, with_control(), blinks)[1]
    moved = (shut[0] - speaking).abs().flatten(1).amax(0) > 1e-6
    assert torch.equal(moved, point_mask(LIP_POINTS) > 0)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_an_amplitude_scales_the_angle_by_default(factor: float):
    index, stitch = torch.zeros(4, dtype=torch.int64), plain(gains={})
    angle = degrees(source().pitch)[0].item()
    scaled = stitch(driving(), index, with_control(alpha_pitch=factor))[1]
    turned = stitch(driving(), index, with_control(delta_pitch=angle * (factor - 1)))[1]
    assert_within(scaled, turned, 1e-5)


@pytest.mark.parametrize("delta", [0.0, 1e-6])
def test_an_amplitude_of_logits_meets_degrees_where_a_delta_is_given_even_of_0(delta: float):
    index, stitch = torch.zeros(4, dtype=torch.int64), plain(gains={}, amplitude_of="logits")
    angle = degrees(source().pitch)[0].item()
    scaled = stitch.drive(driving(), index, with_control(delta_pitch=delta, alpha_pitch=0.5))
    assert scaled.pose.degrees[0, 0].item() == pytest.approx(angle / 2, abs=1e-3)
    logits = stitch.drive(driving(), index, with_control(alpha_pitch=0.5)).pose.degrees[0, 0].item()
    assert logits != pytest.approx(angle / 2, abs=1e-3)


@pytest.mark.parametrize("row", table("ditto/fade_schedule")["rows"])
def test_fades(row: dict[str, Any]):
    expected = torch.ones(row["N_d"])
    for frame, entry in row["ctrl_out"].items():
        if int(frame) >= 0:
            expected[int(frame)] = entry["fade_alpha"]
    assert torch.equal(fade_alphas(row["N_d"], row["fade_in"], row["fade_out"]), expected)
    ctrl = read_controls(row["ctrl_in"], row["N_d"], fade_in=row["fade_in"], fade_out=row["fade_out"])
    assert torch.equal(ctrl.fade, expected)
    assert ctrl.offset[2, 1] == row["ctrl_in"].get("2", {}).get("delta_yaw", 0)


@pytest.mark.parametrize("row", table("ditto/blink_schedule")["rows"])
def test_blinks_at_given_gaps(row: dict[str, Any]):
    starts = blink_starts(row["N"], row["blink_n"], row["open_n"], Random(0))
    assert starts == row["blink_starts"]
    assert blink_rows(row["N"], row["blink_n"], starts).sum() == row["sum"]


@pytest.mark.parametrize("row", table("ditto/blink_schedule")["random"])
def test_blinks_at_random_gaps(row: dict[str, Any]):
    assert blink_starts(row["N"], 15, 0, Random(row["random_seed"])) == row["blink_starts"]


def test_blinks_at_a_rate_come_in_short_clips_too_and_about_as_often_as_asked():
    assert blink_starts(120, 15, 0, Random(1)) == []
    assert any(blinks_at_rate(120, 15, 20, Random(seed)) for seed in range(5))
    starts = blinks_at_rate(25 * 60 * 20, 15, 20, Random(0))
    assert 350 < len(starts) < 450
    assert min(np.diff(starts)) >= 15
    assert blinks_at_rate(3000, 15, 0, Random(0)) == []


def test_blinks_at_given_times_come_one_after_the_other():
    assert blinks_at(50, 15, (1, 0.2, 9)) == [5, 25]
    assert blinks_at(50, 15, (0.2, 0.3, 1)) == [5, 20, 35]
    assert blinks_at(50, 15, ()) == []


def test_a_blink_may_be_cut_by_the_clip():
    assert blink_rows(6, 4, [-2, 4]).tolist() == [2, 3, 0, 0, 0, 1]


@pytest.mark.parametrize("gaps", [0.1, [60, 0.5], "60", None])
def test_gaps_that_are_no_frame_counts_are_refused(gaps: Any):
    with pytest.raises(InputError, match="whole number of frames"):
        blink_starts(300, 15, gaps, Random(0))


@pytest.mark.parametrize("gaps", [np.int64(60), [np.int32(60)]])
def test_numpy_numbers_are_fine(gaps: Any):
    assert blink_starts(300, 15, gaps, Random(0)) == [60, 135, 210]


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"a": {}}, "frame 'a'"),
        ({1.5: {}}, "frame 1.5"),
        ([{"delta_pich": 1}], "'delta_pich'"),
        ({0: {"delta_pitch": "up"}}, "delta_pitch in ctrl_info of frame 0 is 'up'"),
        ({0: {"fade_alpha": float("nan")}}, "finite"),
        ({0: {"delta_exp": [1, 2]}}, "2 numbers"),
        ({0: {"fade_out_keys": "exp"}}, "list of"),
        ({0: {"fade_out_keys": ["mouth"]}}, "list of"),
        ({0: {"fade_out_keys": 5}}, "fade_out_keys in ctrl_info of frame 0 is 5; it must be a list of"),
        ({0: {"delta_yaw": 1e39}}, r"delta_yaw in ctrl_info of frame 0 is 1e\+39; .* at most"),
        ({0: {"delta_yaw": 10**400}}, "delta_yaw in ctrl_info of frame 0 is inf"),
        ({0: {"delta_exp": [float("nan")] * 63}}, "delta_exp in ctrl_info of frame 0 .* no finite"),
        ({0: {"delta_exp": np.full(63, 1e39)}}, "no finite"),
        ({0: {"delta_exp": [10**400] * 63}}, "delta_exp in ctrl_info of frame 0"),
    ],
)
def test_a_wrong_control_is_named(info: Any, message: str):
    with pytest.raises(InputError, match=message):
        read_controls(info, 3)


def test_what_holds_for_all_frames_is_checked_too():
    with pytest.raises(InputError, match=r"fade_out_keys in overall_ctrl_info is 1\.0; it must be a list of"):
        read_controls({}, 3, overall={"fade_out_keys": 1.0})


def test_controls_of_one_frame_leave_the_others_alone():
    ctrl = read_controls({1: {"delta_exp": [1.0] * 63}}, 3, overall={"delta_exp": [2.0] * 63})
    assert ctrl.exp[:, 0].tolist() == [2, 1, 2]


def test_controls_from_json_and_beyond_the_clip():
    ctrl = read_controls({"1": {"delta_yaw": 3}, "99": {"delta_yaw": 9}}, 3, overall={"delta_yaw": 1})
    assert ctrl.offset[:, 1].tolist() == [1, 3, 1]
