"""Make clean synthetic speech as varied as recordings are: other voices, rooms, microphones and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, fftconvolve, firwin2, istft, sosfilt, stft

from ditto_core.lite.visemes import SAMPLE_RATE
from tools.speech.known import Phone, Speech

Sound = NDArray[np.float32]

PAUSED = 0.3
"""Share of the utterances that stand between long pauses."""
BREATHED = 0.2
"""Share of the utterances said with a breathy voice, or whispered."""


def make_harder(speech: Speech, rng: np.random.Generator) -> Speech:
    """The same words from another throat, breathy or not, in another room, through another microphone."""
    if rng.random() < 0.6:
        speech = other_throat(speech, rng.uniform(0.86, 1.18))
    if rng.random() < PAUSED:
        speech = _with_pauses(speech, rng)
    return replace(speech, samples=worsen(speech.samples, rng))


def worsen(sound: Sound, rng: np.random.Generator) -> Sound:
    """The same sound at the same times, breathy or not, in another room, through another microphone."""
    sound = _breathed(sound, rng) if rng.random() < BREATHED else sound
    sound = _coloured(sound, rng)
    if rng.random() < 0.4:
        sound = _in_a_room(sound, rng)
    if rng.random() < 0.3:
        low_pass = butter(6, rng.uniform(3400, 7000), fs=SAMPLE_RATE, output="sos")
        sound = sosfilt(low_pass, sound)
    if rng.random() < 0.85:
        sound = _mixed(sound, _background(len(sound), rng), rng.uniform(8, 45))
    peak = 10 ** (rng.uniform(-30, 0) / 20)
    return (sound * peak / max(np.abs(sound).max(), 1e-6)).astype(np.float32)


def other_throat(speech: Speech, speed: float) -> Speech:
    """Play faster or slower: pitch and formants move together."""
    length = round(len(speech.samples) / speed)
    at = np.arange(length) * speed
    samples = np.interp(at, np.arange(len(speech.samples)), speech.samples).astype(np.float32)
    return Speech(samples, tuple(Phone(p.start / speed, p.stop / speed, p.viseme) for p in speech.phones))


def not_speech(rng: np.random.Generator) -> Speech:
    """Noise or music of 4 s, in which the mouth rests."""
    sound = _background(4 * SAMPLE_RATE, rng) * 10 ** (rng.uniform(-40, -10) / 20)
    return Speech(sound.astype(np.float32), (Phone(0.0, 4.0, "sil"),))


def _with_pauses(speech: Speech, rng: np.random.Generator) -> Speech:
    """Up to 3 s of silence before and after what is said, in which the background will be heard alone."""
    before, after = (int(rng.uniform(0, 3) * SAMPLE_RATE) for _ in range(2))
    start, said = before / SAMPLE_RATE, len(speech.samples) / SAMPLE_RATE
    phones = [Phone(p.start + start, p.stop + start, p.viseme) for p in speech.phones]
    pauses = Phone(0.0, start, "sil"), Phone(start + said, start + said + after / SAMPLE_RATE, "sil")
    return Speech(np.pad(speech.samples, (before, after)), (pauses[0], *phones, pauses[1]))


def _breathed(sound: Sound, rng: np.random.Generator) -> Sound:
    """Some or all of the voice gives way to breath: noise with the spectrum the mouth gives it."""
    window = 512
    _, _, spectrum = stft(sound, nperseg=window, noverlap=window * 3 // 4)
    envelope = np.sqrt(uniform_filter1d(np.abs(spectrum) ** 2, 11, axis=0))
    noise = rng.normal(size=spectrum.shape) + 1j * rng.normal(size=spectrum.shape)
    share = rng.uniform(0.3, 1.0)
    breath = envelope * noise * np.sqrt(0.5)
    _, mixed = istft((1 - share) * spectrum + share * breath, nperseg=window, noverlap=window * 3 // 4)
    return mixed[: len(sound)]


def _coloured(sound: Sound, rng: np.random.Generator) -> Sound:
    """A random smooth frequency response within about ±10 dB."""
    gains = 10 ** (rng.normal(0, 5, 9).clip(-12, 12) / 20)
    taps = firwin2(65, np.linspace(0, 1, 9), gains)
    return fftconvolve(sound, taps, mode="same")


def _in_a_room(sound: Sound, rng: np.random.Generator) -> Sound:
    """The sound and a tail of echoes that decays by 60 dB in 0.1 to 0.6 s."""
    decay = rng.uniform(0.1, 0.6)
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay)
    wet = 10 ** (rng.uniform(-20, -4) / 20)
    echoes = fftconvolve(sound, tail / np.sqrt(np.square(tail).sum()))[: len(sound)]
    return sound + wet * echoes


def _background(length: int, rng: np.random.Generator) -> Sound:
    """Noise of a random colour or a slow chord, with an RMS of 1."""
    sound = _chords(length, rng) if rng.random() < 0.3 else _noise(length, rng)
    return sound / max(np.sqrt(np.square(sound).mean()), 1e-9)


def _noise(length: int, rng: np.random.Generator) -> Sound:
    spectrum = np.fft.rfft(rng.normal(size=length))
    hertz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 30)
    return np.fft.irfft(spectrum * hertz ** -rng.uniform(0, 1), length)


def _chords(length: int, rng: np.random.Generator) -> Sound:
    """Three notes with overtones that change every 0.2 to 1 s."""
    sound = np.zeros(length)
    start = 0
    while start < length:
        stop = min(length, start + int(rng.uniform(0.2, 1.0) * SAMPLE_RATE))
        time = np.arange(stop - start) / SAMPLE_RATE
        envelope = np.exp(-time * rng.uniform(0, 4)) * np.minimum(1, time / 0.01)
        for _ in range(3):
            note = 55 * 2 ** rng.uniform(0, 4)
            for overtone in range(1, 8):
                sound[start:stop] += envelope * np.sin(2 * np.pi * note * overtone * time) / overtone
        start = stop
    return sound


def _mixed(sound: Sound, background: Sound, decibels: float) -> Sound:
    """The sound over a background of RMS 1 that is `decibels` weaker."""
    return sound + background * np.sqrt(np.square(sound).mean()) * 10 ** (-decibels / 20)
