"""Speech by SVOX Pico, whose voices are learned from recordings of people; it does not tell when.

Needs Debian's `libttspico-utils` (in the section non-free, for its voices come without their source; they and
the program are under the Apache licence).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from tools.speech.known import at_16k

VOICES = {
    "en-US": "en-us", "en-GB": "en", "de-DE": "de", "es-ES": "es", "fr-FR": "fr", "it-IT": "it",
}  # fmt: skip
"""Pico's voices, one a language, and espeak-ng's names of their languages."""


def samples_of(text: str, voice: str, rate: int = 100, pitch: int = 100) -> NDArray[np.float32]:
    """What `voice` says, 16 kHz; `rate` and `pitch` are in percent of its own."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        marked = f'<speed level="{rate}"><pitch level="{pitch}">{text}</pitch></speed>'
        subprocess.run(["pico2wave", "-l", voice, "-w", wav, marked], check=True, capture_output=True)
        own_rate, samples = wavfile.read(wav)
    return at_16k(samples, own_rate)
