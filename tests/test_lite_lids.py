"""The painted upper lid: lit like the skin around it, soft at its ends, with lashes at its edge."""

from __future__ import annotations

import numpy as np
import pytest

from ditto_core.lite.geometry import EYE_CORNERS, LOWER_LID, UPPER_LID, canonical_face
from ditto_core.lite.lids import LidLook, paint_lid

SCALE, SIZE = 40.0, 700
SHADED, LIT, LASHES = (120, 70, 50), (220, 170, 140), (20, 15, 15)


def face():
    """An upright canonical face (478, 3) in pixels, and a picture: made-up above the eyes, lit below them."""
    points = np.zeros((478, 3), np.float32)
    points[:468] = canonical_face().vertices * (SCALE, -SCALE, -SCALE)
    points[:, :2] += SIZE / 2
    picture = np.full((SIZE, SIZE, 3), LIT, np.uint8)
    picture[: int(points[LOWER_LID, 1].max()) - 4] = SHADED
    for lid in points[UPPER_LID].reshape(-1, 3):
        picture[int(lid[1]) - 3 : int(lid[1]) + 4, int(lid[0]) - 3 : int(lid[0]) + 4] = LASHES
    return points, picture


def closed(points):
    """The vertices (468, 2) with both lids down."""
    moved = points[:468, :2].copy()
    moved[UPPER_LID] = moved[LOWER_LID]
    return moved


@pytest.fixture(scope="module")
def painted():
    """Light (height, width) of a grey picture on which both lids were painted, and the vertices."""
    points, picture = face()
    look, vertices = LidLook.from_picture(picture, points), closed(points)
    image = np.full((SIZE, SIZE, 3), 60, np.uint8)
    for side in range(2):
        paint_lid(image, look, side, vertices, 1.0)
    return image.astype(float).mean(axis=2), vertices


def along_lid(painted, side, share):
    """The brightest light in the column at `share` of the way between the corners, from the image-left."""
    light, vertices = painted
    left, right = vertices[EYE_CORNERS[side]]
    x, y = left + share * (right - left)
    return light[int(y) - 40 : int(y) + 20, round(float(x))].max()


@pytest.mark.parametrize("side", [0, 1])
def test_a_lid_bulges_into_the_light(painted, side):
    ends = [along_lid(painted, side, share) for share in (0.25, 0.75)]
    assert along_lid(painted, side, 0.5) > max(ends) + 4
    assert np.mean(SHADED) < along_lid(painted, side, 0.5) < np.mean(LIT)


@pytest.mark.parametrize(("side", "outer", "inner"), [(0, 0.1, 0.9), (1, 0.9, 0.1)])
def test_the_outer_end_is_the_softer_one(painted, side, outer, inner):
    assert 60 <= along_lid(painted, side, outer) < along_lid(painted, side, inner)


@pytest.mark.parametrize("side", [0, 1])
def test_lashes_line_the_edge(painted, side):
    light, vertices = painted
    x, y = vertices[UPPER_LID[side, 3]]
    edge = light[int(y) - 4 : int(y) + 3, round(float(x))].min()
    assert edge < 0.7 * along_lid(painted, side, 0.5)


def test_an_open_eye_is_not_painted():
    points, picture = face()
    image = picture.copy()
    paint_lid(image, LidLook.from_picture(picture, points), 0, points[:468, :2], 0.0)
    np.testing.assert_array_equal(image, picture)
