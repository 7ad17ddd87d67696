"""Speech by MBROLA, whose voices are cut from recordings of people.

Only to measure with: the voices are free for use that is not commercial. espeak-ng says which sounds it makes
and how long. Needs Debian's `espeak-ng`, `mbrola`
and the packages of the voices (mbrola-us1, mbrola-de6, ..., in the section non-free).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from tools.speech.known import Phone, Speech, at_16k, split

_NAMES = """
    af1 ar1 ar2 br1 br2 br3 br4 ca1 ca2 cr1 cz1 cz2 de1 de2 de3 de4 de5 de6 de7 de8 ee1 en1 es1 es2 es3 fr1
    fr2 fr3 fr4 fr5 fr6 fr7 gr1 gr2 hu1 ic1 id1 in1 in2 ir1 it3 it4 jp1 jp2 jp3 la1 ma1 mx1 mx2 nl2 nl3 pl1
    pt1 ro1 sw1 sw2 tr1 tr2 us1 us2 us3 vz1
"""
_LANGUAGES = {
    "br": "pt-br", "ca": "fr", "cr": "hr", "cz": "cs", "ee": "et", "gr": "el", "ic": "is", "in": "hi",
    "ir": "fa", "jp": "ja", "ma": "ms", "mx": "es", "sw": "sv", "us": "en", "vz": "es",
}  # fmt: skip
VOICES = {name: _LANGUAGES.get(name[:2], name[:2]) for name in _NAMES.split()}
"""MBROLA's names of the voices that say what espeak-ng asks of them, and their languages."""

_DIGRAPHS = {
    "tS": "CH", "dZ": "CH", "tj": "CH", "sh": "CH", "ts": "SS", "dz": "SS", "nj": "DD", "nh": "DD",
    "ny": "DD", "nY": "DD", "th": "DD", "dh": "DD", "kh": "KK", "ng": "KK", "ph": "PP", "bh": "PP",
    "lh": "LL",
}  # fmt: skip
_LETTERS = {
    "PP": "pbmPBM", "FF": "fvF", "TH": "TD", "DD": "tdnJ4", "SS": "sz", "CH": "SZ", "KK": "kgNGhxXHCqKcQ",
    "LL": "lL5", "RR": "rR", "AA": "aA", "AE": "V{6&", "EH": "eE9", "IY": "iIj1;", "OH": "oO",
    "UW": "uUwWyY2}", "AX": "@3$",
}  # fmt: skip
_CLASS_OF = {letter: viseme for viseme, letters in _LETTERS.items() for letter in letters}
_OF_SOME = {
    ("R", "fr"): "KK", ("R", "de"): "KK", ("T", "hi"): "DD", ("D", "hi"): "DD", ("a", "hi"): "AX",
    ("a", "fa"): "AE", ("Q", "en"): "AA",
    ("Q", "id"): "AA",
}  # fmt: skip


def say(text: str, voice: str, words_per_minute: int = 165) -> Speech:
    """Speak `text` with one of `VOICES`. Raises `ValueError` when it lacks two sounds in a row."""
    asked = ["espeak-ng", "-v", f"mb-{voice}", "-s", str(words_per_minute), "--pho", "-w", "/dev/null", text]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    samples, lacking = _samples_of(told, voice)
    if lacking:  # some voices know the sound without the mark that espeak-ng gives it
        told = re.sub(r"(?m)^([^\s/#*'.\d]+)[/#*'.\d]+(?=\t)", r"\1", told)
        samples, lacking = _samples_of(told, voice)
    if lacking:
        raise ValueError(f"{voice} has no sound for {', '.join(lacking)}")
    phones: list[Phone] = []
    end = 0.0
    for name, milliseconds in (line.split()[:2] for line in told.splitlines() if line.strip()):
        start, end = end, end + float(milliseconds) / 1000
        phones += split(visemes_of(name, VOICES[voice]), start, end)
    return Speech(samples, tuple(phone for phone in phones if phone.stop > phone.start))


def _samples_of(told: str, voice: str) -> tuple[NDArray[np.float32], list[str]]:
    """What MBROLA makes of espeak-ng's phones, and the pairs for which it has only silence."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        command = ["mbrola", "-e", f"/usr/share/mbrola/{voice}/{voice}", "-", str(wav)]
        complaints = subprocess.run(command, input=told, check=True, capture_output=True, text=True).stderr
        rate, samples = wavfile.read(wav)
    return at_16k(samples, rate), re.findall(r"Warning: (\S+) unknown", complaints)


def visemes_of(phone: str, language: str) -> list[str]:
    """The visemes of a phone, which most voices name as X-SAMPA does."""
    if phone == "_":
        return ["sil"]
    if (phone, language) in _OF_SOME:
        return [_OF_SOME[phone, language]]
    letters = re.sub(r"_h|[?~'*/#.^=:\\]", "", phone)
    if language == "pt-br":
        letters = re.sub("^([aeiou])[mn]$", r"\1", letters)  # nasal vowels
    letters = re.sub(r"^(.)\1", r"\1", letters)
    if letters[:2] in _DIGRAPHS:
        return [_DIGRAPHS[letters[:2]]]
    first, rest = letters[:1], re.sub("[0-9]", "", letters[1:])  # a digit after a letter is a variant of it
    return [_CLASS_OF[letter] for letter in first + rest if letter in _CLASS_OF] or ["KK"]  # or glottal
