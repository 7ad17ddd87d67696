"""The voices that say what the speech network is trained with."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tools.speech import espeak, flite
from tools.speech.espeak_voices import BREATHY, DRAWN, VARIANTS
from tools.speech.known import Speech
from tools.speech.texts import ENGLISH, ESPEAK_LANGUAGES, HARDEST, NUMBER_LANGUAGES


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
    """A third flite, mostly rms and slt, the hardest to hear; the others espeak-ng, a third each in drawn
    and in breathy voices.

    A quarter of espeak-ng is English, a tenth reads numbers; 30 % of all speaks very fast.
    """
    fast = rng.random() < 0.3
    if rng.random() < 0.34:
        name = rng.choices(flite.VOICES, weights=(2, 4, 4, 2))[0]
        return Voice("flite", name, pace=rng.uniform(1.4, 1.9) if fast else rng.uniform(0.65, 1.4))
    variant = rng.choice(rng.choices((VARIANTS, BREATHY, DRAWN, ("",)), weights=(25, 30, 35, 10))[0])
    groups = (ENGLISH, NUMBER_LANGUAGES, ESPEAK_LANGUAGES, HARDEST)
    language = rng.choice(rng.choices(groups, weights=(25, 10, 38, 27))[0])
    name = language + ("+" + variant if variant else "")
    pace = rng.uniform(1.5, 2.1) if fast else rng.uniform(0.6, 1.5)
    return Voice("espeak", name, pace=pace, pitch=rng.randint(10, 90))


def say(text: str, voice: Voice) -> Speech:
    """Speak `text`."""
    if voice.engine == "flite":
        return flite.say(text, voice.name, voice.pace)
    return espeak.say(text, voice.name, voice.pace, voice.pitch)
