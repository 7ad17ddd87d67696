"""Lips follow speech: the measurement itself, the motion, and the finished mp4."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from helpers.speech import FOLDER, NAMES, heard, phones

from benchmarks.lipsync_measure import (
    KnownPhones,
    closure_rank,
    opening_agreement,
    watch,
    width_agreement,
)
from ditto_core import talk
from ditto_core.lite.coefficients import COLUMN
from ditto_core.lite.motion import OPEN, sample
from ditto_core.media.images import read_image
from ditto_core.media.sound import read_audio
from ditto_core.media.video import VideoFrames
from ditto_core.options import as_fps

ASSETS = FOLDER.parent
FPS = 25.0


def asked(known: KnownPhones, late: float = 0.0) -> np.ndarray:
    """The gap at frame centres of lips that do what the sounds ask for, `late` seconds after them."""
    curve = known.asked(OPEN, 4)
    times = (np.arange(int(known.seconds * FPS)) + 0.5) / FPS - late
    return np.interp(times, np.arange(len(curve)) / 100, curve)


# ------------------------------------------------------------------------------------ the measurement


def test_perfect_lips_agree_and_late_lips_are_found_out() -> None:
    known = phones("demo")
    assert opening_agreement(asked(known), known, FPS).r > 0.99
    late = opening_agreement(asked(known, late=0.12), known, FPS)
    assert late.r > 0.99
    assert late.lag == pytest.approx(0.12, abs=0.011)


def test_lips_of_another_speech_and_random_lips_do_not_agree() -> None:
    known = phones("demo")
    noise = np.random.default_rng(0).normal(size=int(known.seconds * FPS))
    other = np.resize(asked(phones("flite_rms")), len(noise))
    for lips in (noise, other):
        agreement = opening_agreement(lips, known, FPS)
        assert agreement.r < 0.5
        assert agreement.r < agreement.control_p95 + 0.2


def test_the_closure_rank_tells_closed_lips_from_lips_that_never_close() -> None:
    known = phones("demo")
    lips = asked(known)
    times = (np.arange(len(lips)) + 0.5) / FPS
    closing = np.abs(times[:, None] - known.middles("PP")).min(axis=1) < 0.05
    assert closure_rank(np.where(closing, 0.0, 1.0 + lips), known, FPS) > 0.95
    assert closure_rank(np.where(closing, 2.0, lips), known, FPS) < 0.7
    assert closure_rank(np.ones(len(lips)), known, FPS) == pytest.approx(0.5)


# ----------------------------------------------------------------------------------------- the motion


@pytest.mark.parametrize("name", NAMES)
def test_motion_follows_known_speech(name: str) -> None:
    known, fps = phones(name), as_fps(FPS)
    motion = sample(heard(name), int(np.ceil(known.seconds * FPS)), fps, 0, True).numpy().astype(float)
    gap, width = motion[:, COLUMN["open"]], motion[:, COLUMN["wide"]]
    opening = opening_agreement(gap, known, FPS)
    assert opening.r > 0.75
    assert opening.r > opening.control_p95 + 0.2
    assert abs(opening.lag) <= 0.03
    assert width_agreement(width, known, FPS).r > 0.75
    assert closure_rank(gap, known, FPS) > 0.8


# ---------------------------------------------------------------------------------------- the finished mp4


@pytest.mark.parametrize("name", ["demo", "flite_rms", "espeak_en"])
def test_the_finished_video_is_in_sync(name: str, tmp_path: Path) -> None:
    speech, portrait = FOLDER / f"{name}.flac", ASSETS / "astronaut.png"
    video = talk(portrait, speech, tmp_path / "talk.mp4", engine="lite", seed=1)
    known, watched = phones(name), watch(video)

    opening = opening_agreement(watched.gap, known, watched.fps)
    assert opening.r > 0.75
    assert opening.r > opening.control_p95 + 0.2
    assert abs(opening.lag) <= 0.04
    width = width_agreement(watched.width, known, watched.fps)
    assert width.r > 0.55
    assert closure_rank(watched.gap, known, watched.fps) >= 0.8
    assert watched.blinks() >= 1

    with av.open(str(video)) as container:
        assert len(container.streams.audio) == 1
    pictures = VideoFrames(video, as_fps(FPS))[:].numpy()
    assert len(pictures) == read_audio(speech).frame_count(as_fps(watched.fps))
    still = read_image(portrait).numpy().astype(float)
    away = np.s_[300:, :100]  # lower left of the picture, far from the head
    worst = max(np.abs(picture[away] - still[away]).mean() for picture in pictures)
    assert worst < 4  # compression only
