from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch
from helpers.media import tone
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.audio.resample import mono, resample
from ditto_core.data import Audio
from ditto_core.errors import InputError

RATES = [8000, 11025, 16000, 22050, 44100, 48000]


def decibels(signal: torch.Tensor, reference: torch.Tensor) -> float:
    return 20 * math.log10(float(signal.norm()) / float(reference.norm()) + 1e-12)


@given(
    length=st.integers(1, 5000),
    rate_from=st.sampled_from(RATES),
    rate_to=st.sampled_from(RATES),
    channels=st.integers(1, 3),
)
def test_length_is_rounded_up(length: int, rate_from: int, rate_to: int, channels: int) -> None:
    out = resample(torch.zeros(channels, length), rate_from, rate_to)
    assert out.shape == (channels, math.ceil(length * rate_to / rate_from))
    assert out.dtype == torch.float32


@pytest.mark.parametrize(
    ("rate_from", "rate_to"),
    [(44100, 16000), (48000, 16000), (8000, 16000), (47999, 16000), (16001, 48000), (191_999, 8000)],
)
def test_pass_band_is_flat_and_in_phase(rate_from: int, rate_to: int) -> None:
    for hertz in (100, 1000, 0.9 * min(rate_from, rate_to) / 2):
        out = resample(torch.from_numpy(tone(1, rate_from, hertz))[None], rate_from, rate_to)[0]
        inner = slice(len(out) // 4, -len(out) // 4)
        wanted = torch.from_numpy(tone(1, rate_to, hertz))
        assert decibels((out - wanted)[inner], wanted[inner]) < -90


@pytest.mark.parametrize("rate", [44100, 47999])
def test_aliases_are_rejected(rate: int) -> None:
    for hertz in (8050, 10_000, 20_000):
        loud = torch.from_numpy(tone(1, rate, hertz))[None]
        out = resample(loud, rate, 16000)[0, 4000:-4000]
        assert decibels(out, torch.from_numpy(tone(1, 16000))[4000:-4000]) < -90


@pytest.mark.parametrize("rate", [47_999, 96_001, 191_999])
def test_rates_without_a_common_factor_need_no_more_memory(rate: int) -> None:
    samples = torch.randn(1, rate)
    tracemalloc.start()
    assert resample(samples, rate, 16000).shape == (1, 16000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_interpolated_phases_are_those_of_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    wanted = resample(samples, 44100, 16000)
    monkeypatch.setattr("ditto_core.audio.resample._MOST_PHASES", 1)
    monkeypatch.setattr("ditto_core.audio.resample._BLOCK", 1000)
    assert decibels(resample(samples, 44100, 16000) - wanted, wanted) < -100


def test_same_rate_is_untouched_and_bad_rates_are_refused() -> None:
    samples = torch.randn(2, 100)
    assert resample(samples, 16000, 16000) is samples
    with pytest.raises(InputError, match="positive"):
        resample(samples, 0, 16000)


def test_mono_is_the_mean() -> None:
    samples = torch.from_numpy(np.stack([tone(0.1, 16000), tone(0.1, 16000, level=0.3)]))
    torch.testing.assert_close(mono(Audio(samples, 16000), 16000), samples.mean(dim=0))


def test_a_silent_channel_does_not_halve_the_level() -> None:
    voice = torch.from_numpy(tone(0.1, 16000))
    stereo = torch.stack([torch.zeros_like(voice), voice])
    torch.testing.assert_close(mono(Audio(stereo, 16000), 16000), voice)


def test_opposite_channels_do_not_cancel() -> None:
    voice = torch.from_numpy(tone(0.1, 16000))
    torch.testing.assert_close(mono(Audio(torch.stack([voice, -voice]), 16000), 16000), voice)


def test_silence_stays_silent() -> None:
    assert mono(Audio(torch.zeros(2, 44100), 44100), 16000).abs().max() == 0


@pytest.mark.parametrize(("rate_from", "rate_to"), [(48000, 16000), (44100, 16000), (8000, 44100)])
def test_a_long_recording_becomes_what_it_is_as_a_whole(
    rate_from: int, rate_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = torch.randn(2, 30_001, generator=torch.Generator().manual_seed(0))
    whole = resample(samples, rate_from, rate_to)
    monkeypatch.setattr("ditto_core.audio.resample._BLOCK", 4000)
    blocks: list[None] = []
    assert torch.equal(resample(samples, rate_from, rate_to, lambda: blocks.append(None)), whole)
    assert len(blocks) >= 7
