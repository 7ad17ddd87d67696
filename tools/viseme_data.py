"""Synthetic speech with known phones: texts of random words, spoken by espeak-ng and flite.

A maintainer's tool for `train_visemes.py` and the lip-sync benchmark. Needs Debian's `espeak-ng`, `flite` and
`wamerican` (the SCOWL word list); the other languages are spoken from invented words, so that no text and
no recording of anybody else is involved.
"""

from __future__ import annotations

import ctypes
import random
import re
import subprocess
import tempfile
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from ditto_core.lite.visemes import SAMPLE_RATE

WORD_LIST = Path("/usr/share/dict/american-english")

ESPEAK_LATENESS = 0.01
CLOSURE_LATENESS = 0.04
"""Seconds by which espeak-ng reports phonemes later than the mouth takes their shape.

The change of the spectrum at a reported start is centred on it, so the mouth begins about 10 ms before;
but the silence of a voiceless stop, in which lips or tongue are closed, is counted to the phoneme before
and starts 40 ms early. (A single shift of 20 ms for all of them is the mean of this.) flite is exact.
"""

FLITE_VOICES = ("awb", "rms", "slt", "kal16")

ESPEAK_VARIANTS = (
    "", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4",
    "klatt", "klatt2", "klatt3", "klatt4", "Annie", "Andy", "steph", "steph3", "edward", "linda", "david",
    "max", "grandma", "quincy",
)  # fmt: skip

# Syllable parts (onsets, nuclei, codas) of each language's invented words.
SYLLABLES = {
    "de": (
        "b d f g h j k l m n p r s t w z sch pf st sp kl br fl",
        "a e i o u ä ö ü ei au eu ie",
        "n r t s ch l m f ng",
    ),
    "fr": ("b d f g ch j l m n p r s t v qu bl br cr pr", "a e i o u é è ou eu on an in oi", "r l s n m t"),
    "es": ("b d f g ch j l ll m n ñ p r s t v qu br tr pl", "a e i o u ie ue ai", "n s r l"),
    "it": ("b d f g c ch ci gi l m n p r s t v z gl gn sp tr", "a e i o u ia io uo", "n r l"),
    "pt-br": ("b d f g ch j l lh m n nh p r s t v qu br tr", "a e i o u ão é ê ei ou", "s r l m"),
    "nl": (
        "b d f g h j k l m n p r s t v w z sch st kl",
        "a e i o u aa ee ie oe oo ui ij eu",
        "n r t s l m k p",
    ),
    "pl": ("b d f g h j k l m n p r s t w z sz cz ch ł prz st", "a e i o u y ą ę ó", "n r m k sz t"),
    "cs": ("b d f h j k l m n p r s t v z š č ž ř st pr", "a e i o u á é í ů ou", "n r l k m t"),
    "sv": ("b d f g h j k l m n p r s t v sj tj st kl", "a e i o u å ä ö y", "n r l t s m"),
    "fi": ("h j k l m n p r s t v", "a e i o u ä ö y aa ii uu ie uo ai", "n s l"),
    "tr": ("b c ç d f g h j k l m n p r s ş t v y z", "a e ı i o ö u ü", "n r l k m ş"),
    "hu": ("b d f g gy h j k l m n ny p r s sz t v z cs zs", "a á e é i o ö ő u ü", "n r k t l m"),
    "ro": ("b c d f g h j l m n p r s ș t ț v z ch", "a ă e i o u â ea oa ia", "n r l t m"),
    # Kept out of training, to measure languages the network has never heard.
    "da": ("b d f g h j k l m n p r s t v st kl", "a e i o u æ ø å y", "n r l t s m"),
    "hr": ("b d f g h j k l m n p r s t v z š č ž lj nj", "a e i o u", "n r m k t"),
    "id": ("b c d g h j k l m n p r s t w y ng ny", "a e i o u ai au", "n ng k t s"),
    "sw": ("b ch d f g h j k l m n p r s t v w z sh ny", "a e i o u", ""),
    "ru": ("б в г д ж з к л м н п р с т ф х ч ш", "а е и о у ы я ю", "н р т к м"),
}
ENGLISH = ("en-us", "en")
UNSEEN_LANGUAGES = ("da", "hr", "id", "sw", "ru")
ESPEAK_LANGUAGES = (*ENGLISH, *(name for name in SYLLABLES if name not in UNSEEN_LANGUAGES))
UNSEEN_VARIANTS = ("f5", "m8", "adam", "belinda", "Gene", "travis", "Mario", "zac")


@dataclass(frozen=True)
class Phone:
    """A sound between two times in seconds, as a viseme name."""

    start: float
    stop: float
    viseme: str


@dataclass(frozen=True)
class Speech:
    """float32 samples (T,) at 16 kHz, and what is said when, without gaps."""

    samples: NDArray[np.float32]
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Voice:
    """How something is said. `pace` is 1 for normal, 2 for twice as fast; `pitch` 0..99 (espeak only)."""

    engine: str
    name: str
    pace: float = 1.0
    pitch: int = 50

    @property
    def language(self) -> str:
        return self.name.split("+")[0] if self.engine == "espeak" else "en-us"


def random_voice(rng: random.Random) -> Voice:
    """70 % espeak-ng in one of 15 languages and 26 variants, 30 % flite."""
    if rng.random() < 0.3:
        return Voice("flite", rng.choice(FLITE_VOICES), pace=rng.uniform(0.75, 1.25))
    variant = rng.choice(ESPEAK_VARIANTS)
    name = rng.choice(ESPEAK_LANGUAGES) + ("+" + variant if variant else "")
    return Voice("espeak", name, pace=rng.uniform(0.65, 1.3), pitch=rng.randint(15, 85))


def random_text(language: str, rng: random.Random) -> str:
    """Three to fourteen words with an occasional comma."""
    words = [random_word(language, rng) for _ in range(rng.randint(3, 14))]
    return " ".join(word + ("," if rng.random() < 0.12 else "") for word in words).rstrip(",") + "."


def random_word(language: str, rng: random.Random) -> str:
    if language in ENGLISH:
        return rng.choice(_english_words())
    onsets, nuclei, codas = (part.split() or [""] for part in SYLLABLES[language])
    count = rng.choice((1, 2, 2, 3, 3, 4))
    word = "".join(rng.choice(onsets) + rng.choice(nuclei) for _ in range(count))
    return word + (rng.choice(codas) if rng.random() < 0.5 else "")


@lru_cache(maxsize=1)
def _english_words() -> tuple[str, ...]:
    words = WORD_LIST.read_text("utf-8").split()
    return tuple(word for word in words if re.fullmatch("[a-z]{2,11}", word))


def say(text: str, voice: Voice) -> Speech:
    """Speak `text`."""
    return _say_flite(text, voice) if voice.engine == "flite" else _say_espeak(text, voice)


# ---------------------------------------------------------------------------------------------- flite

ARPABET = {
    "pau": "sil", "aa": "AA", "ae": "AE", "ah": "AE", "ao": "OH", "aw": "AA UW", "ax": "AX", "ay": "AA IY",
    "b": "PP", "ch": "CH", "d": "DD", "dh": "TH", "dx": "DD", "eh": "EH", "er": "RR", "ey": "EH IY",
    "f": "FF", "g": "KK", "hh": "KK", "ih": "IY", "iy": "IY", "jh": "CH", "k": "KK", "l": "LL", "m": "PP",
    "n": "DD", "ng": "KK", "ow": "OH UW", "oy": "OH IY", "p": "PP", "r": "RR", "s": "SS", "sh": "CH",
    "t": "DD", "th": "TH", "uh": "UW", "uw": "UW", "v": "FF", "w": "UW", "y": "IY", "z": "SS", "zh": "CH",
}  # fmt: skip


def _say_flite(text: str, voice: Voice) -> Speech:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={1 / voice.pace:.3f}"
        command = ["flite", "-voice", voice.name, "--setf", stretch, "-psdur", "-t", text, "-o", str(wav)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rate, samples = wavfile.read(wav)
    ends = [(name, float(end)) for name, end in (pair.split(":") for pair in printed.split())]
    phones: list[Phone] = []
    start = 0.0
    for name, end in ends:
        phones += _split(ARPABET[name].split(), start, end)
        start = end
    return Speech(_at_16k(samples, rate), tuple(phones))


# --------------------------------------------------------------------------------------------- espeak

IPA = {
    "PP": "pbmɓʙ", "FF": "fvɱʋɸβ", "TH": "θð", "DD": "tdnɗʈɖɳɲɾ", "SS": "sz", "CH": "ʃʒɕʑʂʐ",
    "KK": "kgɡŋɢqhxɣχʁħʕɦʔcɟçʝɰ", "LL": "lɫɭʎɬɮ", "RR": "rɹɻʀɚɝ", "AA": "aɑɒ", "AE": "æʌ", "EH": "eɛœ",
    "IY": "iɪɨᵻjɯ", "OH": "oɔ", "UW": "uʊwʍyʏʉɥø", "AX": "əɜɐɘɵɤɞ",
}  # fmt: skip
_CLASS_OF = {letter: name for name, letters in IPA.items() for letter in letters}
_VOICELESS_STOPS = ("p", "t", "k", "c", "q", "ʈ")
_AFFRICATES = {"tʃ": "CH", "dʒ": "CH", "tɕ": "CH", "dʑ": "CH", "tʂ": "CH", "dʐ": "CH", "ts": "SS", "dz": "SS"}


def visemes_of_ipa(phoneme: str) -> list[str]:
    """The visemes of one IPA phoneme, two for a diphthong, none for marks that make no sound."""
    letters = "".join(c for c in unicodedata.normalize("NFD", phoneme) if c in _CLASS_OF)
    if letters in _AFFRICATES:
        return [_AFFRICATES[letters]]
    return [_CLASS_OF[letter] for letter in letters]


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_END_OF_LIST, _PHONEME = 0, 7
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Espeak:
    """libespeak-ng in synchronous mode, collecting samples and phoneme events."""

    RATE, PITCH = 1, 3
    NORMAL_RATE = 165

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate = self.library.espeak_Initialize(2, 0, None, 0x8003)  # phoneme events in IPA
        self.blocks: list[NDArray[np.int16]] = []
        self.events: list[tuple[str, float]] = []
        self.callback = _Callback(self._collect)  # kept, or it would be freed while C holds it
        self.library.espeak_SetSynthCallback(self.callback)

    def _collect(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if count > 0:
            self.blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type != _END_OF_LIST:
            if events[at].type == _PHONEME:
                name = ctypes.string_at(ctypes.addressof(events[at].id), 8).split(b"\0")[0]
                self.events.append((name.decode("utf-8", "ignore"), events[at].audio_position / 1000))
            at += 1
        return 0

    def say(self, text: str, voice: Voice) -> tuple[NDArray[np.int16], list[tuple[str, float]]]:
        self.blocks, self.events = [], []
        if self.library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name}")
        self.library.espeak_SetParameter(self.RATE, round(self.NORMAL_RATE * voice.pace), 0)
        self.library.espeak_SetParameter(self.PITCH, voice.pitch, 0)
        encoded = text.encode()
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, 1, None, None)
        self.library.espeak_Synchronize()
        return np.concatenate(self.blocks), self.events


@lru_cache(maxsize=1)
def _espeak() -> _Espeak:
    return _Espeak()


def _say_espeak(text: str, voice: Voice) -> Speech:
    samples, events = _espeak().say(text, voice)
    seconds = len(samples) / _espeak().sample_rate
    starts = np.array(
        [at - (CLOSURE_LATENESS if name[:1] in _VOICELESS_STOPS else ESPEAK_LATENESS) for name, at in events]
    )
    times = [*np.maximum.accumulate(starts.clip(0, seconds)).tolist(), seconds]
    phones = [Phone(0.0, times[0], "sil")]
    for (name, _), (start, stop) in zip(events, pairwise(times), strict=True):
        phones += _split(visemes_of_ipa(name) or ["sil"], start, stop)
    return Speech(_at_16k(samples, _espeak().sample_rate), tuple(p for p in phones if p.stop > p.start))


def _split(visemes: list[str], start: float, stop: float) -> list[Phone]:
    """Share a phone's time equally among its visemes."""
    edges = np.linspace(start, stop, len(visemes) + 1).tolist()
    return [Phone(a, b, name) for name, (a, b) in zip(visemes, pairwise(edges), strict=True)]


def _at_16k(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    common = gcd(rate, SAMPLE_RATE)
    sound = resample_poly(samples / 32768, SAMPLE_RATE // common, rate // common)
    return sound.astype(np.float32)
