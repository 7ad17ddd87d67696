"""Lite's motion: lips that follow visemes, a head and eyes that live, the same for the same seed."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from helpers.speech import encoder, heard, rows_of, sound
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.errors import InputError
from ditto_core.lite import motion
from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.curves import smoothstep
from ditto_core.lite.motion import LARGEST_ANGLE, sample

FPS = Fraction(25)
HEAD = [COLUMN[name] for name in ("yaw", "pitch", "roll", "tx", "ty")]
MOUTH = [COLUMN[name] for name in ("open", "wide", "press", "tuck", "upper", "tongue")]


def moved(rows: Tensor, seconds: float | None = None, fps: Fraction = FPS, seed: int = 0) -> Tensor:
    seconds = len(rows) / 100 if seconds is None else seconds
    return sample(rows, round(seconds * fps), fps, seed, True)


def blink_count(motion: Tensor) -> int:
    shut = motion[:, COLUMN["blink_left"]] > 0.8
    return int((shut[1:] & ~shut[:-1]).sum())


@given(
    fps=st.fractions(1, 120, max_denominator=1001),
    seed=st.integers(0, 2**64 - 1),
    rows=st.integers(1, 400),
    frames=st.integers(1, 300),
)
def test_every_length_rate_and_seed_gives_finite_motion(
    fps: Fraction, seed: int, rows: int, frames: int
) -> None:
    motion = sample(rows_of(("AA", rows)), frames, fps, seed, True)
    assert motion.shape == (frames, len(CHANNELS))
    assert motion.dtype == torch.float32
    assert motion.isfinite().all()


def test_the_same_seed_gives_the_same_motion_and_another_seed_another_head() -> None:
    rows = heard("flite_slt")
    first, again, other = moved(rows, seed=3), moved(rows, seed=3), moved(rows, seed=4)
    assert torch.equal(first, again)
    assert torch.equal(first[:, MOUTH], other[:, MOUTH])
    assert not torch.allclose(first[:, HEAD], other[:, HEAD], atol=0.05)


def test_a_longer_clip_begins_alike() -> None:
    short, long = moved(rows_of(("AA", 600))), moved(rows_of(("AA", 1200)))
    assert torch.allclose(short[:100], long[:100], atol=1e-4)


def test_motion_is_the_same_at_another_frame_rate() -> None:
    rows = heard("flite_rms")
    slow, fast = moved(rows, 3, Fraction(25)), moved(rows, 3, Fraction(75))
    assert torch.allclose(slow[5:-5], fast[1::3][5:-5], atol=0.01)


def test_blinks_take_no_longer_for_every_second_that_a_clip_is_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eased: list[int] = []

    def counted(values: Tensor) -> Tensor:
        eased.append(values.numel())
        return smoothstep(values)

    monkeypatch.setattr(motion, "smoothstep", counted)
    minute = moved(rows_of(("AA", 100)), seconds=60)
    short = sum(eased)
    hour = moved(rows_of(("AA", 100)), seconds=3600)
    assert blink_count(hour) > 30 * blink_count(minute) > 0
    assert sum(eased) - short < 120 * short


def test_lips_close_for_a_bilabial_and_open_for_a_vowel() -> None:
    rows = rows_of(("sil", 50), ("AA", 30), ("PP", 7), ("AA", 30), ("sil", 50))
    gap = moved(rows, fps=Fraction(100))[:, COLUMN["open"]]
    assert gap[50 + 15] > 1.2
    assert gap[50 + 33] < 0.15
    assert gap[:40].max() < 0.1


@pytest.mark.parametrize("offset", range(4))
def test_no_closure_falls_between_two_frames(offset: int) -> None:
    rows = rows_of(("AA", 40 + offset), ("PP", 5), ("AA", 40))
    around = moved(rows)[8:14, COLUMN["open"]]
    assert around.min() < 0.35 * around.max()


def test_lips_round_and_stretch() -> None:
    wide = moved(rows_of(("EH", 100), ("UW", 100)), fps=Fraction(100))[:, COLUMN["wide"]]
    assert wide[50] > 0.3
    assert wide[150] < -0.9


def test_short_pauses_keep_the_lips_apart_and_long_ones_close_them() -> None:
    rows = rows_of(("AA", 60), ("sil", 12), ("AA", 60), ("sil", 200))
    gap = moved(rows, fps=Fraction(100))[:, COLUMN["open"]]
    assert gap[66] > 0.15
    assert gap[-100:].max() < 0.02


def test_quiet_speech_opens_the_mouth_as_far_as_loud_speech() -> None:
    loud, quiet = (moved(rows_of(("AA", 100), level=level))[:, COLUMN["open"]] for level in (-10.0, -45.0))
    assert torch.allclose(loud, quiet, atol=1e-3)


@pytest.mark.parametrize("kind", ["silence", "hiss", "noise"])
def test_the_mouth_rests_while_nobody_speaks(kind: str) -> None:
    hiss = torch.randn(48000, generator=torch.Generator().manual_seed(1))
    samples = {"silence": 0 * hiss, "hiss": 1e-4 * hiss, "noise": 0.1 * hiss}[kind]
    motion = moved(encoder().encode(samples))
    assert motion[:, COLUMN["open"]].max() < 0.2
    assert blink_count(motion) >= 1


@pytest.mark.parametrize("length", [1, 160, 800])
def test_a_click_is_no_speech(length: int) -> None:
    click = 0.5 * torch.randn(length, generator=torch.Generator().manual_seed(2))
    within = torch.zeros(16000)
    within[8000 : 8000 + length] = click
    assert moved(encoder().encode(click), seconds=0.04)[:, COLUMN["open"]].max() < 0.05
    assert moved(encoder().encode(within))[:, COLUMN["open"]].max() < 0.05


def test_a_quiet_passage_moves_the_mouth_like_a_loud_one() -> None:
    speech = sound("flite_rms")
    frames = len(speech) // 640
    quiet = encoder().encode(torch.cat([10 ** (-30 / 20) * speech, speech]))
    alone, together = (moved(rows)[:frames, COLUMN["open"]] for rows in (encoder().encode(speech), quiet))
    early = slice(0, frames - 40)  # nearer than 1.5 s to the loud passage it counts as a pause
    assert together[early].std() > 0.7 * alone[early].std()
    assert torch.corrcoef(torch.stack([alone[early], together[early]]))[0, 1] > 0.8


@pytest.mark.parametrize("decibels", [-20, -30, -40, -55])
def test_the_mouth_rests_in_the_noise_of_a_long_pause(decibels: float) -> None:
    speech = sound("flite_rms")
    spoken = torch.cat([speech, torch.zeros(80000), speech])
    noise = torch.randn(len(spoken), generator=torch.Generator().manual_seed(3))
    rows = encoder().encode(spoken + noise * speech.std() * 10 ** (decibels / 20))
    pause = slice(len(speech) // 640 + 15, len(speech) // 640 + 110)
    assert moved(rows)[pause, COLUMN["open"]].max() < 0.3


def test_the_lips_stay_apart_in_the_silence_of_a_stop() -> None:
    rows = rows_of(("AA", 60), ("KK", 8), ("AA", 60))
    rows[60:68, -1] = -100
    gap = moved(rows, fps=Fraction(100))[:, COLUMN["open"]]
    assert gap[55:80].min() > 0.5


@pytest.mark.parametrize("seed", range(20))
def test_eyes_blink_within_three_seconds_and_together(seed: int) -> None:
    motion = moved(rows_of(("AA", 300)), seed=seed)
    assert blink_count(motion) >= 1
    assert torch.equal(motion[:, COLUMN["blink_left"]], motion[:, COLUMN["blink_right"]])
    assert motion[0, COLUMN["blink_left"]] == 0


@pytest.mark.parametrize(("per_minute", "least", "most"), [(0, 0, 0), (8, 4, 12), (30, 20, 40)])
def test_blinks_at_a_rate(per_minute: float, least: int, most: int) -> None:
    rows = rows_of(("AA", 6000))
    lids = sample(rows, 1500, Fraction(25), 0, True, per_minute)[:, COLUMN["blink_left"]]
    shut = lids > 0.5
    assert least <= int((shut[1:] & ~shut[:-1]).sum()) <= most


def test_blinks_at_given_times_in_a_short_clip() -> None:
    lids = sample(rows_of(("AA", 300)), 75, Fraction(25), 0, True, 30, (0.4, 2))[:, COLUMN["blink_left"]]
    assert lids.nonzero()[:, 0].tolist() == [*range(10, 18), *range(50, 58)]
    assert lids[12] == lids[52] == 1


def test_blinks_can_be_left_to_the_person() -> None:
    with_blinks = moved(rows_of(("AA", 900)))
    without = sample(rows_of(("AA", 900)), 225, FPS, 0, False)
    lids = [COLUMN["blink_left"], COLUMN["blink_right"]]
    others = [column for column in range(len(CHANNELS)) if column not in lids]
    assert not without[:, lids].any()
    assert torch.equal(with_blinks[:, others], without[:, others])


def test_the_head_lives_within_its_limits_and_starts_and_ends_at_rest() -> None:
    for seed in range(10):
        head = moved(rows_of(("AA", 1500)), seed=seed)[:, HEAD]
        assert head[:, :3].abs().max() < LARGEST_ANGLE + 0.7
        assert head.std(0)[:3].min() > 0.15
        assert head[0].abs().max() < 0.1
        assert head[-1].abs().max() < 0.1
        assert head.diff(dim=0).abs().max() < 0.4  # degrees a frame: no jerks


def test_refuses_nothing() -> None:
    with pytest.raises(InputError, match="nothing to move"):
        sample(torch.zeros(0, 18), 10, FPS, 0, True)
    with pytest.raises(InputError, match="nothing to move"):
        sample(rows_of(("AA", 10)), 0, FPS, 0, True)
