"""How a face moves: closing, opening, rounding, blinking, and what must not move along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.lite.basis import CLOSED_GAP, FaceBasis, harmonic_fill
from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.geometry import (
    FACE_OVAL,
    LOWER_LID,
    LOWER_LIP,
    UPPER_LID,
    UPPER_LIP,
    canonical_face,
)

FACE = canonical_face().vertices
BASIS = FaceBasis.from_shape(FACE)
REST = BASIS.close(FACE[None])[0]
CORNERS = [61, 291]


def motion(**values):
    row = np.zeros((1, len(CHANNELS)), np.float32)
    for name, value in values.items():
        row[0, COLUMN[name]] = value
    return row


def moved(**values):
    return BASIS.deform(REST[None], motion(**values))[0]


def gaps(face):
    return face[UPPER_LIP[3], 1] - face[LOWER_LIP[3], 1]


def opened(gap):
    """The face with its mouth open by about `gap` cm."""
    return BASIS.deform(REST[None], motion(open=gap))[0]


def test_no_motion_is_rest():
    # But for the lips, which must not cross: at rest their second rows overlap by a hair.
    np.testing.assert_allclose(moved(), REST, atol=0.02)


@pytest.mark.parametrize("gap", [0.3, 0.8, 1.5, 2.5])
def test_any_open_mouth_can_be_closed(gap):
    source = opened(gap)
    assert gaps(source).max() > 0.9 * gap
    closed = FaceBasis.from_shape(source).close(source[None])[0]
    assert gaps(closed).max() <= CLOSED_GAP + 1e-3
    # The closed shape resembles the face at rest: chin and corners came back up as well.
    assert closed[152, 1] == pytest.approx(REST[152, 1], abs=0.25 * gap)
    np.testing.assert_allclose(closed[CORNERS, 1], REST[CORNERS, 1], atol=0.03)


def test_corners_that_an_open_jaw_drew_down_are_no_smile_to_undo():
    rounded = FaceBasis.from_shape(opened(2.0)).fields[0]
    assert (rounded[CORNERS, 1] > -0.02).all()


def test_a_rounded_mouth_is_closed_to_its_usual_width():
    rounded = moved(open=0.5, wide=-1)
    widths = [face[291, 0] - face[61, 0] for face in (rounded, BASIS.close(rounded[None])[0], REST)]
    assert widths[0] < 0.8 * widths[2]
    assert widths[1] == pytest.approx(widths[2], rel=0.08)


@pytest.mark.parametrize("opening", [0.2, 0.6, 1.0, 1.8])
def test_lips_part_by_what_is_asked_for(opening):
    assert gaps(moved(open=opening)).max() - gaps(REST).max() == pytest.approx(opening, rel=0.08)


def test_speech_leaves_the_upper_face_alone():
    face = moved(open=1.8, wide=-1, press=1, tuck=1, upper=1)
    upper_face = REST[:, 1] > REST[4, 1]  # above the tip of the nose
    assert np.abs(face - REST)[upper_face].max() < 0.06


def test_the_jaw_turns_and_the_forehead_does_not():
    face = moved(open=1.5)
    assert face[152, 1] < REST[152, 1] - 0.6
    assert face[10] == pytest.approx(REST[10], abs=1e-4)


def test_rounding_narrows_and_stretching_widens():
    width = [face[291, 0] - face[61, 0] for face in (moved(wide=-1), moved(), moved(wide=1))]
    assert width[0] < 0.8 * width[1]
    assert width[2] > 1.08 * width[1]


def test_rounded_lips_are_thicker():
    thick = [face[0, 1] - face[13, 1] + face[14, 1] - face[17, 1] for face in (moved(wide=-1), moved())]
    assert thick[0] > 1.08 * thick[1]


@given(
    st.floats(0, 3), st.floats(-1.5, 1.5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1)
)
def test_lips_never_pass_through_each_other(opening, wide, press, tuck, upper, smile):
    face = moved(open=opening, wide=wide, press=press, tuck=tuck, upper=upper, smile=smile)
    assert (gaps(face) > -1e-4).all()
    assert np.isfinite(face).all()


@pytest.mark.parametrize(("name", "side"), [("blink_left", 0), ("blink_right", 1)])
def test_each_eye_closes_on_its_own(name, side):
    face = moved(**{name: 1.0})
    opening = (face[UPPER_LID, 1] - face[LOWER_LID, 1]).max(axis=1)
    before = (REST[UPPER_LID, 1] - REST[LOWER_LID, 1]).max(axis=1)
    assert opening[side] < 0.05 * before[side]
    assert opening[1 - side] == pytest.approx(before[1 - side], abs=1e-5)


def test_half_a_blink_is_half_closed():
    faces = moved(blink_left=0.5, blink_right=0.5), REST
    half, full = ((face[UPPER_LID, 1] - face[LOWER_LID, 1]).mean() for face in faces)
    assert half == pytest.approx(0.5 * full, rel=0.05)


def test_brows_rise_without_the_outline():
    face = moved(brow=1)
    assert face[105, 1] > REST[105, 1] + 0.2
    np.testing.assert_allclose(face[FACE_OVAL], REST[FACE_OVAL], atol=1e-5)


def test_an_open_mouth_makes_no_crease_in_the_skin():
    triangles = canonical_face().triangles
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = edges[~np.isin(edges, np.concatenate([UPPER_LIP, LOWER_LIP])).any(axis=1)]
    change = (moved(open=1) - REST)[:, :2]
    strain = np.linalg.norm(change[edges[:, 0]] - change[edges[:, 1]], axis=1)
    strain /= np.linalg.norm(REST[edges[:, 0]] - REST[edges[:, 1]], axis=1)
    assert strain.max() < 0.5
    assert 0 <= BASIS.jaw.min() <= BASIS.jaw.max() <= 1 + 1e-5


@given(st.integers(0, 2**31))
def test_a_harmonic_fill_stays_between_its_borders(seed):
    rng = np.random.default_rng(seed)
    values = np.full(468, np.nan, np.float32)
    known = rng.choice(468, 60, replace=False)
    values[known] = rng.uniform(-1, 1, 60)
    filled = harmonic_fill(values)
    np.testing.assert_array_equal(filled[known], values[known])
    assert filled.min() >= values[known].min() - 1e-4
    assert filled.max() <= values[known].max() + 1e-4


def test_a_batch_is_as_its_rows():
    rows = np.concatenate([motion(open=1), motion(wide=-1, blink_left=0.4), motion()])
    batch = BASIS.deform(np.repeat(REST[None], 3, axis=0), rows)
    for row in range(3):
        np.testing.assert_allclose(BASIS.deform(REST[None], rows[row : row + 1])[0], batch[row], atol=1e-5)
