"""What the picture says of the lips: openings that the landmarks missed, and things in front of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ditto_core.lite.geometry import LIPS, LOWER_LIP, UPPER_LIP, canonical_face
from ditto_core.lite.lip_border import part_at_darkness
from ditto_core.lite.lip_watch import LipWatch

SCALE, SIZE = 20.0, 512
LIP, SKIN = (180, 90, 90), (205, 160, 135)


def landmarks_with_gap(gap):
    """An upright canonical face (478, 3) in pixels whose lips are `gap` cm apart."""
    points = np.zeros((478, 3), np.float32)
    points[:468] = canonical_face().vertices * (SCALE, -SCALE, -SCALE)
    points[:, :2] += SIZE / 2
    seam = (points[UPPER_LIP[3]] + points[LOWER_LIP[3]]) / 2
    bend = (1 - np.linspace(-1, 1, 11) ** 2)[:, None] * (0, gap / 2 * SCALE, 0)
    points[UPPER_LIP[3]], points[LOWER_LIP[3]] = seam - bend, seam + bend
    return points


def face_with_dark(height, landmarks, colour=(35, 15, 15), lip=LIP):
    """Flat lips with a dark ellipse of `height` cm on their seam."""
    picture = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    outline = np.concatenate([UPPER_LIP[0], LOWER_LIP[0, ::-1]])
    cv2.fillPoly(picture, [np.round(landmarks[outline, :2]).astype(np.int32)], lip)
    centre = landmarks[[13, 14], :2].mean(axis=0)
    if height:
        axes = (round(1.2 * SCALE), round(height / 2 * SCALE))
        cv2.ellipse(picture, [round(float(x)) for x in centre], axes, 0, 0, 360, colour, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def middle_gap(points):
    return float(points[14, 1] - points[13, 1]) / SCALE


def test_a_dark_opening_that_the_landmarks_missed_is_found():
    closed = landmarks_with_gap(0.03)
    found = part_at_darkness(face_with_dark(0.45, closed), closed)
    assert middle_gap(found) == pytest.approx(0.45, abs=0.2)
    middle = slice(2, 9)
    assert (found[UPPER_LIP[2, middle], 1] < found[UPPER_LIP[3, middle], 1]).all()
    assert (found[LOWER_LIP[2, middle], 1] > found[LOWER_LIP[3, middle], 1]).all()
    np.testing.assert_array_equal(found[UPPER_LIP[:, [0, -1]]], closed[UPPER_LIP[:, [0, -1]]])
    others = np.setdiff1d(np.arange(478), LIPS)
    np.testing.assert_array_equal(found[others], closed[others])


@pytest.mark.parametrize(
    ("gap", "dark", "colour"),
    [
        pytest.param(0.03, 0.0, (0, 0, 0), id="closed lips"),
        pytest.param(0.03, 0.08, (35, 15, 15), id="a dark seam"),
        pytest.param(0.03, 0.45, (150, 80, 80), id="shade on the lips"),
        pytest.param(0.03, 4.0, (35, 15, 15), id="a moustache or a hand in front"),
        pytest.param(0.7, 1.1, (35, 15, 15), id="a mouth that is clearly open"),
    ],
)
def test_anything_else_leaves_the_landmarks_alone(gap, dark, colour):
    landmarks = landmarks_with_gap(gap)
    found = part_at_darkness(face_with_dark(dark, landmarks, colour), landmarks)
    assert np.abs(found - landmarks).max() < 0.05 * SCALE


def test_black_pictures_and_lips_outside_the_picture_change_nothing():
    closed = landmarks_with_gap(0.03)
    assert np.array_equal(part_at_darkness(np.zeros((SIZE, SIZE, 3), np.uint8), closed), closed)
    outside = closed + np.array([4000, 0, 0])
    assert np.isfinite(part_at_darkness(face_with_dark(0.45, closed), outside.astype(np.float32))).all()


def hidden_lips(*pictures, landmarks, bridged=()):
    watch = LipWatch()
    for picture in pictures:
        watch(picture, landmarks)
    found = np.ones(len(pictures) + len(bridged), bool)
    found[list(bridged)] = False
    return watch.hidden(found)


@pytest.mark.parametrize("thing", [(25, 25, 28), (205, 160, 135), (210, 150, 130)])
def test_something_in_front_of_the_lips_is_seen(thing):
    landmarks = landmarks_with_gap(0.03)
    free, covered = face_with_dark(0, landmarks), face_with_dark(4.0, landmarks, thing)
    cv2.circle(covered, [256, 340], 60, thing, -1)
    pictures = [free] * 5 + [covered] * 4 + [free] * 5
    assert hidden_lips(*pictures, landmarks=landmarks) == (4, 5, 6, 7, 8, 9)
    # Frames without a face count as frames.
    assert hidden_lips(*pictures, landmarks=landmarks, bridged=(0, 1)) == (6, 7, 8, 9, 10, 11)
    # A single frame may be blurred.
    assert hidden_lips(*[free] * 5, covered, *[free] * 5, landmarks=landmarks) == ()


def test_open_mouths_and_pale_lips_hide_nothing():
    landmarks = landmarks_with_gap(0.7)
    closed, open_mouth = face_with_dark(0, landmarks), face_with_dark(0.9, landmarks)
    assert hidden_lips(*[closed] * 5, *[open_mouth] * 5, landmarks=landmarks) == ()
    pale = face_with_dark(0, landmarks, lip=SKIN)
    assert hidden_lips(*[pale] * 5, *[closed] * 5, *[pale] * 5, landmarks=landmarks) == ()
    assert hidden_lips(closed, landmarks=landmarks) == ()
