"""Stitching: amounts, limits, fades and eyes."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.stitch import EYES, HEAD, MOUTH, apply, fades
from ditto_core.options import StitchOptions

MOTION = 0.4 * torch.ones(50, len(CHANNELS))


def columns(names: tuple[str, ...]) -> list[int]:
    return [COLUMN[name] for name in names]


def test_full_amounts_leave_motion_as_it_is() -> None:
    before = MOTION.clone()
    assert torch.equal(apply(MOTION, StitchOptions(), True), before)
    assert torch.equal(MOTION, before)


def test_amounts_scale_mouth_and_head_apart() -> None:
    stitched = apply(MOTION, StitchOptions(mouth_amount=0.5, head_amount=0), True)
    assert torch.allclose(stitched[:, columns(MOUTH)], torch.tensor(0.2))
    assert not stitched[:, columns(HEAD)].any()
    assert torch.equal(stitched[:, columns(EYES)], MOTION[:, columns(EYES)])


def test_eyes_are_left_alone_without_drive_eye() -> None:
    stitched = apply(MOTION, StitchOptions(), False)
    assert not stitched[:, columns(EYES)].any()
    assert torch.equal(stitched[:, columns(MOUTH)], MOTION[:, columns(MOUTH)])


def test_no_amount_asks_for_more_than_a_face_can_do() -> None:
    stitched = apply(100 * MOTION, StitchOptions(mouth_amount=2, head_amount=2), True)
    assert stitched[:, COLUMN["open"]].max() < 4
    assert stitched[:, COLUMN["tuck"]].max() == 1
    assert stitched[:, columns(("yaw", "pitch", "roll"))].abs().max() <= 5


def test_fades_come_from_and_return_to_rest() -> None:
    stitched = apply(MOTION, StitchOptions(fade_in=10, fade_out=5), True)
    assert not stitched[0].any()
    assert not stitched[-1].any()
    assert torch.equal(stitched[10:45], MOTION[10:45])
    assert (stitched[:11].diff(dim=0) > 0).all()
    assert (stitched[-6:].diff(dim=0) < 0).all()


@given(count=st.integers(1, 60), fade_in=st.integers(-1, 100), fade_out=st.integers(-1, 100))
def test_fades_longer_than_the_clip_stay_weights(count: int, fade_in: int, fade_out: int) -> None:
    weight = fades(count, fade_in, fade_out)
    assert weight.shape == (count,)
    assert ((weight >= 0) & (weight <= 1)).all()
    if fade_in <= 0 and fade_out <= 0:
        assert (weight == 1).all()


class TestControlsOfFrames:
    def test_the_head_is_turned_by_degrees_and_factors(self) -> None:
        info = {3: {"delta_yaw": 2.0, "alpha_pitch": 0.5}}
        stitched = apply(MOTION, StitchOptions(ctrl_info=info), True)
        assert torch.allclose(stitched[3, columns(("yaw", "pitch"))], torch.tensor([2.4, 0.2]))
        assert torch.equal(stitched[4:], MOTION[4:])

    def test_an_offset_stays_when_the_head_is_kept_still(self) -> None:
        options = StitchOptions(head_amount=0, overall_ctrl_info={"delta_roll": 3})
        assert apply(MOTION, options, True)[:, COLUMN["roll"]].tolist() == [3] * 50

    def test_a_persons_own_head_is_left_alone(self) -> None:
        options = StitchOptions(overall_ctrl_info={"delta_roll": 3})
        assert not apply(MOTION, options, True, drive_head=False)[:, columns(HEAD)].any()

    def test_the_gate_quietens_the_mouth_only(self) -> None:
        stitched = apply(MOTION, StitchOptions(ctrl_info=[{"vad_alpha": 0.0}]), True)
        assert not stitched[0, columns(MOUTH)].any()
        assert torch.equal(stitched[0, columns((*HEAD, *EYES))], MOTION[0, columns((*HEAD, *EYES))])

    def test_a_faded_frame_rests(self) -> None:
        assert not apply(MOTION, StitchOptions(ctrl_info={"7": {"fade_alpha": 0}}), True)[7].any()
