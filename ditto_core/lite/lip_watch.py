"""Watches the lips while a video is tracked: corrects their landmarks and sees when something hides them.

The mesh sees a mouth behind a hand or a microphone as well; a mouth painted on a hand is worse than none that
speaks. Lips that are redder than their surroundings tell: what hides them is not. Where the lips are as pale
as the skin, nothing can be told.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.region import Picture
from .geometry import LOWER_LIP, UPPER_LIP, Floats
from .lip_border import part_at_darkness, redness
from .mouth_photo import LEFT_CHEEK, RIGHT_CHEEK

CHEEKS = (*LEFT_CHEEK, *RIGHT_CHEEK, 101, 330)
# The redder part of the lips is usually so much redder than the cheeks (a* of CIE Lab), or nothing is told;
# hidden lips show less than this share of it for three frames on end.
LEAST_CONTRAST = 8.0
HIDDEN_SHARE = 0.35


class LipWatch:
    """Called with the landmarks found in every frame of a source; see `face.track.track`."""

    def __init__(self) -> None:
        self._contrasts: list[float] = []

    def __call__(self, picture: Picture, landmarks: Floats) -> Floats:
        """The corrected landmarks (478, 3)."""
        self._contrasts.append(_lip_contrast(picture, landmarks))
        return part_at_darkness(picture, landmarks)

    def hidden(self, found: NDArray[np.bool_]) -> tuple[int, ...]:
        """The frames in which something hides the lips. found: (S,) which showed a face."""
        contrasts = np.full(len(found), np.inf)
        contrasts[found] = self._contrasts
        usual = float(np.median(self._contrasts))
        if usual < LEAST_CONTRAST:
            return ()
        flags = (contrasts < HIDDEN_SHARE * usual).astype(np.uint8)[None]
        three = np.ones((1, 3), np.uint8)
        lasting = cv2.morphologyEx(flags, cv2.MORPH_OPEN, three)
        # The frames beside them show the lips half hidden.
        return tuple(np.flatnonzero(cv2.dilate(lasting, three)[0]).tolist())


def _lip_contrast(picture: Picture, landmarks: Floats) -> float:
    """How much redder the redder part of the lips is than the cheeks, in a* of CIE Lab."""
    points = landmarks[:, :2]
    lips = [points[lip[2, 2:9]] for lip in (UPPER_LIP, LOWER_LIP)]
    lips += [(points[lip[0, 2:9]] + points[lip[2, 2:9]]) / 2 for lip in (UPPER_LIP, LOWER_LIP)]
    red = redness(picture, np.concatenate([*lips, points[list(CHEEKS)]]))
    lips_red = np.sort(red[: -len(CHEEKS)])
    return float(np.median(lips_red[len(lips_red) // 2 :])) - float(np.median(red[-len(CHEEKS) :]))
