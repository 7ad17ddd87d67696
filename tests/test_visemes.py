"""Hearing visemes: right on known speech, the same in blocks, calm on anything that is no speech."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.speech import NAMES, encoder, heard, phones, sound
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.errors import InputError
from ditto_core.lite import visemes
from ditto_core.lite.visemes import HOP, SAMPLE_RATE, VISEMES
from tools.speech import festival, mbrola
from tools.speech.align import align
from tools.speech.espeak import visemes_of_ipa


def true_classes(name: str, rows: int) -> Tensor:
    known = phones(name)
    index = np.searchsorted(known.starts, np.arange(rows) / 100, side="right") - 1
    return torch.tensor([VISEMES.index(known.visemes[i]) for i in index])


@pytest.mark.parametrize("name", NAMES)
def test_hears_known_speech(name: str) -> None:
    rows = heard(name)
    right = rows[:, :-1].argmax(1) == true_classes(name, len(rows))
    assert right.float().mean() > 0.65


def test_blocks_give_the_result_of_a_single_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = heard("demo")
    monkeypatch.setattr(visemes, "_BLOCK", 97)
    assert torch.allclose(encoder().encode(sound("demo")), rows, atol=1e-4)


def test_loudness_changes_the_level_only() -> None:
    rows, quiet = heard("flite_rms"), encoder().encode(0.1 * sound("flite_rms"))
    assert torch.allclose(rows[:, :-1], quiet[:, :-1], atol=0.02)
    loud = rows[:, -1] > -60
    assert torch.allclose(rows[loud, -1] - quiet[loud, -1], torch.tensor(20.0), atol=0.1)


@given(length=st.integers(1, 5000), kind=st.sampled_from(["silence", "noise", "constant", "click"]))
def test_any_sound_gives_a_probability_for_every_10_ms(length: int, kind: str) -> None:
    samples = {
        "silence": torch.zeros(length),
        "noise": torch.randn(length, generator=torch.Generator().manual_seed(length)),
        "constant": torch.full((length,), 0.7),
        "click": torch.nn.functional.one_hot(torch.tensor(length // 2), length).float(),
    }[kind]
    rows = encoder().encode(samples)
    assert rows.shape == (-(-length // HOP), len(VISEMES) + 1)
    assert rows.isfinite().all()
    assert torch.allclose(rows[:, :-1].sum(1), torch.ones(len(rows)), atol=1e-4)


def test_the_level_is_in_decibels_and_ignores_an_offset() -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = (2 * torch.pi * 400 * time).sin()  # RMS of a sine: -3 dB
    middle = slice(10, -10)
    assert torch.allclose(encoder().encode(tone)[middle, -1], torch.tensor(-3.0), atol=0.1)
    assert torch.allclose(encoder().encode(0.1 * tone + 0.5)[middle, -1], torch.tensor(-23.0), atol=0.2)
    assert (encoder().encode(torch.zeros(1600))[:, -1] == -100).all()


@pytest.mark.parametrize("samples", [torch.zeros(0), torch.zeros(2, 1600)])
def test_refuses_sound_that_is_empty_or_not_mono(samples: Tensor) -> None:
    with pytest.raises(InputError, match="mono and not empty"):
        encoder().encode(samples)


@pytest.mark.parametrize(
    ("phoneme", "language", "expected"),
    [
        ("tʃ", "", "CH"),
        ("aɪ", "", "AA IY"),
        ("ɯᵝ", "ja", "UW"),  # compressed lips, unlike Turkish
        ("ɯ", "tr", "AX"),
        ("y", "fr", "UW"),
        ("y", "ru", "IY"),
        ("ɐ", "ko", "AE"),
        ("ph", "ko", "PP"),  # a breath after the lips open
        ("h", "", "KK"),
        ("ts.h", "cmn", "CH"),
        ("s.", "cmn", "CH"),
        ("nɡ", "yue", "KK"),
        ("ɴ", "ja", "KK"),
        ("ː", "", ""),
        ("(en)", "cmn", ""),  # says which language comes now
    ],
)
def test_sounds_have_the_shape_their_language_gives_them(phoneme: str, language: str, expected: str) -> None:
    assert visemes_of_ipa(phoneme, language) == expected.split()


def test_every_phone_of_festival_asks_for_visemes() -> None:
    for language in set(festival.VOICES.values()):
        named = {name for names in festival.PHONES[language].values() for name in names.split()}
        assert named <= set(VISEMES)
        assert {"sil", "PP", "AA", "IY"} <= named
    assert festival.visemes_of("ow", "en") == ["OH", "UW"]
    assert festival.visemes_of("a1", "it") == festival.visemes_of("a:", "fi") == ["AA"]


@pytest.mark.skipif(shutil.which("festival") is None, reason="festival is not installed")
def test_festival_says_what_it_is_asked_to() -> None:
    speech = festival.say("papa", "kal_diphone", pace=0.8)
    assert [phone.viseme for phone in speech.phones].count("PP") == 2
    assert speech.phones[-1].stop == pytest.approx(len(speech.samples) / SAMPLE_RATE, abs=0.05)


@pytest.mark.parametrize(
    ("phone", "language", "expected"),
    [
        ("_", "en", "sil"),
        ("p_h", "en", "PP"),
        ("@U", "en", "AX UW"),
        ("tS'", "lt", "CH"),
        ("a~", "fr", "AA"),
        ("an", "pt-br", "AA"),
        ("9y", "nl", "EH UW"),
        ("O2", "it", "OH"),
        ("R", "fr", "KK"),
        ("R", "es", "RR"),
        ("?", "de", "KK"),
        ("uu", "hi", "UW"),
    ],
)
def test_phones_of_mbrola_have_visemes(phone: str, language: str, expected: str) -> None:
    assert mbrola.visemes_of(phone, language) == expected.split()


@pytest.mark.skipif(
    not Path("/usr/share/mbrola/us1").exists(), reason="mbrola and its voice us1 are not installed"
)
def test_mbrola_says_what_it_is_asked_to() -> None:
    speech = mbrola.say("papa", "us1")
    assert [phone.viseme for phone in speech.phones].count("PP") == 2
    assert speech.phones[-1].stop == pytest.approx(len(speech.samples) / SAMPLE_RATE, abs=0.05)


def test_sounds_are_found_where_they_are_heard() -> None:
    said = ["sil"] * 6 + ["PP"] * 7 + ["AA"] * 20 + ["sil"] * 9 + ["IY"] * 4 + ["DD"] * 12
    labels = np.array([VISEMES.index(name) for name in said])
    heard = np.full((len(said), len(VISEMES)), 0.04, np.float32)
    heard[np.arange(len(said)), labels] = 0.36
    heard[20:23] = np.roll(heard[20:23], 3, axis=1)  # heard wrongly for a moment
    found, fit = align(heard, ["PP", "AA", "sil", "IY", "DD"])
    assert (found == labels).all()
    assert fit > align(heard, ["PP", "OH", "sil", "IY", "DD"])[1]
    assert (align(heard, ["PP", "AA", "IY", "DD"])[0] == labels).all()  # a pause nobody asked for
    assert align(heard[:11], ["PP", "AA", "IY", "DD"]) is None
