"""What the user is told of the frames in which the face was not seen."""

from __future__ import annotations

import numpy as np

from ditto_core.face.seen import Seen


def test_frames_that_show_something_else_are_not_said_to_be_bridged() -> None:
    found = np.array([True, False, False, False, True, False])
    bridged, absent = Seen(found, absent=(2, 3)).remarks()
    assert bridged.startswith("No face was found in 2 of 6 frames (first: 1)")
    assert absent.startswith("Something else is seen instead of the face in 2 of 6 frames (first: 2)")
    (absent,) = Seen(found, absent=(1, 2, 3, 5)).remarks()
    assert "stay as they are" in absent
