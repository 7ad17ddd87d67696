"""The face's own centimetres, and what moves around the face."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.lite import geometry
from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.geometry import canonical_face, place
from ditto_core.lite.surround import LAST_RING, Surround, head_motion, rings, surround_triangles, turn


def seen(yaw=0.0, pitch=0.0, roll=0.0, scale=20.0, centre=(300.0, 200.0)):
    """Landmarks (1, 478, 3) in pixels of the canonical face, turned by degrees."""
    motion = np.zeros((1, len(CHANNELS)), np.float32)
    motion[0, [COLUMN["yaw"], COLUMN["pitch"], COLUMN["roll"]]] = yaw, pitch, roll
    points = canonical_face().vertices @ head_motion(motion)[0][0].T
    landmarks = np.zeros((1, 478, 3), np.float32)
    landmarks[0, :468] = points * (scale, -scale, -scale) + (*centre, 0)
    return landmarks


angles = st.floats(-50, 50)


@given(angles, angles, st.floats(-170, 170), st.floats(1, 100))
def test_a_turned_face_is_placed_on_the_canonical_one(yaw, pitch, roll, scale):
    landmarks = seen(yaw, pitch, roll, scale)
    placement = place(landmarks)
    assert placement.to_cm(landmarks[:, :468])[0] == pytest.approx(canonical_face().vertices, abs=2e-3)
    assert placement.cm_per_px()[0] == pytest.approx(1 / scale, rel=1e-3)
    assert placement.head_angles()[0] == pytest.approx([yaw, pitch, roll], abs=0.1)


def test_pixels_come_back_from_centimetres():
    landmarks = np.concatenate([seen(yaw=20, roll=70), seen(scale=3)])
    placement = place(landmarks)
    back = placement.to_px(placement.to_cm(landmarks[:, :468]))
    assert back == pytest.approx(landmarks[:, :468], abs=1e-2)


def test_no_triangle_closes_the_mouth_opening():
    opening = set(geometry.UPPER_LIP[3]) | set(geometry.LOWER_LIP[3])
    assert all(not set(triangle) <= opening for triangle in canonical_face().triangles.tolist())
    assert canonical_face().is_eye.sum() == 28


@pytest.mark.parametrize(
    "name", ["UPPER_LIP", "LOWER_LIP", "UPPER_LID", "LOWER_LID", "LID_CREASE", "BELOW_LID", "ABOVE_CREASE"]
)
def test_rows_run_from_left_to_right(name):
    assert (np.diff(canonical_face().vertices[getattr(geometry, name), 0], axis=1) > 0).all()


def test_lid_rows_lie_above_each_other():
    y = canonical_face().vertices[:, 1]
    order = ["BELOW_LID", "LOWER_LID", "UPPER_LID", "LID_CREASE", "ABOVE_CREASE"]
    heights = [y[getattr(geometry, name)][:, 2:5] for name in order]
    assert all((below < above).all() for below, above in itertools.pairwise(heights))


def test_the_surround_encloses_the_face_and_its_last_ring_never_moves():
    face = canonical_face().vertices[None]
    motion = np.zeros((2, len(CHANNELS)), np.float32)
    motion[1, [COLUMN["yaw"], COLUMN["pitch"], COLUMN["tx"]]] = 5, 5, 0.3
    faces = np.repeat(face, 2, axis=0)
    posed = Surround(face[0]).pose(faces, faces, motion)
    assert posed.shape == (2, 468 + 216, 3)
    assert np.abs(posed[1, :468] - posed[0, :468]).max() > 0.3
    np.testing.assert_allclose(posed[1, LAST_RING], posed[0, LAST_RING], atol=1e-5)
    np.testing.assert_allclose(posed[0, 468:], rings(face)[0], atol=1e-5)


def test_surround_triangles_join_oval_and_rings_without_gaps():
    triangles = surround_triangles()
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert set(uses) == {1, 2}
    assert (uses == 1).sum() == 2 * len(geometry.FACE_OVAL)  # the oval and the last ring are the borders


def test_turning_keeps_distances():
    motion = np.zeros((1, len(CHANNELS)), np.float32)
    motion[0, [COLUMN["yaw"], COLUMN["roll"]]] = 4, -3
    points = canonical_face().vertices[None]
    turned = turn(points, *head_motion(motion))
    before = np.linalg.norm(points[0, 10] - points[0, 152])
    assert np.linalg.norm(turned[0, 10] - turned[0, 152]) == pytest.approx(before, rel=1e-5)
