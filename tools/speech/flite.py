"""Speech by flite, which prints when every sound ends."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from scipy.io import wavfile

from tools.speech.known import Phone, Speech, at_16k, split

VOICES = ("awb", "rms", "slt", "kal16")

ARPABET = {
    "pau": "sil", "aa": "AA", "ae": "AE", "ah": "AE", "ao": "OH", "aw": "AA UW", "ax": "AX", "ay": "AA IY",
    "b": "PP", "ch": "CH", "d": "DD", "dh": "TH", "dx": "DD", "eh": "EH", "er": "RR", "ey": "EH IY",
    "f": "FF", "g": "KK", "hh": "KK", "ih": "IY", "iy": "IY", "jh": "CH", "k": "KK", "l": "LL", "m": "PP",
    "n": "DD", "ng": "KK", "ow": "OH UW", "oy": "OH IY", "p": "PP", "r": "RR", "s": "SS", "sh": "CH",
    "t": "DD", "th": "TH", "uh": "UW", "uw": "UW", "v": "FF", "w": "UW", "y": "IY", "z": "SS", "zh": "CH",
}  # fmt: skip


def say(text: str, voice: str, pace: float = 1.0) -> Speech:
    """Speak `text`; a `pace` of 2 is twice as fast."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={1 / pace:.3f}"
        command = ["flite", "-voice", voice, "--setf", stretch, "-psdur", "-t", text, "-o", str(wav)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rate, samples = wavfile.read(wav)
    ends = [(name, float(end)) for name, end in (pair.split(":") for pair in printed.split())]
    phones: list[Phone] = []
    start = 0.0
    for name, end in ends:
        phones += split(ARPABET[name].split(), start, end)
        start = end
    return Speech(at_16k(samples, rate), tuple(phones))
