"""Speech by Festival, whose voices are cut from recordings of people and print when every sound ends.

Needs Debian's `festival` and the packages of the voices (festvox-kdlpc16k, festvox-czech-ph,
festvox-italp16k, ...).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from tools.speech.flite import ARPABET
from tools.speech.known import Phone, Speech, at_16k, split

VOICES = {
    "kal_diphone": "en", "ked_diphone": "en", "cmu_us_slt_arctic_hts": "en", "pc_diphone": "it",
    "lp_diphone": "it", "suo_fi_lj_diphone": "fi", "hy_fi_mv_diphone": "fi", "czech_dita": "cs",
    "czech_krb": "cs", "czech_machac": "cs", "czech_ph": "cs", "msu_ru_nsh_clunits": "ru",
    "upc_ca_ona_hts": "ca", "hindi_NSK_diphone": "hi", "marathi_NSK_diphone": "mr",
    "telugu_NSK_diphone": "te",
}  # fmt: skip
"""Festival's names of the voices, and their languages."""

_ENCODINGS = {"it": "iso-8859-1", "fi": "iso-8859-15", "ca": "iso-8859-15", "cs": "iso-8859-2"}
"""What Festival reads; other languages are read as UTF-8."""

_RESERVED = '\\"'
"""Characters that mean something in Scheme's strings."""

_LETTERS = {
    "a": "AA", "b": "PP", "c": "SS", "d": "DD", "e": "EH", "f": "FF", "g": "KK", "h": "KK", "i": "IY",
    "j": "IY", "k": "KK", "l": "LL", "m": "PP", "n": "DD", "o": "OH", "p": "PP", "r": "RR", "s": "SS",
    "t": "DD", "u": "UW", "v": "FF", "w": "UW", "y": "UW", "z": "SS", "ng": "KK",
    "#": "sil", "##": "sil", "_": "sil", "pau": "sil",
}  # fmt: skip
_ROMANCE = {
    "E": "EH", "O": "OH", "ax": "AX", "J": "DD", "L": "LL", "S": "CH", "Z": "CH", "rr": "RR", "tS": "CH",
    "dZ": "CH", "ts": "SS", "dz": "SS",
}  # fmt: skip
_CZECH = {
    "ch": "KK", "c~": "CH", "d~": "KK", "t~": "KK", "n~": "DD", "n*": "KK", "r~": "RR", "r~*": "RR",
    "s~": "CH", "z~": "CH", "dz": "SS", "dz~": "CH",
}  # fmt: skip
_RUSSIAN = {
    **{letter * 2: viseme for letter, viseme in _LETTERS.items()},
    "a": "AE", "ae": "AX", "ay": "AX", "y": "IY", "yy": "IY", "ur": "UW", "hh": "KK",
    "ch": "CH", "sch": "CH", "sh": "CH", "zh": "CH",
}  # fmt: skip
_INDIAN = {
    "a": "AX", "aa": "AA", "ee": "EH", "eh": "EH", "ih": "IY", "iy": "IY", "oo": "OH", "oh": "OH",
    "uh": "UW", "uw": "UW", "ay": "AE", "aw": "OH", "y": "IY", "D": "DD", "N": "DD", "T": "DD", "L": "LL",
    "th": "DD", "dh": "DD", "bh": "PP", "ph": "FF", "kh": "KK", "gh": "KK", "ch": "CH", "j": "CH",
    "jh": "CH", "sh": "CH",
}  # fmt: skip
PHONES = {
    "en": ARPABET | {"#": "sil", "h#": "sil"},
    **dict.fromkeys(("it", "ca"), _LETTERS | _ROMANCE),
    "fi": _LETTERS | {"7": "UW", "@": "AE"},
    "cs": _LETTERS | _CZECH,
    "ru": _LETTERS | _RUSSIAN,
    **dict.fromkeys(("hi", "mr", "te"), _LETTERS | _INDIAN),
}
"""The visemes of Festival's phones by language; a phone may also end in a mark of length or stress."""


def say(text: str, voice: str, pace: float = 1.0) -> Speech:
    """Speak `text` with one of `VOICES`; those called hts and clunits know only their own pace."""
    return say_all([text], voice, [pace])[0]


def say_all(texts: Sequence[str], voice: str, paces: Sequence[float]) -> list[Speech]:
    """Speak every text at its pace, which costs less than one after the other."""
    language = VOICES[voice]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = "".join(
            f"""(Parameter.set 'Duration_Stretch {1 / pace:.3f})
            (set! said (Utterance Text "{text.translate({ord(mark): None for mark in _RESERVED})}"))
            (utt.synth said)
            (utt.save.wave said "{folder}/{number}.wav" 'riff)
            (utt.save.segs said "{folder}/{number}.segs")"""
            for number, (text, pace) in enumerate(zip(texts, paces, strict=True))
        )
        encoded = f"(voice_{voice}){script}".encode(_ENCODINGS.get(language, "utf-8"), "ignore")
        (folder / "script.scm").write_bytes(encoded)
        subprocess.run(["festival", "-b", folder / "script.scm"], check=True, capture_output=True)
        return [_read(folder / str(number), language) for number in range(len(texts))]


def _read(path: Path, language: str) -> Speech:
    rate, samples = wavfile.read(path.with_suffix(".wav"))
    rows = [line.split() for line in path.with_suffix(".segs").read_text("latin-1").splitlines()]
    segments = [(row[2], float(row[0])) for row in rows if len(row) == 3]  # the header has other lines
    edges = [0.0, *np.maximum.accumulate([end for _, end in segments]).tolist()]
    phones: list[Phone] = []
    for (phone, _), (start, stop) in zip(segments, pairwise(edges), strict=True):
        phones += split(visemes_of(phone, language), start, stop)
    return Speech(at_16k(samples, rate), tuple(each for each in phones if each.stop > each.start))


def visemes_of(phone: str, language: str) -> list[str]:
    """The visemes of one of Festival's phones."""
    known = PHONES[language]
    return known[phone if phone in known else phone.rstrip(":1")].split()
