"""The face crop's geometry: the published numbers, and the way back under any similarity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from ditto_core.errors import InputError
from ditto_core.face.crop import (
    axis_points,
    crop_faces,
    crop_to_original,
    draw_landmarks,
    face_rectangle,
    original_to_crop,
)
from ditto_core.face.topology import LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from ditto_core.options import AvatarOptions
from ditto_core.sequences import ComputedSequence, TensorSequence

GOLDEN = Path(__file__).parent / "golden" / "ditto" / "crop_geometry.safetensors"
SETS = ("lmk101", "lmk106", "lmk120", "lmk203", "lmk68", "lmk5", "lmk9", "degenerate5", "upright5")


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(GOLDEN)


@pytest.mark.parametrize("points", SETS)
@pytest.mark.parametrize(
    ("crop", "size", "scale", "vy_ratio", "rotate"),
    [
        ("det224", 224, 1.5, -0.1, True),
        ("crop512", 512, 2.3, -0.125, True),
        ("crop512_norot", 512, 2.3, -0.125, False),
    ],
)
def test_published_matrices(
    golden: dict[str, Tensor], points: str, crop: str, size: int, scale: float, vy_ratio: float, rotate: bool
) -> None:
    axis = golden[f"out.{points}.pt2_lip1"][None]
    rectangle = face_rectangle(golden[f"in.{points}"][None], axis, scale, 0.0, vy_ratio)
    matrix = original_to_crop(rectangle, size, rotate)[0]
    torch.testing.assert_close(matrix, golden[f"out.{points}.{crop}.M_o2c"], atol=1e-3, rtol=0)
    torch.testing.assert_close(
        torch.linalg.inv(matrix), golden[f"out.{points}.{crop}.M_c2o"], atol=1e-3, rtol=0
    )


def face_points() -> Tensor:
    """478 points in the rough places of a face's parts, eyes above the mouth."""
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(478, 2, generator=generator) * torch.tensor([100.0, 140.0])
    for part, x, y in ((LEFT_EYE, 25, 50), (RIGHT_EYE, 75, 50), (MOUTH_CORNERS, 50, 105)):
        points[list(part)] = torch.tensor([float(x), float(y)])
    return points


def moved(points: Tensor, scale: float, angle: float, x: float, y: float) -> Tensor:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return points @ torch.tensor([[c, s], [-s, c]], dtype=torch.float32) + torch.tensor([x, y])


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.1, 8),
    st.floats(-3.1, 3.1),
    st.floats(-500, 3000),
    st.floats(-500, 3000),
    st.integers(64, 512),
)
def test_the_crop_moves_with_the_face(scale: float, angle: float, x: float, y: float, size: int) -> None:
    """A face moved by any similarity gives the same crop: its corners are moved by that similarity."""
    still = face_points()
    both = torch.stack([still, moved(still, scale, angle, x, y)])
    matrices = crop_to_original(both, size, AvatarOptions())
    corners = torch.tensor([[0.0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]])
    first, second = (corners @ matrices.transpose(1, 2))[..., :2]
    tolerance = 1e-3 * (scale * 100 + abs(x) + abs(y) + 1)
    assert torch.allclose(moved(first, scale, angle, x, y), second, atol=tolerance)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 8), st.floats(-3.1, 3.1), st.floats(1.0, 5.0), st.booleans())
def test_every_landmark_is_inside_the_crop(scale: float, angle: float, crop_scale: float, turn: bool) -> None:
    points = moved(face_points(), scale, angle, 700, 400)[None]
    options = AvatarOptions(crop_scale=crop_scale, crop_vy_ratio=0)
    matrix = crop_to_original(points, 256, options)
    local = torch.cat([points[0], torch.ones(478, 1)], 1) @ torch.linalg.inv(matrix)[0].T
    assert local[:, :2].min() > -0.1
    assert local[:, :2].max() < 256.1
    if turn:
        upright = crop_to_original(points, 256, replace(options, crop_do_rotate=False))[0]
        assert upright[0, 1] == upright[1, 0] == 0


def test_offsets_move_along_the_faces_own_axes() -> None:
    points = moved(face_points(), 1.0, float(np.pi / 2), 300, 300)[None]
    plain = face_rectangle(points, axis_points(points), 2.0)
    shifted = face_rectangle(points, axis_points(points), 2.0, 0.25, 0.5)
    # Turned clockwise by 90 degrees the face's right is the picture's bottom, its down the picture's left.
    expected = torch.stack([-0.5 * plain.side, 0.25 * plain.side], dim=1)
    torch.testing.assert_close(shifted.centre - plain.centre, expected, atol=1e-3, rtol=0)


def test_other_point_counts_are_refused() -> None:
    with pytest.raises(InputError, match="478 landmarks; there are 68"):
        crop_to_original(torch.zeros(1, 68, 2), 512, AvatarOptions())


def test_cropping_is_lazy_and_shows_the_square() -> None:
    asked: list[tuple[int, int]] = []

    def frames(start: int, stop: int) -> Tensor:
        asked.append((start, stop))
        ramp = torch.arange(200, dtype=torch.uint8).expand(100, 200)[..., None].expand(-1, -1, 3)
        return ramp.expand(stop - start, -1, -1, -1)

    matrix = torch.tensor([[0.5, 0, 40], [0, 0.5, 30], [0, 0, 1.0]]).expand(10, 3, 3)
    crops = crop_faces(ComputedSequence(frames, 10, (100, 200, 3), torch.uint8), matrix, 64)
    assert (len(crops), crops.shape, asked) == (10, (64, 64, 3), [])
    middle = crops[4:6]
    assert asked == [(4, 6)]
    assert middle.shape == (2, 64, 64, 3)
    assert middle[0, 10, ::2, 0].tolist() == list(range(40, 72))


def test_outside_the_frame_is_black() -> None:
    frames = TensorSequence(torch.full((1, 20, 20, 3), 200, dtype=torch.uint8))
    matrix = torch.tensor([[[1.0, 0, -10], [0, 1, -10], [0, 0, 1]]])
    crop = crop_faces(frames, matrix, 40)[0]
    assert crop[:9].max() == 0
    assert crop[12:28, 12:28].min() == 200


def test_landmarks_are_drawn_where_they_are() -> None:
    crops = TensorSequence(torch.zeros((2, 128, 128, 3), dtype=torch.uint8))
    landmarks = torch.full((2, 478, 3), 500.0)
    landmarks[:, 5, :2] = torch.tensor([80.0, 60.0])
    matrix = torch.tensor([[0.5, 0, 50], [0, 0.5, 30], [0, 0, 1.0]]).expand(2, 3, 3)
    drawn = draw_landmarks(crops, landmarks, matrix)
    assert (len(drawn), drawn.shape) == (2, (128, 128, 3))
    lit = drawn[1].amax(-1).nonzero().float()
    assert lit.mean(0).tolist() == pytest.approx([60, 60], abs=0.5)
    assert len(lit) < 20
    assert crops.values.max() == 0
