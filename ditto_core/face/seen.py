"""In which frames of a source a face was seen, and what follows from that for the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .region import Points


@dataclass(frozen=True, eq=False)
class Seen:
    """In which of S frames the face was seen.

    found: (S,); jumps: the frames where it was picked up at another place, after a cut or an absence; absent:
    those not found that show something else where the face was last; faces: how many there were when nobody
    said which one is meant.
    """

    found: NDArray[np.bool_]
    jumps: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    faces: int = 1

    @property
    def bridged(self) -> tuple[int, ...]:
        """The frames that show no face."""
        return tuple(np.flatnonzero(~self.found).tolist())

    @property
    def shots(self) -> list[slice]:
        """The frames between one jump and the next."""
        return [slice(start, stop) for start, stop in pairwise((0, *self.jumps, len(self.found)))]

    def bridge(self, values: Points) -> None:
        """Fill the rows (S, …) of frames without a face in place: on a line between the neighbours, or like
        the only neighbour.

        Across a jump there is no line to follow: such frames take the nearer neighbour.
        """
        known, missing = np.flatnonzero(self.found), np.flatnonzero(~self.found)
        place = np.searchsorted(known, missing)
        left, right = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
        share = (missing - left) / np.maximum(right - left, 1)
        share = np.where(np.isin(right, self.jumps), np.round(share), share)
        share = np.where(place == 0, 1.0, np.where(place == len(known), 0.0, share))
        for index, a, b, t in zip(missing, left, right, share, strict=True):
            values[index] = (1 - t) * values[a] + t * values[b]

    def remarks(self) -> tuple[str, ...]:
        """What the user should know of it."""
        told: list[str] = []
        if self.faces > 1:
            told.append(
                f"There are {self.faces} faces and the largest one speaks; face in Ditto Load Avatar, or "
                "--face, chooses another one."
            )
        if unseen := sorted({*self.bridged} - {*self.absent}):
            told.append(
                f"No face was found in {len(unseen)} of {len(self.found)} frames (first: {unseen[0]}); its "
                "place and motion there are taken from the neighbouring frames."
            )
        if self.absent:
            told.append(
                f"Something else is seen instead of the face in {len(self.absent)} of {len(self.found)} "
                f"frames (first: {self.absent[0]}), which stay as they are."
            )
        if self.jumps:
            told.append(
                f"At frame {self.jumps[0]} of the video the face is somewhere else, as after a cut; the face "
                "nearest to its last place is taken for the same person."
            )
        return tuple(told)
