"""The mouth's interior: where it is painted, what shows when, and that scale and rotation do not matter."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ditto_core.errors import InputError
from ditto_core.lite.geometry import LOWER_LIP, UPPER_LIP, canonical_face
from ditto_core.lite.mouth import paint_mouth
from ditto_core.lite.mouth_look import MouthLook

SKIN, LIP = (205, 160, 135), (170, 85, 85)
SCALE = 30.0  # px per cm
CENTRE = (120.0, 70.0)
JAW_SHARE = 0.66


def landmarks_of_a_drawn_face(scale=20.0, size=512):
    """The canonical face, upright in the middle of a picture: (478, 3) px."""
    points = np.zeros((478, 3), np.float32)
    points[:468] = canonical_face().vertices * (scale, -scale, -scale)
    points[:, :2] += size / 2
    return points


def drawn_face(scale=20.0, size=512, skin=SKIN, lip=LIP, eye=(30, 20, 20)):
    """A flat face with flat lips, eyes and some texture: uint8 (size, size, 3) and its landmarks."""
    points = landmarks_of_a_drawn_face(scale, size)
    picture = np.full((size, size, 3), skin, np.uint8)
    for rows in (UPPER_LIP, LOWER_LIP):
        ring = np.concatenate([rows[0], rows[3, ::-1]])
        cv2.fillPoly(picture, [np.round(points[ring, :2]).astype(np.int32)], lip)
    for pupil in (159, 386):
        x, y = points[pupil, :2]
        cv2.circle(picture, (round(float(x)), round(float(y))), max(int(0.6 * scale), 1), eye, -1)
    return picture, points


@pytest.fixture(scope="module")
def look():
    return MouthLook.from_picture(*drawn_face())


def mouth(gap, scale=SCALE, centre=CENTRE, width=4.4):
    """Lip rows (11,2) px of a mouth open by `gap` cm, and the mouth plane's affine (2,3)."""
    u = np.linspace(-1, 1, 11)
    x, y = u * width / 2, 1 - np.abs(u) ** 2.2
    plane = np.array([[scale, 0, centre[0]], [0, -scale, centre[1]]])
    rows = (np.stack([x, 0.18 * gap * y], 1), np.stack([x, -0.82 * gap * y], 1))
    return (*(row @ plane[:, :2].T + plane[:, 2] for row in rows), plane)


def painted(look, gap, canvas=None, **how):
    image = np.full((140, 240, 3), LIP, np.uint8) if canvas is None else canvas
    upper, lower, plane = mouth(gap, **how)
    paint_mouth(image, look, upper, lower, plane, gap, 0.0)
    return image


def light(image):
    return image.astype(float) @ (0.299, 0.587, 0.114)


def changed(image):
    return (image != LIP).any(-1)


@pytest.mark.parametrize("gap", [0.1, 0.5, 1.8])
def test_paints_nothing_outside_the_lips(look, gap):
    image = painted(look, gap)
    upper, lower, _ = mouth(gap)
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(np.concatenate([upper, lower[::-1]])).astype(np.int32)], 1)
    softened = cv2.dilate(inside, np.ones((11, 11), np.uint8))  # the edge is blurred over 0.1 cm
    assert changed(image)[inside > 0].mean() > 0.8
    assert not changed(image)[softened == 0].any()


@pytest.mark.parametrize("gap", [0.0, 0.039, -0.5])
def test_closed_lips_stay_as_they_are(look, gap):
    assert not changed(painted(look, gap)).any()


def test_a_wider_opening_shows_more(look):
    sizes = [changed(painted(look, gap)).sum() for gap in (0.05, 0.2, 0.5, 1.0, 1.8)]
    assert sizes == sorted(set(sizes))


def test_a_narrow_opening_is_dark_and_a_speaking_one_shows_teeth(look):
    row = int(CENTRE[1])
    narrow = light(painted(look, 0.12))[row - 8 : row + 8, 100:140]
    speaking = light(painted(look, 0.8))[row - 8 : row + 16, 100:140]
    assert narrow.min() < 75  # the line between the lips
    assert narrow.max() <= light(np.array(LIP)) + 1  # nothing brighter than the lips
    assert speaking.max() > 150


def test_upper_teeth_stay_with_the_skull_when_the_jaw_drops(look):
    upper, lower, plane = mouth(1.6)
    images = []
    for opening in (1.0, 1.7):
        image = np.full((140, 240, 3), LIP, np.uint8)
        paint_mouth(image, look, upper, lower, plane, opening, 0.0)
        images.append(light(image))
    teeth = np.s_[int(CENTRE[1]) - 8 : int(CENTRE[1]) + 4, 80:160]
    below = np.s_[int(CENTRE[1]) + 12 : int(CENTRE[1]) + 36, 80:160]
    assert np.abs(images[0][teeth] - images[1][teeth]).max() <= 1
    assert np.abs(images[0][below] - images[1][below]).max() > 20  # lower teeth and tongue went down


def test_the_tongue_rises(look):
    upper, lower, plane = mouth(1.6)
    images = []
    for lift in (0.0, 0.4):
        image = np.full((140, 240, 3), LIP, np.uint8)
        paint_mouth(image, look, upper, lower, plane, 1.6, lift)
        images.append(light(image))
    assert images[1][80:100, 100:140].mean() > images[0][80:100, 100:140].mean() + 3


def test_rounded_lips_show_darker_teeth(look):
    row = np.s_[70:76, 110:130]
    assert light(painted(look, 0.6, width=3.4))[row].max() < 0.75 * light(painted(look, 0.6))[row].max()


def test_corners_are_darker_than_the_middle(look):
    image = light(painted(look, 1.2))
    assert image[70:74, 66:74].max() < 0.6 * image[70:74, 110:130].max()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotated_plane_is_a_rotated_picture(look, turns):
    centre = (120.0, 120.0)
    canvas = np.full((241, 241, 3), LIP, np.uint8)
    upright = painted(look, 1.0, canvas.copy(), centre=centre)
    upper, lower, plane = mouth(1.0, centre=centre)
    angle = np.radians(-90 * turns)  # np.rot90 turns counter-clockwise, image y is down
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rotated = canvas.copy()
    turned = [(row - centre) @ turn.T + centre for row in (upper, lower)]
    plane = np.column_stack([turn @ plane[:, :2], centre])
    paint_mouth(rotated, look, *turned, plane, 1.0, 0.0)
    difference = np.abs(rotated.astype(int) - np.rot90(upright, turns).astype(int))
    assert difference.max() <= 12
    assert difference.mean() < 0.05


def test_a_tiny_mouth_is_the_large_one_seen_from_afar(look):
    factor = 8
    large = painted(look, 1.0, np.full((160, 240, 3), LIP, np.uint8), scale=32.0, centre=(119.5, 79.5))
    tiny = painted(look, 1.0, np.full((20, 30, 3), LIP, np.uint8), scale=4.0, centre=(14.5, 9.5))
    expected = cv2.resize(large, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    assert changed(tiny).sum() > 20
    assert np.abs(light(tiny) - light(expected)).max() < 30
    assert np.abs(light(tiny) - light(expected)).mean() < 3


@pytest.mark.parametrize("centre", [(-400.0, 70.0), (900.0, 70.0), (120.0, -300.0), (120.0, 500.0)])
def test_a_mouth_outside_the_image_changes_nothing(look, centre):
    assert not changed(painted(look, 1.0, centre=centre)).any()


@pytest.mark.parametrize("shift", [(-120, 0), (110, 0), (0, -75), (0, 65)])
def test_a_mouth_across_the_border_is_cut_there(look, shift):
    centre = (CENTRE[0] + shift[0], CENTRE[1] + shift[1])
    margin = 200
    roomy = np.full((140 + 2 * margin, 240 + 2 * margin, 3), LIP, np.uint8)
    painted(look, 1.4, roomy, centre=(centre[0] + margin, centre[1] + margin))
    cut = painted(look, 1.4, centre=centre)
    assert changed(cut).any()
    difference = np.abs(cut.astype(int) - roomy[margin:-margin, margin:-margin].astype(int))
    # Only the blur of the edge may notice the border.
    assert difference[5:-5, 5:-5].max() <= 1


def test_a_strided_view_is_painted_in_place(look):
    expected = painted(look, 1.0)
    wide = np.full((140, 480, 3), LIP, np.uint8)
    painted(look, 1.0, wide[:, ::2])
    assert np.array_equal(wide[:, ::2], expected)
    assert not changed(wide[:, 1::2]).any()


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.5, 150),
    angle=st.floats(-180, 180),
    squeeze=st.floats(0.05, 1),
    centre=st.tuples(st.floats(-200, 264), st.floats(-200, 264)),
    gap=st.floats(-1, 4),
)
def test_any_pose_is_painted_between_the_lips_only(look, scale, angle, squeeze, centre, gap):
    upper, lower, plane = mouth(gap, scale=scale, centre=(0.0, 0.0))
    turn = np.radians(angle)
    pose = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([squeeze, 1])
    upper, lower = upper @ pose.T + centre, lower @ pose.T + centre
    image = np.full((64, 64, 3), LIP, np.uint8)
    paint_mouth(image, look, upper, lower, np.column_stack([pose @ plane[:, :2], centre]), gap, 0.0)
    row, column = np.nonzero(changed(image))
    if len(row):
        assert gap >= 0.03
        points = np.concatenate([upper, lower])
        reach = 3 + 0.3 * scale
        assert column.min() >= points[:, 0].min() - reach
        assert column.max() <= points[:, 0].max() + reach
        assert row.min() >= points[:, 1].min() - reach
        assert row.max() <= points[:, 1].max() + reach


def test_the_same_frame_twice_is_the_same_picture(look):
    again = MouthLook.from_picture(*drawn_face())
    assert np.array_equal(painted(look, 0.9), painted(again, 0.9))


def test_grain_follows_the_photo_and_stands_still_in_the_mouth():
    picture, points = drawn_face()
    noise = np.random.default_rng(1).normal(0, 9, picture.shape[:2])[:, :, None]
    grainy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    look, calm = MouthLook.from_picture(grainy, points), MouthLook.from_picture(picture, points)
    assert look.grain.std() > 3
    assert calm.grain.std() < 0.5
    first = painted(look, 1.2)
    moved = painted(look, 1.2, centre=(CENTRE[0] + 7, CENTRE[1] + 4))
    assert np.array_equal(first[40:110, 40:200], moved[44:114, 47:207])


def test_a_blurred_photo_gets_a_blurred_interior():
    picture, points = drawn_face()
    soft = cv2.GaussianBlur(picture, (0, 0), 3)
    strength = [
        np.abs(
            np.diff(light(painted(MouthLook.from_picture(photo, points), 1.2))[68:76, 90:150], axis=1)
        ).mean()
        for photo in (picture, soft)
    ]
    assert strength[1] < 0.8 * strength[0]


def test_a_grey_photo_gets_a_grey_interior():
    picture, points = drawn_face(skin=(150, 150, 150), lip=(95, 95, 95), eye=(20, 20, 20))
    look = MouthLook.from_picture(picture, points)
    canvas = np.full((140, 240, 3), 95, np.uint8)
    image = painted(look, 1.4, canvas)
    assert (image.max(-1).astype(int) - image.min(-1)).max() <= 1


def test_a_dark_photo_gets_dark_teeth():
    bright = painted(MouthLook.from_picture(*drawn_face()), 1.0)
    dim = painted(MouthLook.from_picture(*drawn_face(skin=(70, 52, 44), lip=(52, 26, 26))), 1.0)
    row = np.s_[68:76, 100:140]
    assert light(dim)[row].max() < 0.6 * light(bright)[row].max()


def opened(picture, points, scale=20.0, inside=(60, 20, 20)):
    """The drawn face with its lips 1 cm apart and nothing between them but a dark red."""
    points = points.copy()
    bend = 1 - np.linspace(-1, 1, 11) ** 2
    for depth, rows in enumerate(UPPER_LIP):
        points[rows, 1] -= 0.25 * scale * bend * (depth / 3)
    for depth, rows in enumerate(LOWER_LIP):
        points[rows, 1] += 0.75 * scale * bend * (depth / 3)
    ring = np.concatenate([points[UPPER_LIP[3], :2], points[LOWER_LIP[3, ::-1], :2]])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], 1)
    picture = picture.copy()
    picture[mask > 0] = inside
    return picture, points, mask > 0


def draw_teeth(picture, points, mask, colour, scale=20.0):
    """The upper 0.5 cm of the opening in one colour, with dark gaps half a cm apart."""
    rows, columns = np.nonzero(mask)
    top = points[UPPER_LIP[3, 5], 1] + 0.5 * scale
    shown = rows < top
    gap = (columns[shown] - round(float(points[13, 0]))) % round(0.5 * scale) == 0
    picture[rows[shown], columns[shown]] = np.where(gap[:, None], np.array(colour) // 2, colour)


def test_the_photos_own_teeth_are_shown_again():
    picture, points, mask = opened(*drawn_face())
    draw_teeth(picture, points, mask, (214, 220, 190))  # greener than ivory ever is
    image = painted(MouthLook.from_picture(picture, points), 1.0)
    teeth = image[70:74, 100:140].astype(int)
    bright = teeth[light(teeth) > 100]
    assert len(bright) > 50
    assert (bright[:, 1] - bright[:, 0]).mean() > 1
    dips = np.diff(np.sign(np.diff(light(teeth).mean(0)))) > 0
    assert dips.sum() >= 2  # its gaps too


@pytest.mark.parametrize("inside", [(60, 20, 20), (225, 130, 130)])
def test_an_open_mouth_without_teeth_gets_drawn_ones(inside):
    picture, points, _ = opened(*drawn_face(), inside=inside)
    image = painted(MouthLook.from_picture(picture, points), 1.0)
    teeth = image[70:74, 105:135].reshape(-1, 3).astype(int)
    brightest = teeth[light(teeth) > np.quantile(light(teeth), 0.8)].mean(0)
    assert light(brightest) > 120
    assert brightest[0] < 1.25 * brightest[1]


def test_light_from_one_side_falls_on_the_same_side_of_the_teeth():
    picture, points = drawn_face()
    ramp = np.linspace(0.6, 1.2, picture.shape[1])[None, :, None]
    look = MouthLook.from_picture(np.clip(picture * ramp, 0, 255).astype(np.uint8), points)
    image = light(painted(look, 1.0))[64:74]
    assert image[:, 125:150].mean() > 1.03 * image[:, 90:115].mean()


def test_works_when_half_the_face_is_outside_the_picture():
    picture, points = drawn_face()
    look = MouthLook.from_picture(picture[:, 250:].copy(), points - (250, 0, 0))
    assert changed(painted(look, 1.0)).any()


def test_a_face_of_a_few_pixels_is_refused():
    points = landmarks_of_a_drawn_face(scale=0.2)
    with pytest.raises(InputError, match="too small"):
        MouthLook.from_picture(np.zeros((512, 512, 3), np.uint8), points)


def test_a_mouth_seen_edge_on_changes_nothing(look):
    upper, lower, plane = mouth(1.0)
    plane[:, 0] = 0
    image = np.full((140, 240, 3), LIP, np.uint8)
    paint_mouth(image, look, upper, lower, plane, 1.0, 0.0)
    assert not changed(image).any()
