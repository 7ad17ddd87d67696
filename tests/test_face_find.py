"""Detection and landmarks on the bundled portrait: alone, small, turned, twice; pictures without a face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import ditto_core
from ditto_core.errors import FaceNotFoundError, InputError
from ditto_core.face.detect import ANCHORS, decode, merge
from ditto_core.face.find import Face, FaceFinder, choose
from ditto_core.face.mesh import landmark_region
from ditto_core.face.region import Picture, Points, Region, apply_affine, rotation
from ditto_core.face.topology import (
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    OUTER_EYE_CORNERS,
    OVAL,
    REFINED_LEFT_EYE,
    REFINED_LIPS,
    REFINED_RIGHT_EYE,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from ditto_core.options import FaceChoice

ASTRONAUT = Path(ditto_core.__file__).parent / "assets" / "astronaut.png"


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.default()


@pytest.fixture(scope="module")
def astronaut() -> Picture:
    return cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def known(finder: FaceFinder, astronaut: Picture) -> Points:
    return finder.find(astronaut).landmarks


def placed(picture: Picture, affine: np.ndarray, width: int, height: int) -> Picture:
    """The picture moved by a similarity onto a grey canvas, filtered when it shrinks."""
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.5 / scale) if scale < 0.9 else picture
    return cv2.warpAffine(blurred, affine, (width, height), flags=cv2.INTER_LINEAR, borderValue=(90, 90, 90))


def similarity(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    """Scales and turns about the portrait's face, which comes to lie at (x, y)."""
    linear = scale * rotation(np.radians(degrees)).astype(np.float64)
    return np.column_stack([linear, np.array([x, y]) - linear @ np.array([225.0, 124.0])])


def error(face: Face, expected: Points) -> float:
    """Mean distance of the landmarks relative to the distance of the outer eye corners."""
    eyes = expected[OUTER_EYE_CORNERS[1], :2] - expected[OUTER_EYE_CORNERS[0], :2]
    distance = np.linalg.norm(face.landmarks[:, :2] - expected[:, :2], axis=1).mean()
    return float(distance / np.linalg.norm(eyes))


def test_landmarks_sit_where_they_belong(known: Points) -> None:
    points = known[:, :2]
    left, right = points[list(LEFT_EYE)].mean(0), points[list(RIGHT_EYE)].mean(0)
    assert left == pytest.approx([206, 103], abs=4)
    assert right == pytest.approx([249, 107], abs=4)
    assert points[13] == pytest.approx([222, 146], abs=4)
    assert np.linalg.norm(points[LEFT_IRIS[0]] - left) < 4
    assert np.linalg.norm(points[RIGHT_IRIS[0]] - right) < 4
    assert points[list(LEFT_BROW[0])][:, 1].mean() < left[1] - 5
    hull = points[list(OVAL)].astype(np.float32)
    assert all(cv2.pointPolygonTest(hull, tuple(map(float, p)), False) > 0 for p in (left, right, points[1]))


def test_nose_is_nearer_than_the_face_edge(known: Points) -> None:
    assert known[1, 2] < known[list(OVAL), 2].min()
    assert known[list(LEFT_IRIS), 2] == pytest.approx(known[list(LEFT_EYE), 2].mean())


def test_refined_parts_name_each_landmark_once() -> None:
    for part, count in ((REFINED_LIPS, 80), (REFINED_LEFT_EYE, 71), (REFINED_RIGHT_EYE, 71)):
        assert len(part) == len(set(part)) == count
    assert not set(REFINED_LEFT_EYE) & set(REFINED_RIGHT_EYE)


@pytest.mark.parametrize("degrees", [-120, -30, 30, 45, 90, 150, 180, 270])
def test_turned_head(finder: FaceFinder, astronaut: Picture, known: Points, degrees: float) -> None:
    affine = similarity(1.0, degrees, 320, 240)
    face = finder.find(placed(astronaut, affine, 640, 480))
    assert error(face, apply_affine(affine.astype(np.float32), known[:, :2])) < 0.02


@pytest.mark.parametrize(
    ("scale", "limit"), [(2.0, 0.02), (1.0, 0.02), (0.7, 0.03), (0.4, 0.05), (0.3, 0.06)]
)
def test_small_face_in_a_wide_picture(
    finder: FaceFinder, astronaut: Picture, known: Points, scale: float, limit: float
) -> None:
    affine = similarity(scale, 0, 1300, 500)
    face = finder.find(placed(astronaut, affine, 1920, 1080))
    assert error(face, apply_affine(affine.astype(np.float32), known[:, :2])) < limit


def test_large_picture_and_tiny_picture(finder: FaceFinder, astronaut: Picture, known: Points) -> None:
    for side in (3000, 64):
        affine = similarity(side / 512, 0, 225 * side / 512, 124 * side / 512)
        face = finder.find(placed(astronaut, affine, side, side))
        assert error(face, apply_affine(affine.astype(np.float32), known[:, :2])) < 0.08


@pytest.fixture(scope="module")
def pair(astronaut: Picture) -> Picture:
    """A larger face at the left, a smaller mirrored one at the right."""
    canvas = placed(astronaut, similarity(1.5, 0, 400, 300), 1280, 720)
    canvas[200:720, 760:] = cv2.resize(astronaut[:, ::-1], (520, 520))
    return canvas


@pytest.mark.parametrize(
    ("choice", "x"),
    [
        (FaceChoice(), 400),
        (FaceChoice("from left", 0), 400),
        (FaceChoice("from left", 1), 1051),
        (FaceChoice("nearest", point=(0.9, 0.1)), 1051),
        (FaceChoice("nearest", point=(0.1, 0.9)), 400),
    ],
)
def test_choice_between_two_faces(finder: FaceFinder, pair: Picture, choice: FaceChoice, x: float) -> None:
    assert finder.find(pair, choice).centre[0] == pytest.approx(x, abs=10)


def test_two_faces_are_two_from_left_to_right(finder: FaceFinder, pair: Picture) -> None:
    first, second = finder.find_all(pair)
    assert first.centre[0] < second.centre[0]
    assert first.size > second.size
    assert first.score > 0.9
    assert first.box[0] < first.centre[0] < first.box[2]


def test_asking_for_a_third_face_of_two(finder: FaceFinder, pair: Picture) -> None:
    with pytest.raises(FaceNotFoundError, match=r"number 2 from the left.*2 faces.*0 to 1"):
        finder.find(pair, FaceChoice("from left", 2))


def test_asking_for_a_face_right_of_the_last(known: Points) -> None:
    with pytest.raises(FaceNotFoundError, match=r"1 face\. Use 0, or take"):
        choose([Face(known, 1.0)], FaceChoice("from left", 1), 512, 512)


@pytest.mark.parametrize("kind", ["noise", "flat", "stripes"])
def test_no_face_says_what_was_tried(finder: FaceFinder, kind: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (240, 320, 3), np.uint8)
    flat = np.full_like(noise, 128)
    stripes = np.repeat((np.arange(320) // 16 % 2 * 255).astype(np.uint8)[None, :, None], 240, 0).repeat(3, 2)
    with pytest.raises(
        FaceNotFoundError, match=r"No face found in the picture \(320x240\). Tried: the whole"
    ):
        finder.find({"noise": noise, "flat": flat, "stripes": stripes}[kind])


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64, 8, 3), np.uint8),
    ],
)
def test_wrong_input_is_refused(finder: FaceFinder, picture: np.ndarray) -> None:
    with pytest.raises(InputError):
        finder.find_all(picture)


def test_known_surroundings_are_enough(finder: FaceFinder, astronaut: Picture, known: Points) -> None:
    moved = Face(known + np.array([25, -20, 0], np.float32), 1.0)
    (face,) = finder.near(astronaut, moved)
    assert error(face, known) < 0.02


def test_region_of_landmarks_turns_with_the_face(known: Points) -> None:
    upright = landmark_region(known)
    turned = landmark_region(apply_affine(similarity(2.0, 70, 0, 0).astype(np.float32), known[:, :2]))
    assert turned.side == pytest.approx(2 * upright.side, rel=1e-4)
    assert np.degrees(turned.angle - upright.angle) == pytest.approx(70, abs=0.01)


def test_region_crop_shows_the_region_at_every_density() -> None:
    ramp = np.zeros((900, 900, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 900)
    ramp[..., 1] = np.linspace(0, 255, 900)[:, None]
    for side in (100, 400, 800):
        region = Region(450, 450, side, np.radians(90))
        crop = region.crop(ramp, 100)
        pixels = np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1).reshape(-1, 2).astype(np.float32)
        expected = apply_affine(region.to_picture(100), pixels).reshape(100, 100, 2) / 899 * 255
        assert np.abs(crop[..., :2] - expected).max() < 1.5


def test_decoding_an_anchor() -> None:
    regressors, logits = np.zeros((896, 16), np.float32), np.full(896, -100, np.float32)
    logits[300] = 100
    regressors[300] = [12.8, -12.8, 64, 32, *([0] * 12)]
    boxes, keypoints, scores = decode(regressors, logits)
    x, y = ANCHORS[300] + (0.1, -0.1)
    assert boxes[0] == pytest.approx([x - 0.25, y - 0.125, x + 0.25, y + 0.125])
    assert keypoints[0, 0] == pytest.approx(ANCHORS[300])
    assert scores == pytest.approx([1.0])


def test_anchors_cover_both_grids() -> None:
    assert ANCHORS.shape == (896, 2)
    assert ANCHORS[0] == pytest.approx([1 / 32, 1 / 32])
    assert ANCHORS[2] == pytest.approx([3 / 32, 1 / 32])
    assert ANCHORS[512] == pytest.approx([1 / 16, 1 / 16])
    assert ANCHORS[-1] == pytest.approx([15 / 16, 15 / 16])


def test_merging_weighs_by_score_and_keeps_strangers_apart() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [5, 5, 6, 6]], np.float32)
    keypoints = np.zeros((3, 6, 2), np.float32)
    merged, _, scores = merge(boxes, keypoints, np.array([0.9, 0.6, 0.7], np.float32))
    assert merged == pytest.approx(np.array([[0.04, 0, 1.04, 1], [5, 5, 6, 6]]))
    assert scores == pytest.approx([0.9, 0.7])


def test_a_point_outside_the_picture_is_refused():
    with pytest.raises(InputError, match="of the point in the picture"):
        FaceChoice("nearest", point=(2.0, 0.5))
