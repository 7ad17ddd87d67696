"""Rendered faces are put back exactly where they belong, and nowhere else."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.blend.put_back import feathered_border, put_back
from ditto_core.data import Audio, Avatar, FaceCrops, Keypoints, Motion
from ditto_core.engine import Engine
from ditto_core.errors import InputError
from ditto_core.options import BlendOptions
from ditto_core.sequences import ComputedSequence, TensorSequence

SOUND = Audio(torch.zeros(1, 16000), 16000)
NO_FEATHER = BlendOptions(feather=0.0)
ENGINE = cast(Engine, object())


def face_crops(
    frames: torch.Tensor,
    faces: torch.Tensor,
    crop_to_original: np.ndarray,
    *,
    mask: torch.Tensor | None = None,
    source_index: list[int] | None = None,
) -> FaceCrops:
    """Crops of `faces` (N, h, w, 3) on `frames` (S, H, W, 3), one matrix for all source frames."""
    matrices = torch.from_numpy(np.tile(crop_to_original.astype(np.float32), (len(frames), 1, 1)))
    index = torch.tensor(source_index if source_index is not None else [0] * len(faces))
    points = TensorSequence(torch.zeros(len(faces), 1, 3))
    motion = Motion(ENGINE, torch.zeros(len(faces), 1), Fraction(25), ("open",), SOUND)
    avatar = Avatar(ENGINE, TensorSequence(frames), None, torch.zeros(1, 1, 2), matrices, faces.shape[1], ())
    keypoints = Keypoints(ENGINE, avatar, motion, points, points, index)
    mask = torch.ones(faces.shape[1:3]) if mask is None else mask
    return FaceCrops(ENGINE, keypoints, TensorSequence(faces), matrices, mask)


def moved(x: float, y: float, scale: float = 1.0) -> np.ndarray:
    return np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_a_face_moved_by_whole_pixels_arrives_unchanged_and_the_rest_stays() -> None:
    frame, face = noise(1, 40, 60, 3), noise(2, 10, 12, 3, seed=1)
    result = put_back(face_crops(frame, face, moved(7, 5)), NO_FEATHER).images[:]

    expected = frame.repeat(2, 1, 1, 1)
    expected[:, 5:15, 7:19] = face
    assert torch.equal(result, expected)


@given(x=st.integers(-20, 60), y=st.integers(-20, 45), height=st.integers(2, 30), width=st.integers(2, 30))
def test_a_face_that_reaches_over_the_edge_is_cut_there(x: int, y: int, height: int, width: int) -> None:
    frame, face = noise(1, 40, 50, 3), noise(1, height, width, 3, seed=1)
    result = put_back(face_crops(frame, face, moved(x, y)), NO_FEATHER).images[0]

    expected = frame[0].clone()
    top, left = max(y, 0), max(x, 0)
    visible = face[0, top - y : max(40 - y, 0), left - x : max(50 - x, 0)]
    expected[top : top + visible.shape[0], left : left + visible.shape[1]] = visible
    assert torch.equal(result, expected)


def test_a_scaled_face_covers_its_area_and_touches_nothing_else() -> None:
    frame = torch.full((1, 100, 100, 3), 40, dtype=torch.uint8)
    face = torch.full((1, 20, 20, 3), 200, dtype=torch.uint8)
    result = put_back(face_crops(frame, face, moved(30, 20, scale=2)), NO_FEATHER).images[0]

    assert (result[24:56, 34:66] == 200).all()
    outside = result.clone()
    outside[18:62, 28:72] = 40
    assert (outside == 40).all()


def test_the_amount_blends_evenly() -> None:
    frame = torch.full((1, 30, 30, 3), 100, dtype=torch.uint8)
    face = torch.full((1, 10, 10, 3), 200, dtype=torch.uint8)
    crops = face_crops(frame, face, moved(10, 10))

    half = put_back(crops, BlendOptions(amount=0.5, feather=0.0)).images[0]
    assert (half[10:20, 10:20].int() - 150).abs().max() <= 1
    nothing = put_back(crops, BlendOptions(amount=0.0, feather=0.0)).images[0]
    assert torch.equal(nothing, frame[0])


def test_where_the_mask_is_zero_the_source_keeps_its_bytes() -> None:
    frame, face = noise(1, 30, 30, 3), noise(1, 10, 10, 3, seed=1)
    mask = torch.zeros(10, 10)
    mask[:5] = 1
    result = put_back(face_crops(frame, face, moved(10, 10), mask=mask), NO_FEATHER).images[0]

    assert torch.equal(result[15:], frame[0, 15:])
    assert torch.equal(result[10:15, 10:20], face[0, :5])


def test_each_output_frame_lies_on_its_own_source_frame() -> None:
    frames = torch.stack([torch.full((20, 20, 3), value, dtype=torch.uint8) for value in (10, 20, 30)])
    faces = torch.full((5, 4, 4, 3), 200, dtype=torch.uint8)
    order = [2, 0, 1, 1, 2]
    result = put_back(face_crops(frames, faces, moved(8, 8), source_index=order), NO_FEATHER)

    assert result.images[:][:, 0, 0, 0].tolist() == [(index + 1) * 10 for index in order]
    assert result.fps == 25
    assert result.audio is SOUND


def test_the_source_is_never_painted_on() -> None:
    frame = noise(1, 20, 20, 3)
    before = frame.clone()
    put_back(face_crops(frame, noise(3, 8, 8, 3, seed=1), moved(3, 3))).images[:]
    assert torch.equal(frame, before)


def test_frames_are_rendered_only_when_they_are_read() -> None:
    asked: list[tuple[int, int]] = []

    def render(start: int, stop: int) -> torch.Tensor:
        asked.append((start, stop))
        return torch.zeros(stop - start, 8, 8, 3, dtype=torch.uint8)

    crops = face_crops(noise(1, 20, 20, 3), torch.zeros(9, 8, 8, 3, dtype=torch.uint8), moved(2, 2))
    lazy = FaceCrops(
        ENGINE,
        crops.keypoints,
        ComputedSequence(render, 9, (8, 8, 3), torch.uint8),
        crops.crop_to_original,
        crops.mask,
    )
    frames = put_back(lazy)
    assert asked == []
    assert frames.images[2:4].shape == (2, 20, 20, 3)
    assert asked == [(2, 4)]


@given(height=st.integers(4, 80), width=st.integers(4, 80), feather=st.floats(0, 0.5, allow_nan=False))
def test_the_feathered_border_rises_from_the_edge_to_the_middle(
    height: int, width: int, feather: float
) -> None:
    border = feathered_border((height, width), feather)
    assert border.shape == (height, width)
    assert border.dtype == np.float32
    assert border.min() >= 0
    assert border.max() <= 1
    assert np.array_equal(border, border[::-1, ::-1])
    assert (np.diff(border[: (height + 1) // 2], axis=0) >= 0).all()
    if feather * min(height, width) >= 1:
        assert border[0, 0] < 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"amount": 1.5}, "amount"), ({"amount": float("nan")}, "amount"), ({"feather": -0.1}, "feather")],
)
def test_impossible_options_are_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        BlendOptions(**wrong)
