"""Speech by RHVoice, whose voices are learned from recordings of people; it does not tell when.

Needs Debian 13's `rhvoice` and the packages of the languages (rhvoice-english, rhvoice-polish, ...).
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
    "alan": "en-gb-scotland", "bdl": "en-us", "clb": "en-us", "slt": "en-us", "aleksandr": "ru",
    "aleksandr-hq": "ru", "anna": "ru", "elena": "ru", "evgeniy-rus": "ru", "irina": "ru", "azamat": "ky",
    "nazgul": "ky", "Leticia-F123": "pt-br", "anatol": "uk", "natalia": "uk", "alicja": "pl", "magda": "pl",
    "michal": "pl", "natan": "pl", "ondro": "sk", "zdenek": "cs", "spomenka": "eo",
}  # fmt: skip
"""RHVoice's voices that may be used for any purpose, and espeak-ng's names of their languages."""


def samples_of(text: str, voice: str, rate: int = 100, pitch: int = 100) -> NDArray[np.float32]:
    """What `voice` says, 16 kHz; `rate` and `pitch` are in percent of its own."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        command = ["RHVoice-test", "-p", voice, "-r", str(rate), "-t", str(pitch), "-o", str(wav)]
        subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        own_rate, samples = wavfile.read(wav)
    return at_16k(samples, own_rate)
