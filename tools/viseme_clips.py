"""What the viseme network is trained with: random texts said by many voices, as features and classes.

Needs Debian's espeak-ng, flite, festival, wamerican, the Hunspell dictionaries of `speech.texts` and the
voices of `speech.festival`, `speech.rhvoice` and `speech.pico`.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ditto_core.lite.visemes import ROWS_PER_SECOND, SAMPLE_RATE, VISEMES, log_mel, normalise
from tools.speech import espeak, festival, pico, rhvoice
from tools.speech.augment import make_harder, not_speech, other_throat, worsen
from tools.speech.known import Phone, Speech
from tools.speech.texts import random_text
from tools.speech.voices import Voice, random_voice, say

T = TypeVar("T")

SAID_AT_ONCE = 20
"""Texts for one process of Festival."""
MEASURED_ONLY = ("hindi_NSK_diphone", "marathi_NSK_diphone", "telugu_NSK_diphone")
"""Voices of Festival that are not trained with."""
_WORDS = {"en-gb-scotland": "en", "ky": "ru"}
"""Whose words are said in languages without words of their own; Kyrgyz has all of Russian's letters."""
_UNTIMED = [
    (engine, voice, language) for engine in (rhvoice, pico) for voice, language in engine.VOICES.items()
]
"""Voices that do not tell when they say what."""


@dataclass(frozen=True)
class Clip:
    """Normalised features (M, 40) and the class of every row (M,), stored small."""

    features: NDArray[np.float16]
    labels: NDArray[np.int8]


Utterance = tuple[Clip, Clip]
"""As it was said, and harder to hear."""


@dataclass(frozen=True)
class Untimed:
    """An utterance whose sounds are known but not when they are said; both clips share their labels."""

    utterance: Utterance
    sounds: tuple[str, ...]


def labels_of(phones: tuple[Phone, ...], rows: int) -> NDArray[np.int64]:
    """The viseme at the centre of every row."""
    starts = np.array([phone.start for phone in phones])
    classes = np.array([VISEMES.index(phone.viseme) for phone in phones])
    times = np.arange(rows) / ROWS_PER_SECOND
    labels = classes[np.searchsorted(starts, times, side="right") - 1]
    labels[times >= phones[-1].stop] = VISEMES.index("sil")
    return labels


def clip_of(speech: Speech) -> Clip:
    features = normalise(log_mel(torch.from_numpy(speech.samples))[0]).numpy()
    labels = labels_of(speech.phones, len(features))
    return Clip(features.astype(np.float16), labels.astype(np.int8))


def utterances(count: int, seed: int, cache: Path) -> list[Utterance]:
    """`count` random utterances by espeak-ng and flite, from `cache` if they have been said before."""
    jobs = [(seed, index) for index in range(count)]
    return _kept(cache / f"utterances_{count}_{seed}.pickle", lambda: _in_parallel(_utterance, jobs))


def _utterance(job: tuple[int, int]) -> Utterance:
    """Something that a random voice says, and the same made harder to hear."""
    seed, index = job
    rng = random.Random(f"{seed} {index}")
    voice = random_voice(rng)
    speech = say(random_text(voice.language, rng), voice)
    return clip_of(speech), clip_of(make_harder(speech, np.random.default_rng((seed, index))))


def festival_utterances(count: int, seed: int, cache: Path) -> list[Utterance]:
    """The same by Festival's voices in turn, most of them also moved in pitch and formants."""
    jobs = [(seed, index) for index in range(count // SAID_AT_ONCE)]
    return _kept(
        cache / f"festival_{count}_{seed}.pickle",
        lambda: list(chain.from_iterable(_in_parallel(_festival_utterances, jobs))),
    )


def _festival_utterances(job: tuple[int, int]) -> list[Utterance]:
    seed, index = job
    rng = random.Random(f"festival {seed} {index}")
    voices = [name for name in festival.VOICES if name not in MEASURED_ONLY]
    voice = voices[index % len(voices)]
    texts = [random_text(festival.VOICES[voice], rng) for _ in range(SAID_AT_ONCE)]
    paces = [rng.uniform(1.4, 1.9) if rng.random() < 0.3 else rng.uniform(0.65, 1.4) for _ in texts]
    said: list[Utterance] = []
    for number, speech in enumerate(festival.say_all(texts, voice, paces)):
        moved = np.random.default_rng((seed, index, number))
        clear = other_throat(speech, moved.uniform(0.82, 1.22)) if moved.random() < 0.7 else speech
        said.append((clip_of(clear), clip_of(make_harder(speech, moved))))
    return said


def untimed_utterances(count: int, seed: int, cache: Path) -> list[Untimed]:
    """The same by the voices of RHVoice and Pico in turn, whose labels are still to be found."""
    jobs = [(seed, index) for index in range(count)]
    return _kept(cache / f"untimed_{count}_{seed}.pickle", lambda: _in_parallel(_untimed_utterance, jobs))


def _untimed_utterance(job: tuple[int, int]) -> Untimed:
    seed, index = job
    rng = random.Random(f"untimed {seed} {index}")
    engine, voice, language = _UNTIMED[index % len(_UNTIMED)]
    text = random_text(_WORDS.get(language, language), rng)
    rate = rng.randint(75, 135) if rng.random() < 0.75 else rng.randint(140, 200)
    samples = engine.samples_of(text, voice, rate, pitch=rng.randint(80, 125))
    speech = Speech(samples, (Phone(0.0, len(samples) / SAMPLE_RATE, "sil"),))
    moved = np.random.default_rng((seed, index))
    if moved.random() < 0.65:
        speech = other_throat(speech, moved.uniform(0.83, 1.2))
    clear = clip_of(speech)
    harder = clip_of(replace(speech, samples=worsen(speech.samples, moved)))
    sounds = espeak.sounds(text, language)
    return Untimed((clear, Clip(harder.features, clear.labels)), tuple(sounds))


def silences(count: int, seed: int) -> list[Clip]:
    """Sound that is no speech."""
    rng = np.random.default_rng(seed)
    return [clip_of(not_speech(rng)) for _ in range(count)]


def unheard(voices: list[Voice], count: int, seed: int) -> list[Clip]:
    """Clean utterances said by these voices in turn."""
    rng = random.Random(seed)
    turns = [voices[i % len(voices)] for i in range(count)]
    return [clip_of(say(random_text(voice.language, rng), voice)) for voice in turns]


def _in_parallel(make: Callable[[tuple[int, int]], T], jobs: Sequence[tuple[int, int]]) -> list[T]:
    """What `make` makes of every job, in as many processes as there are cores."""
    with ProcessPoolExecutor(
        mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        return list(pool.map(make, jobs, chunksize=min(50, len(jobs) // 8 + 1)))


def _kept(path: Path, make: Callable[[], T]) -> T:
    """What `make` makes, which is written to `path` the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(make()))
    return pickle.loads(path.read_bytes())
