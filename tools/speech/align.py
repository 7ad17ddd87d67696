"""When the sounds of a text are said, as a network that hears them finds it likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ditto_core.lite.visemes import VISEMES

SHORTEST = 3
"""Rows that a sound lasts at least."""
_UNASKED_PAUSE = -3.0
"""Logarithm of how likely a pause is where the text has none."""
_DOUBT = 0.03
"""Share in which the network is not believed."""
_SILENCE = VISEMES.index("sil")


def align(heard: NDArray[np.float32], sounds: Sequence[str]) -> tuple[NDArray[np.int8], float] | None:
    """The class of every row (M,), and how well all fit (the mean logarithm of their probabilities).

    heard: probabilities (M, 17). sounds: visemes in the order in which they are said, "sil" where there may
    be a pause. None if there are more sounds than rows for them.
    """
    states, entry, stays, begins = _chain(sounds)
    if len(heard) < SHORTEST * begins.sum():
        return None
    likely = np.log((1 - _DOUBT) * heard + _DOUBT / len(VISEMES))[:, states]
    never = np.full(2, -np.inf)
    best = np.where(np.arange(len(states)) < 2, likely[0], -np.inf)  # a pause, or the first sound at once
    came = np.zeros(likely.shape, np.int8)
    for row in range(1, len(heard)):
        ways = np.stack(
            [
                np.where(stays, best, -np.inf),
                np.concatenate([never[:1], best[:-1]]) + entry,
                np.where(begins, np.concatenate([never, best[:-2]]), -np.inf),  # past the pause
            ]
        )
        came[row] = ways.argmax(0)
        best = ways.max(0) + likely[row]
    at = len(states) - 1 - int(best[-2] > best[-1])
    fit = float(best[at]) / len(heard)
    path = np.zeros(len(heard), np.int64)
    for row in range(len(heard) - 1, -1, -1):
        path[row] = at
        at -= int(came[row, at])
    return states[path].astype(np.int8), fit


def _chain(
    sounds: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """A pause, a sound of `SHORTEST` states, a pause, ...: their classes, what it costs to enter each, where
    one may stay, and which begin a sound.
    """
    states, entry = [_SILENCE], [_UNASKED_PAUSE]
    for sound in sounds:
        if sound == "sil":
            entry[-1] = 0.0  # of the pause after the last sound
        else:
            states += [VISEMES.index(sound)] * SHORTEST + [_SILENCE]
            entry += [0.0] * SHORTEST + [_UNASKED_PAUSE]
    place = np.arange(len(states)) % (SHORTEST + 1)
    return np.array(states), np.array(entry), (place == 0) | (place == SHORTEST), place == 1
