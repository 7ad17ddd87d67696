"""Motion against the recorded arithmetic of the published system."""

from __future__ import annotations

import pytest
import torch
from helpers.golden import Golden, assert_relative, table
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.control_info import MOTION_PARTS
from ditto_core.ditto import motion
from ditto_core.ditto.motion import FaceInfo, MotionInfo
from ditto_core.errors import InputError
from ditto_core.sequences import mirror_index


def face_of(recorded: dict[str, Tensor], prefix: str) -> FaceInfo:
    return FaceInfo(**{name: recorded[f"{prefix}.{name}"] for name in (*motion.WIDTHS, "kp")})


def assert_same_info(ours: MotionInfo, recorded: dict[str, Tensor], prefix: str) -> None:
    for name in motion.WIDTHS:
        assert_relative(getattr(ours, name), recorded[f"{prefix}.{name}"])


def test_the_parts_that_options_name_are_those_of_a_motion_vector_in_order():
    assert tuple(motion.WIDTHS) == MOTION_PARTS


def test_a_motion_vector_and_its_parts_are_the_published_ones():
    recorded = Golden("ditto/motion_layout")
    face = face_of(recorded, "in.info")
    assert_relative(motion.to_vectors(face)[0], recorded["out.vec_from_info"])
    assert_same_info(motion.from_vectors(recorded["in.vec"][None]), recorded, "out.info_from_vec")
    with_shape = torch.cat([motion.to_vectors(face), face.kp], dim=1)
    assert_relative(with_shape[0], recorded["out.vec_with_kp"])


def test_clipping():
    recorded = Golden("ditto/motion_clip")
    limits = torch.stack([recorded[f"in.{row}"] for row in ("lo", "hi", "row2", "row3")])
    clipped = motion.from_vectors(motion.clip(recorded["in.seq"][0], limits))
    for frame in range(3):
        assert_same_info(clipped.take(slice(frame, frame + 1)), recorded, f"out.f{frame}")


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 13])
def test_smoothing_over_frames(kernel: int):
    recorded = Golden("ditto/source_smoothing")
    smoothed = motion.smooth(recorded["in.arr"][:, 0], kernel)
    assert_relative(smoothed, recorded[f"out.k{kernel}"][:, 0])


def test_a_source_is_smoothed_in_every_field():
    face = FaceInfo(*(torch.randn(9, width) for width in (*motion.WIDTHS.values(), 63)))
    smoothed = motion.smooth_source(face, 4)
    for name in (*motion.WIDTHS, "kp"):
        assert_relative(getattr(smoothed, name), motion.smooth(getattr(face, name), 5))


@given(st.integers(1, 30), st.integers(1, 40))
def test_smoothing_leaves_a_still_sequence_as_it_is_and_keeps_the_range(frames: int, kernel: int):
    torch.manual_seed(frames)
    still = torch.randn(1, 4).expand(frames, 4)
    assert torch.allclose(motion.smooth(still, kernel), still, atol=1e-6)
    moving = torch.randn(frames, 4)
    smoothed = motion.smooth(moving, kernel)
    assert smoothed.shape == moving.shape
    assert (smoothed <= moving.amax(0) + 1e-6).all()
    assert (smoothed >= moving.amin(0) - 1e-6).all()


def test_angles_and_rotation():
    recorded = Golden("ditto/pose_math")
    assert_relative(motion.degrees(recorded["in.bins"]), recorded["out.bins_degree"], 1e-4)
    angles = (recorded[f"in.rot.{name}"] for name in ("pitch", "yaw", "roll"))
    assert_relative(motion.rotation(*angles), recorded["out.rotation"])


def test_keypoints():
    recorded = Golden("ditto/pose_math")
    faces = [face_of(recorded, f"in.kp{i}") for i in range(2)]
    assert_relative(motion.keypoints(faces[0]), recorded["out.kp0"])
    assert_relative(motion.keypoints(faces[1]), recorded["out.kp1"])
    both = FaceInfo(*(torch.cat([getattr(face, name) for face in faces]) for name in (*motion.WIDTHS, "kp")))
    assert_relative(motion.keypoints(both), recorded["out.kp_batch2"])
    turn = motion.pose_degrees(faces[0])
    turn[:, 0] = recorded["in.deg"][0]
    placed = motion.place_keypoints(faces[0].kp, faces[0], motion.rotation(*turn.unbind(1)))
    assert_relative(placed, recorded["out.kp0_degree_pitch"])


def test_the_source_is_walked_there_and_back():
    for index, size, expected in table("ditto/mirror_index")["rows"]:
        assert mirror_index(index + 1, size)[index] == expected


@pytest.mark.parametrize("shape", [(265,), (3, 264), (1, 3, 265)])
def test_a_wrong_motion_tensor_is_refused(shape: tuple[int, ...]):
    with pytest.raises(InputError, match="265"):
        motion.from_vectors(torch.zeros(shape))


def test_wrong_limits_and_kernels_are_refused():
    with pytest.raises(InputError, match="limits"):
        motion.clip(torch.zeros(2, 265), torch.zeros(1, 265))
    with pytest.raises(InputError, match="kernel is 0"):
        motion.smooth(torch.zeros(4, 2), 0)
