"""Recordings with known sounds, bundled or made for tests, and rows of speech made by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

import ditto_core
from benchmarks.lipsync_measure import KnownPhones, read_phones
from ditto_core.audio.resample import mono
from ditto_core.lite.visemes import SAMPLE_RATE, VISEMES, VisemeEncoder
from ditto_core.media.sound import read_audio
from ditto_core.models.bundled import bundled
from ditto_core.models.runners import OnnxRunner

FOLDER = Path(ditto_core.__file__).parent / "assets/speech"
TEST_FOLDER = Path(__file__).parents[1] / "golden/speech"
_PATHS = {path.stem: path for folder in (FOLDER, TEST_FOLDER) for path in sorted(folder.glob("*.flac"))}
NAMES = tuple(_PATHS)


@cache
def encoder() -> VisemeEncoder:
    return VisemeEncoder(OnnxRunner(bundled("viseme_tcn.onnx")))


@cache
def sound(name: str) -> Tensor:
    """A recording at 16 kHz (T,)."""
    return mono(read_audio(_PATHS[name]), SAMPLE_RATE)


@cache
def heard(name: str) -> Tensor:
    """What the network hears in a recording (M, 18)."""
    return encoder().encode(sound(name))


def phones(name: str) -> KnownPhones:
    return read_phones(_PATHS[name].with_suffix(".json"))


def rows_of(*sounds: tuple[str, int], level: float = -20.0) -> Tensor:
    """Rows that are sure of each viseme for a number of rows."""
    rows = torch.zeros(sum(count for _, count in sounds), len(VISEMES) + 1)
    at = 0
    for viseme, count in sounds:
        rows[at : at + count, VISEMES.index(viseme)] = 1
        rows[at : at + count, -1] = -100 if viseme == "sil" else level
        at += count
    return rows
