"""Emotions: names, numbers, mixtures and schedules as the (rows, 8) table Ditto's diffusion model reads."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import InputError

EmotionLabel: TypeAlias = str | SupportsIndex
EmotionMixture: TypeAlias = EmotionLabel | Sequence[EmotionLabel]
EmotionChoice: TypeAlias = Tensor | NDArray[Any] | EmotionMixture | Sequence[Sequence[EmotionLabel]]
"""One class by name or number, several at once, a list of those a row each, or a table (m, 8)."""

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "contempt")
STRENGTH = 8.0  # of a chosen class before the softmax, as published


def emotion_table(choice: EmotionChoice) -> Tensor:
    """The emotion of each frame, (m, 8) float32; frame i reads row i mod m.

    `choice` is one class by name or number ("happy", 3); several at once (["happy", "surprise"]); a list of
    such lists, one a row; or a table (m, 8) used as it is, an array or lists of fractions.
    """
    if isinstance(choice, Tensor) or (isinstance(choice, np.ndarray) and choice.dtype.kind == "f"):
        return _given_table(torch.as_tensor(choice))
    if not _is_sequence(choice):
        return emotion_vector([cast(EmotionLabel, choice)])[None]
    rows = cast(Sequence[EmotionMixture], choice)
    if len(rows) == 0:
        raise InputError("The emotion is an empty list; name at least one class.")
    if _holds_fractions(rows):
        return _given_table(_numbers(rows))
    if any(_is_sequence(row) for row in rows):
        return torch.stack([emotion_vector(_labels(row)) for row in rows])
    return emotion_vector(cast(Sequence[EmotionLabel], rows))[None]


def emotion_vector(labels: Sequence[EmotionLabel]) -> Tensor:
    """Classes shown at once as weights (8,) that sum to 1."""
    if len(labels) == 0:
        raise InputError("An emotion without any class; name at least one.")
    logits = torch.zeros(len(EMOTIONS))
    logits[[emotion_number(label) for label in labels]] = STRENGTH
    return logits.softmax(dim=0)


def emotion_number(label: EmotionLabel) -> int:
    """The number 0..7 of a class given by name, in any case, or by number."""
    known = ", ".join(f"{number} {name}" for number, name in enumerate(EMOTIONS))
    if isinstance(label, str):
        if label.strip().lower() not in EMOTIONS:
            raise InputError(f"There is no emotion {label!r}; use one of {known}.")
        return EMOTIONS.index(label.strip().lower())
    try:
        number = operator.index(label)
    except TypeError as error:
        raise InputError(f"{label!r} is no emotion; use a name or a whole number: {known}.") from error
    if not 0 <= number < len(EMOTIONS):
        raise InputError(f"There is no emotion number {number}; use one of {known}.")
    return number


def emotion_schedule(changes: Sequence[tuple[int, EmotionMixture]], frames: int, fade: int = 0) -> Tensor:
    """Emotions that change over time, (frames, 8).

    changes: (frame, emotion) in any order; the earliest also holds before its frame. fade: frames over
    which each one replaces the one before, 0 at once.
    """
    if not changes:
        raise InputError("The emotion schedule is empty; give at least one (frame, emotion).")
    ordered = sorted(changes, key=lambda change: change[0])
    position = torch.arange(frames)
    table = emotion_vector(_labels(ordered[0][1])).expand(frames, -1)
    for start, mixture in ordered[1:]:
        # The frame of the change is the first that shows the new emotion, the last of the fade wholly.
        weight = ((position - start + 1) / max(fade, 1)).clamp(0, 1)[:, None]
        table = table * (1 - weight) + emotion_vector(_labels(mixture)) * weight
    return table


def _given_table(table: Tensor) -> Tensor:
    if table.ndim != 2 or table.shape[1] != len(EMOTIONS) or len(table) == 0:
        raise InputError(f"An emotion table must be (rows, 8); this is {tuple(table.shape)}.")
    if not bool(torch.isfinite(table).all()):
        raise InputError("The emotion table holds values that are no numbers.")
    return table.float()


def _holds_fractions(rows: Sequence[Any]) -> bool:
    """Whether these are weights, as JSON has them, instead of classes."""
    return any(isinstance(value, float) for row in rows if _is_sequence(row) for value in row)


def _numbers(rows: Any) -> Tensor:
    try:
        return torch.as_tensor(rows, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"The emotion table is no table of numbers: {error}.") from error


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _labels(mixture: EmotionMixture) -> Sequence[EmotionLabel]:
    return cast(Sequence[EmotionLabel], mixture) if _is_sequence(mixture) else [cast(EmotionLabel, mixture)]
