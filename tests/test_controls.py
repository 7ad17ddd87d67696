"""Controls: curves and texts a user writes, and the options they become."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.controls.control import Controls
from ditto_core.controls.curve import Clip, Curve, Moment
from ditto_core.controls.parts import (
    Blinks,
    Emotion,
    EmotionSchedule,
    Expression,
    Eyes,
    Fade,
    HeadPose,
    SingleFrames,
)
from ditto_core.controls.plot import control_curves
from ditto_core.controls.presets import PRESETS, Preset
from ditto_core.controls.text import (
    parse_emotion_schedule,
    parse_emotions,
    parse_frames,
    parse_gains,
    parse_gaps,
    parse_parts,
)
from ditto_core.ditto.controls import read_controls
from ditto_core.ditto.stitch import gaze_correction
from ditto_core.emotion import EMOTIONS, emotion_table
from ditto_core.errors import InputError
from ditto_core.options import AvatarOptions, MotionOptions, StitchOptions

CLIP = Clip(50, Fraction(25))


def curve(text: str, between: str = "linear") -> Curve:
    made = Curve.parse(text, between)  # type: ignore[arg-type]
    assert made is not None
    return made


def emotions(options: MotionOptions) -> torch.Tensor:
    assert options.emo is not None
    return emotion_table(options.emo)


class TestCurve:
    def test_one_number_holds_throughout(self) -> None:
        assert curve("-2.5").values(CLIP).tolist() == [-2.5] * 50

    def test_keyframes_in_frames_and_seconds_meet(self) -> None:
        by_frame, by_second = curve("0: 0, 25: 10").values(CLIP), curve("0s: 0; 1s: 10").values(CLIP)
        assert torch.equal(by_frame, by_second)
        assert by_frame[[0, 5, 25, 49]].tolist() == pytest.approx([0, 2, 10, 10])

    def test_seconds_stay_where_they_are_at_another_rate(self) -> None:
        assert curve("1s: 0, 2s: 8").values(Clip(100, Fraction(50)))[75] == pytest.approx(4)

    def test_level_before_the_first_keyframe_and_in_any_order(self) -> None:
        assert curve("20: 5, 10: 1").values(CLIP)[[0, 10, 15, 20, 40]].tolist() == pytest.approx(
            [1, 1, 3, 5, 5]
        )

    def test_what_lies_between(self) -> None:
        at = [9, 10, 12, 15, 18, 20]
        assert curve("10: 0, 20: 1", "hold").values(CLIP)[at].tolist() == [0, 0, 0, 0, 0, 1]
        smooth = curve("10: 0, 20: 1", "smooth").values(CLIP)[at]
        assert smooth.tolist() == pytest.approx([0, 0, 0.104, 0.5, 0.896, 1], abs=1e-3)

    @pytest.mark.parametrize(("text", "after"), [("0: 0, 2: 10, 2: 0", 0), ("2: 10, 0: 0, 2: 20", 20)])
    def test_two_keyframes_at_one_time_are_a_jump_from_the_former_to_the_latter(
        self, text: str, after: float
    ) -> None:
        assert curve(text).values(CLIP)[:4].tolist() == pytest.approx([0, 5, after, after])

    def test_a_way_between_keyframes_there_is_not(self) -> None:
        with pytest.raises(InputError, match="between is 'bouncy'; choose one of smooth, linear, hold"):
            curve("0: 0, 2s: 1", "bouncy")

    def test_brackets_as_other_schedules_have_them(self) -> None:
        assert torch.equal(curve("0:(1.0), 25:(3)").values(CLIP), curve("0: 1, 25: 3").values(CLIP))

    @pytest.mark.parametrize("text", ["", "  ", "\n"])
    def test_nothing_is_no_curve(self, text: str) -> None:
        assert Curve.parse(text) is None

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("fast", "'fast' is no value"),
            ("0: 1, soon: 2", "'soon' is no time"),
            ("0: 1, 2", "'2' has no value"),
            ("0: nan", "'nan' is not finite"),
            ("-3: 1", "'-3' lies before the clip"),
            ("0: 1, 1e300s: 2", "'1e300s' lies after any clip"),
        ],
    )
    def test_what_cannot_be_read_is_quoted(self, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            Curve.parse(text)

    @given(
        st.dictionaries(st.integers(0, 60), st.floats(-90, 90), min_size=1, max_size=5),
        st.sampled_from(["smooth", "linear", "hold"]),
        st.sampled_from([Fraction(25), Fraction(30000, 1001)]),
    )
    def test_goes_through_its_keyframes_and_stays_between_them(
        self, keys: dict[int, float], between: str, fps: Fraction
    ) -> None:
        made = Curve(tuple((Moment(frame), value) for frame, value in keys.items()), between)  # type: ignore[arg-type]
        values = made.values(Clip(61, fps))
        assert values.shape == (61,)
        assert min(keys.values()) - 1e-3 <= values.min() <= values.max() <= max(keys.values()) + 1e-3
        for frame, value in keys.items():
            assert values[frame].item() == pytest.approx(value, abs=1e-3)


class TestTexts:
    def test_emotions_by_name_or_number_several_at_once(self) -> None:
        assert parse_emotions("happy + Surprise") == ("happy", "Surprise")
        assert parse_emotions("3+6") == (3, 6)

    def test_an_emotion_there_is_not(self) -> None:
        with pytest.raises(InputError, match=r"joy.*3 happy"):
            parse_emotion_schedule("0: neutral, 2s: joy")
        with pytest.raises(InputError, match=r"no emotion '²'"):
            parse_emotion_schedule("0: ²")

    def test_parts_with_and_without_factors(self) -> None:
        assert parse_gains("") is None
        assert parse_gains("exp, yaw") == ("exp", "yaw")
        assert parse_gains("exp: 1.2, yaw") == {"exp": 1.2, "yaw": 1.0}
        assert parse_parts("exp, t") == ("exp", "t")
        with pytest.raises(InputError, match="much"):
            parse_gains("exp: much")

    def test_gaps(self) -> None:
        assert parse_gaps("50, 80") == (50, 80)
        with pytest.raises(InputError, match="whole numbers"):
            parse_gaps("0.1")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"0": {"fade_alpha": 0}', "no JSON: .* line 1 column"),
            ('{"3": {"delta_yaw": %s}}' % ("9" * 5000), "no JSON: .* digits"),
            ("[" * 100_000, "no JSON: .* recursion"),
            ("5", "single int"),
            ('{"first": {}}', "names a frame 'first'"),
            ('{"-1": {}}', "before 0"),
            ('{"3": {"delta_yam": 1}}', "frame 3 sets 'delta_yam'.*delta_yaw"),
            ('{"3": 5}', "frame 3 is 5"),
        ],
    )
    def test_json_of_frames_that_cannot_be_used(self, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            SingleFrames(parse_frames(text))


class TestEmotion:
    def test_throughout_is_one_row(self) -> None:
        table = emotions(Emotion(("happy",)).motion(MotionOptions(), CLIP))
        assert table.shape == (1, 8)
        assert EMOTIONS[int(table.argmax())] == "happy"

    def test_layers_keep_what_is_outside_of_them(self) -> None:
        controls = Controls((Emotion(("sad",)), Emotion(("happy",), Moment(20), Moment(40), fade=0.2)))
        table = emotions(controls.motion(MotionOptions(), CLIP))
        shown = [EMOTIONS[int(row.argmax())] for row in table]
        assert (shown[0], shown[21], shown[30], shown[39], shown[45]) == ("sad", "sad", "happy", "sad", "sad")
        assert torch.allclose(table.sum(dim=1), torch.ones(50), atol=1e-5)

    def test_neutral_before_a_first_emotion(self) -> None:
        both = Emotion(("angry", "fear"), Moment(1, in_seconds=True), fade=0)
        table = emotions(both.motion(MotionOptions(), CLIP))
        assert EMOTIONS[int(table[24].argmax())] == "neutral"
        assert table[25, [0, 2]].tolist() == pytest.approx([0.5, 0.5], abs=0.01)

    def test_rows_keep_time_at_any_frame_rate(self) -> None:
        clip = Clip(100, Fraction(50))
        for made in (
            Emotion(("happy",), Moment(50), fade=0),
            EmotionSchedule(((Moment(0), ("neutral",)), (Moment(50), ("happy",))), fade=0),
        ):
            table = emotions(made.motion(MotionOptions(), clip))
            assert table.shape == (50, 8)
            assert [EMOTIONS[int(row.argmax())] for row in table[[24, 25]]] == ["neutral", "happy"]

    def test_an_unknown_class_is_refused_where_it_is_written(self) -> None:
        with pytest.raises(InputError, match="joy"):
            Emotion(("joy",))

    @pytest.mark.parametrize("end", [Moment(2), Moment(1)])
    def test_an_end_that_does_not_come_after_the_start_is_refused(self, end: Moment) -> None:
        with pytest.raises(InputError, match=f"ends at {end.value} frames and starts at 2 frames"):
            Emotion(("happy",), Moment(2), end)
        Emotion(("happy",), Moment(2), Moment(1, in_seconds=True))  # which comes first the rate decides


class TestStitching:
    def test_curves_become_one_entry_a_frame(self) -> None:
        made = HeadPose(yaw=curve("0: 0, 25: 10"), roll_amount=curve("0.5"))
        rows = read_controls(made.stitch(StitchOptions(), CLIP).ctrl_info, 50)
        assert rows.offset[:, 1].tolist() == pytest.approx([min(i, 25) * 0.4 for i in range(50)], abs=1e-5)
        assert not rows.offset[:, [0, 2]].any()
        assert rows.amplitude[7].tolist() == [1, 1, 0.5]

    def test_what_is_not_named_is_left_to_the_configuration(self) -> None:
        made = HeadPose(yaw=curve("5")).stitch(StitchOptions(), CLIP)
        assert read_controls(made.ctrl_info, 50, overall={"delta_pitch": 2}).offset[3].tolist() == [2, 5, 0]

    def test_the_later_control_counts_key_by_key(self) -> None:
        controls = Controls().plus(
            HeadPose(yaw=curve("5"), pitch=curve("1")), SingleFrames(parse_frames('{"3": {"delta_yaw": -8}}'))
        )
        rows = read_controls(controls.stitch(StitchOptions(), CLIP).ctrl_info, 50)
        assert rows.offset[[2, 3], :2].tolist() == [[1, 5], [1, -8]]

    def test_nothing_the_caller_gave_is_changed(self) -> None:
        info = {3: {"delta_yaw": 1.0}}
        options = StitchOptions(ctrl_info=info)
        HeadPose(yaw=curve("5")).stitch(options, CLIP)
        SingleFrames({3: {"delta_roll": 1}}).stitch(options, CLIP)
        assert info == {3: {"delta_yaw": 1.0}}

    def test_fades_set_only_what_they_name(self) -> None:
        before = StitchOptions(fade_in=7, fade_type="s")
        after = Fade(fade_out=25, parts=("exp", "t")).stitch(before, CLIP)
        assert (after.fade_in, after.fade_out, after.fade_type) == (7, 25, "s")
        assert after.fade_out_keys == ("exp", "t")

    def test_the_gate_stays_in_its_range(self) -> None:
        made = Expression(amount=1.5, gate=curve("0: 0, 10: 4")).stitch(StitchOptions(), CLIP)
        vad = read_controls(made.ctrl_info, 50).vad
        assert made.mouth_amount == 1.5
        assert (vad[0], vad[1], vad[49]) == (0, pytest.approx(0.4), 1)

    def test_the_gaze_is_the_offset_of_the_gaze_correction(self) -> None:
        made = Eyes(gaze_x=curve("20")).stitch(StitchOptions(), CLIP)
        exp = read_controls(made.ctrl_info, 50).exp
        assert torch.allclose(exp, gaze_correction(torch.tensor([[20.0, 0.0]])).expand(50, -1))
        assert exp[0, 33] > 0

    @pytest.mark.parametrize(
        ("source", "drive_eye", "first"),
        [("driven", True, False), ("original", False, False), ("first frame", True, True)],
    )
    def test_the_source_of_the_eyes(self, source: str, drive_eye: bool, first: bool) -> None:
        eyes = Eyes(source)  # type: ignore[arg-type]
        assert eyes.stitch(StitchOptions(), CLIP).drive_eye is drive_eye
        assert eyes.motion(MotionOptions(), CLIP).eye_f0_mode is first

    def test_blinks_by_rate_or_by_gaps(self) -> None:
        assert Blinks(per_minute=20).motion(MotionOptions(), CLIP).blink_rate == 20
        assert Blinks(per_minute=0).motion(MotionOptions(), CLIP).blinks is False
        assert Blinks(gaps=(50, 80)).motion(MotionOptions(blink_rate=9), CLIP).delta_eye_open_n == (50, 80)
        assert Blinks().motion(MotionOptions(), CLIP) == MotionOptions()

    def test_of_two_controls_of_blinks_the_later_counts(self) -> None:
        timed = Blinks(per_minute=15, times=(0.5, 2)).motion(MotionOptions(blinks=False), CLIP)
        assert (timed.blinks, timed.blink_times) == (True, (0.5, 2))
        assert Blinks(per_minute=9).motion(timed, CLIP).blink_times is None
        assert Blinks(gaps=(50,)).motion(timed, CLIP).blink_times is None
        assert Blinks().motion(timed, CLIP) == timed


class TestPresets:
    def test_the_documented_numbers(self) -> None:
        best = Preset("maximum_quality")
        motion, avatar = best.motion(MotionOptions(), CLIP), best.avatar(AvatarOptions(max_size=512))
        assert (motion.sampling_timesteps, motion.overlap_v2, motion.smo_k_d) == (100, 20, 5)
        assert (avatar.smo_k_s, avatar.max_size) == (15, 1920)
        assert Preset("expressive").motion(MotionOptions(), CLIP).emo == 6

    @pytest.mark.parametrize("name", PRESETS)
    def test_every_value_reaches_an_option(self, name: str) -> None:
        made = Preset(name)
        reached = {**vars(made.avatar(AvatarOptions())), **vars(made.motion(MotionOptions(), CLIP))}
        assert PRESETS[name].items() <= reached.items()

    def test_balanced_is_the_default(self) -> None:
        balanced = Preset("balanced")
        assert balanced.motion(MotionOptions(), CLIP) == MotionOptions()
        assert balanced.avatar(AvatarOptions()) == AvatarOptions()

    def test_a_preset_there_is_not(self) -> None:
        with pytest.raises(InputError, match="maximum_quality"):
            Preset("best")


class TestCurvesToDraw:
    def test_only_what_is_changed(self) -> None:
        controls = Controls(
            (Emotion(("happy",), Moment(25)), HeadPose(yaw=curve("0: 0, 25: 10")), Fade(fade_in=10))
        )
        drawn = control_curves(controls, CLIP)
        assert {title: set(curves) for title, curves in drawn.items()} == {
            "Emotion": {"neutral", "happy"},
            "Motion": {"fade"},
            "Head, degrees added": {"yaw"},
        }
        assert drawn["Emotion"]["happy"][40] > 0.9
        assert drawn["Motion"]["fade"][[0, 5, 10]].tolist() == pytest.approx([0, 0.5, 1])

    def test_amount_and_times_of_blinks(self) -> None:
        controls = Controls((Expression(amount=2.0), Blinks(per_minute=15, times=(0.5, 9))))
        drawn = control_curves(controls, CLIP)
        assert set(drawn) == {"Mouth", "Blinks"}
        assert drawn["Mouth"]["amount"].tolist() == [2] * 50
        assert drawn["Blinks"]["begin"].nonzero().tolist() == [[12]]

    @pytest.mark.parametrize(
        "controls",
        [Controls(), Controls((HeadPose(), Eyes(), Expression(1.0), Blinks(15.0), Preset("balanced")))],
        ids=["none", "at rest"],
    )
    def test_a_level_curve_where_nothing_changes(self, controls: Controls) -> None:
        drawn = control_curves(controls, CLIP)
        assert list(drawn) == ["No control changes over time"]
        assert drawn["No control changes over time"]["nothing"].tolist() == [0] * 50

    def test_the_gaze_in_the_users_unit(self) -> None:
        gaze, others = Eyes(gaze_x=curve("-12")), Eyes("original")  # which leaves the gaze as it is
        drawn = control_curves(Controls((gaze, others)), CLIP)
        assert drawn["Gaze"]["to the right"].tolist() == [-12] * 50
