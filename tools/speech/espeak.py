"""Speech by espeak-ng, whose library reports when every sound begins."""

from __future__ import annotations

import ctypes
import re
import tempfile
import unicodedata
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.speech.espeak_voices import DRY, add_voices, linked_data
from tools.speech.known import Phone, Speech, at_16k, split

ESPEAK_LATENESS = 0.01
"""Seconds by which espeak-ng reports phonemes later than the mouth takes their shape.

The change of the spectrum at a reported start is centred on it, so the mouth begins about 10 ms before. But
the silence of a voiceless stop, or of any after a pause, in which lips or tongue are closed, is counted to
the phoneme before: such a stop begins with its silence, which lasts 55 ms in slow, 25 ms in fast and 130 ms
in geminate speech.
"""
LONGEST_CLOSURE = 0.25
CLOSURE_AFTER_PAUSE = 0.04
QUIET = 0.01
"""Share of the clip's peak under which a sound counts as silence."""

IPA = {
    "PP": "pbmɓʙ", "FF": "fvɱʋɸΦβ", "TH": "θð", "DD": "tdnɗʈɖɳɲɾɽ", "SS": "szʦ", "CH": "ʃʒɕʑʂʐSZ",
    "KK": "kgɡŋNɴɢqhxɣχXʁħʕɦʔcɟçʝɰ", "LL": "lɫɭʎɬɮ", "RR": "rɹɻʀɚɝ", "AA": "aAɑɒ", "AE": "æʌɐ", "EH": "eɛεœ",
    "IY": "iɪɨᵻj", "OH": "oɔ", "UW": "uʊwʍyʏʉɥø", "AX": "əɜɘɵɤɞɯ",
}  # fmt: skip
"""Letters of IPA, and some capitals with which espeak-ng names sounds of a few languages."""
_CLASS_OF = {letter: name for name, letters in IPA.items() for letter in letters}
_VOICELESS_STOPS = ("p", "t", "k", "c", "q", "ʈ")
_VOICED_STOPS = ("b", "d", "g", "ɡ", "ɓ", "ɗ", "ɖ", "ɟ")
_ONE_SOUND = {
    **dict.fromkeys(("tʃ", "dʒ", "tɕ", "dʑ", "tʂ", "ʈʂ", "dʐ", "tS", "dZ", "sx"), "CH"),
    "ts": "SS", "dz": "SS", "nɡ": "KK",
}  # fmt: skip
"""Letters that together name one sound; sx is the Swedish one of "sju"."""
_UNROUNDED_Y = ("ru", "uk", "pt-br")
"""Languages in which espeak-ng writes an unrounded vowel as y."""


def visemes_of_ipa(phoneme: str, language: str = "") -> list[str]:
    """The visemes of one IPA phoneme, two for a diphthong, none for marks that make no sound."""
    if phoneme.startswith("("):  # the name of the language that comes now
        return []
    phoneme = phoneme.replace("ɯᵝ", "u")  # Japanese: compressed lips
    phoneme = phoneme.replace("s.", "ʂ")  # Mandarin: the tongue curled
    if language in _UNROUNDED_Y:
        phoneme = phoneme.replace("y", "i")
    letters = "".join(c for c in unicodedata.normalize("NFD", phoneme) if c in _CLASS_OF)
    letters = letters.replace("ʔ", "") or letters  # a glottal stop within a phoneme is a way to say it
    letters = re.sub("(?<=[ptkcqɕʂs])h", "", letters)  # and so is a breath
    if letters in _ONE_SOUND:
        return [_ONE_SOUND[letters]]
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
        self.espeak = ctypes.CDLL("libespeak-ng.so.1")
        self.folder = tempfile.TemporaryDirectory()  # as long as this is used
        linked_data(Path(self.folder.name))
        path = self.folder.name.encode()
        self.sample_rate = self.espeak.espeak_Initialize(2, 0, path, 0x8003)  # phoneme events in IPA
        self.espeak.espeak_ListVoices(None)
        add_voices(Path(self.folder.name))
        self.blocks: list[NDArray[np.int16]] = []
        self.events: list[tuple[str, float]] = []
        self.callback = _Callback(self._collect)  # kept, or it would be freed while C holds it
        self.espeak.espeak_SetSynthCallback(self.callback)

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

    def say(
        self, text: str, voice: str, pace: float, pitch: int
    ) -> tuple[NDArray[np.int16], list[tuple[str, float]]]:
        self.blocks, self.events = [], []
        if self.espeak.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        self.espeak.espeak_SetParameter(self.RATE, round(self.NORMAL_RATE * pace), 0)
        self.espeak.espeak_SetParameter(self.PITCH, pitch, 0)
        encoded = text.encode()
        self.espeak.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, 1, None, None)
        self.espeak.espeak_Synchronize()
        return np.concatenate(self.blocks), self.events

    def without_echo(self, voice: str) -> str:
        """The same voice if it has none."""
        variant = voice.partition("+")[2] + DRY
        known = (Path(self.folder.name) / "espeak-ng-data/voices/!v" / variant).exists()
        return voice + DRY if known else voice


@lru_cache(maxsize=1)
def _espeak() -> _Espeak:
    return _Espeak()


def say(text: str, voice: str, pace: float = 1.0, pitch: int = 50) -> Speech:
    """Speak `text` with `voice`, a language and perhaps + a variant; `pitch` is 0 to 99."""
    language = voice.partition("+")[0]
    samples, events = _espeak().say(text, voice, pace, pitch)
    dry = _espeak().without_echo(voice)
    silences = _silences(*(_espeak().say(text, dry, pace, pitch) if dry != voice else (samples, events)))
    seconds = len(samples) / _espeak().sample_rate
    starts = np.array([at for _, at in events]) - silences
    times = [*np.maximum.accumulate(starts.clip(0, seconds)).tolist(), seconds]
    phones = [Phone(0.0, times[0], "sil")]
    for (name, _), (start, stop) in zip(events, pairwise(times), strict=True):
        phones += split(visemes_of_ipa(name, language) or ["sil"], start, stop)
    phones = _without_marks([phone for phone in phones if phone.stop > phone.start])
    return Speech(at_16k(samples, _espeak().sample_rate), tuple(phones))


def sounds(text: str, language: str) -> list[str]:
    """The visemes of `text`, with a silence where there may be a pause."""
    _, events = _espeak().say(text, language, 1.0, 50)
    return [viseme for name, _ in events for viseme in visemes_of_ipa(name, language) or ["sil"]]


def _silences(samples: NDArray[np.int16], events: list[tuple[str, float]]) -> NDArray[np.float64]:
    """Seconds by which the mouth takes the shape of every event before it is reported (`ESPEAK_LATENESS`)."""
    loudness = np.abs(samples.astype(float))
    loud = np.flatnonzero(loudness > QUIET * loudness.max()) / _espeak().sample_rate
    early = np.full(len(events), ESPEAK_LATENESS)
    for i, (name, at) in enumerate(events):
        after_pause = i == 0 or not visemes_of_ipa(events[i - 1][0])
        if name[:1] in _VOICELESS_STOPS or (after_pause and name[:1] in _VOICED_STOPS):
            before = loud[: np.searchsorted(loud, at - ESPEAK_LATENESS)]
            longest = CLOSURE_AFTER_PAUSE if after_pause else LONGEST_CLOSURE
            silence = at - before[-1] if len(before) else longest
            early[i] = max(ESPEAK_LATENESS, min(silence, longest))
    return early


def _without_marks(phones: list[Phone]) -> list[Phone]:
    """Nameless events are pauses, but short ones between sounds only marks: the sound before goes on."""
    joined: list[Phone] = []
    for viseme, group in groupby(phones, key=lambda phone: phone.viseme):
        run = list(group)
        whole = Phone(run[0].start, run[-1].stop, viseme)
        last = run[-1] is phones[-1]
        if viseme == "sil" and joined and not last and whole.stop - whole.start < 0.06:
            joined[-1] = Phone(joined[-1].start, whole.stop, joined[-1].viseme)
        else:
            joined += [whole] if viseme == "sil" else run
    return joined
