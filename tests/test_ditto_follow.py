"""The face is followed through a source: published networks or built-in ones, losses found and bridged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.ditto_release import write_constants
from torch import Tensor

import ditto_core
from ditto_core.ditto import face_files
from ditto_core.ditto.follow import BuiltInFaces, BuiltInMesh, FollowedFace, PublishedFaces
from ditto_core.ditto.source import OfficialFaces
from ditto_core.errors import FaceNotFoundError, Interrupted, ModelError
from ditto_core.face.find import Face, FaceFinder
from ditto_core.face.topology import LEFT_EYE, MOUTH_CORNERS, OVAL, RIGHT_EYE
from ditto_core.host import Host
from ditto_core.media.images import read_image
from ditto_core.options import AvatarOptions, FaceChoice
from ditto_core.sequences import TensorSequence

FINDER = FaceFinder.default()
SIDE = 192
PORTRAIT = cv2.resize(
    read_image(Path(ditto_core.__file__).parent / "assets" / "astronaut.png").numpy(),
    (SIDE, SIDE),
    interpolation=cv2.INTER_AREA,
)
EMPTY = np.full((SIDE, 2 * SIDE, 3), 90, np.uint8)

# Stand-ins for the published landmarks: the bundled mesh where the published sets have eyes and mouth.
POINTS_106 = {33: RIGHT_EYE, 35: RIGHT_EYE, 40: RIGHT_EYE, 39: RIGHT_EYE, 87: LEFT_EYE, 89: LEFT_EYE}
POINTS_106 |= {94: LEFT_EYE, 93: LEFT_EYE, 52: MOUTH_CORNERS[:1], 61: MOUTH_CORNERS[1:]}
POINTS_203 = {**dict.fromkeys((0, 6, 12, 18), RIGHT_EYE), **dict.fromkeys((24, 30, 36, 42), LEFT_EYE)}
POINTS_203 |= {48: MOUTH_CORNERS[:1], 66: MOUTH_CORNERS[1:]}


def frame(x: int = 0) -> np.ndarray:
    """The portrait at x in a wider picture."""
    picture = EMPTY.copy()
    picture[:, x : x + SIDE] = PORTRAIT
    return picture


def frames(*pictures: np.ndarray) -> TensorSequence:
    return TensorSequence(torch.from_numpy(np.stack(pictures)))


def faces_in(blob: Tensor, scale: float, offset: float) -> list[Face]:
    pixels = (blob[0].permute(1, 2, 0) * scale + offset).clamp(0, 255).round().byte()
    return FINDER.find_all(pixels.numpy(), thorough=False)


def detector(blob: Tensor) -> list[Tensor]:
    """What SCRFD would say of the faces the bundled finder sees: one cell of stride 32 each."""
    outputs = [torch.zeros(n, w) for w in (1, 4, 10) for n in (8192, 2048, 512)]
    for cell, face in enumerate(faces_in(blob[:, [2, 1, 0]], 128, 127.5)):
        x0, y0, x1, y1 = face.box
        x, y = 32.0 * (cell % 16), 0.0
        outputs[2][2 * cell] = 0.9
        outputs[5][2 * cell] = torch.tensor([x - x0, y - y0, x1 - x, y1 - y]) / 32
    return outputs


def landmarks(blob: Tensor, count: int, where: dict[int, tuple[int, ...]]) -> Tensor:
    """Points in pixels of the view; where there is no face an average one, as networks do."""
    faces = faces_in(blob, 1 if count == 106 else 255, 0)
    side = blob.shape[-1]
    if not faces:
        angle = torch.linspace(0, 6, count)
        return torch.stack([angle.sin(), angle.cos()], dim=1) * side / 3 + side / 2
    mesh = torch.from_numpy(faces[0].landmarks[:, :2])
    points = mesh[list(OVAL)].repeat(6, 1)[:count].clone()
    for row, indices in where.items():
        points[row] = mesh[list(indices)].mean(dim=0)
    return points


def published() -> PublishedFaces:
    networks = OfficialFaces(
        detector,
        lambda blob: landmarks(blob[:, [2, 1, 0]], 106, POINTS_106) / 96 - 1,
        lambda blob: landmarks(blob, 203, POINTS_203) / 224,
    )
    return PublishedFaces(networks, lambda: BuiltInMesh(FINDER), ())


def follow(*pictures: np.ndarray, options: AvatarOptions | None = None) -> FollowedFace:
    return published().follow(frames(*pictures), options or AvatarOptions(), Host())


def centres(followed: FollowedFace) -> np.ndarray:
    return followed.landmarks.mean(dim=1)[:, 0].numpy()


def test_both_ways_give_the_same_shapes_and_place():
    pictures = [frame(x) for x in (20, 24, 28)]
    official = follow(*pictures)
    built_in = BuiltInFaces(FINDER).follow(frames(*pictures), AvatarOptions(), Host())
    for followed in (official, built_in):
        assert followed.crop_to_original.shape == (3, 3, 3)
        assert followed.mesh.shape == (3, 478, 3)
        assert followed.landmarks.shape == (3, 478, 2)
        assert followed.seen.bridged == followed.seen.jumps == ()
        # The eyes and mouth lie where a crop shows them.
        assert 0.3 < float(followed.mesh[0, 1, 0]) < 0.7
        assert 0.3 < float(followed.mesh[0, 1, 1]) < 0.8
    assert (official.landmarks - built_in.landmarks).abs().max() < 4
    assert np.allclose(np.diff(centres(official)), 4, atol=2)


def test_the_mesh_lies_on_the_crop():
    pictures = frames(frame(20))
    built_in = BuiltInFaces(FINDER).follow(pictures, AvatarOptions(), Host())
    crop = cv2.warpAffine(
        pictures[0].numpy(),
        built_in.crop_to_original[0, :2].numpy(),
        (512, 512),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    seen = BuiltInMesh(FINDER)(np.asarray(crop, np.uint8))
    assert seen is not None
    assert np.abs(seen[:, :2] - built_in.mesh[0, :, :2].numpy()).max() < 0.02


def test_a_lost_face_is_bridged_and_found_again():
    followed = follow(frame(20), frame(22), EMPTY, EMPTY, frame(28), frame(30))
    assert followed.seen.bridged == followed.seen.absent == (2, 3)
    assert followed.seen.jumps == ()
    places = centres(followed)
    assert places[1] < places[2] < places[3] < places[4]
    assert torch.isfinite(followed.crop_to_original).all()
    assert torch.isfinite(followed.mesh).all()


def test_a_face_that_is_only_not_recognised_is_not_absent():
    blurred = cv2.GaussianBlur(frame(20), (0, 0), 9)
    followed = follow(frame(20), np.asarray(blurred, np.uint8), frame(20))
    assert followed.seen.bridged == (1,)
    assert followed.seen.absent == ()


def test_a_face_that_is_suddenly_elsewhere_is_searched_again():
    followed = follow(frame(0), frame(0), frame(170), frame(170))
    assert (followed.seen.jumps, followed.seen.bridged) == ((2,), ())
    assert centres(followed)[2] - centres(followed)[1] > 150


def test_the_face_may_appear_later():
    followed = follow(EMPTY, frame(20))
    assert followed.seen.bridged == (0,)
    assert torch.equal(followed.landmarks[0], followed.landmarks[1])


def test_the_chosen_face_is_followed():
    both = frame(0)
    both[:, SIDE:] = PORTRAIT
    right = follow(both, both, options=AvatarOptions(face=FaceChoice("from left", index=1)))
    assert (centres(right) > SIDE).all()
    left = follow(both, both, options=AvatarOptions(face=FaceChoice("from left", index=0)))
    assert (centres(left) < SIDE).all()


def test_a_source_without_a_face_is_one_clear_error():
    with pytest.raises(FaceNotFoundError, match="No face found"):
        follow(EMPTY)
    with pytest.raises(FaceNotFoundError, match="number 3 from the left"):
        follow(frame(20), options=AvatarOptions(face=FaceChoice("from left", index=3)))


def test_following_stops_when_it_is_told_to():
    class Stopped(Host):
        def check_interrupted(self) -> None:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        published().follow(frames(frame()), AvatarOptions(), Stopped())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files with the published shapes whose outputs say which one they are."""
    found = {role: tmp_path / f"{role}.onnx" for role in ("detector", "landmarks_106", "landmarks_203")}
    rows = {
        f"{kind}{n}": np.full((n, w), w, np.float32)
        for kind, w in (("s", 1), ("b", 4), ("k", 10))
        for n in (8192, 2048, 512)
    }
    write_constants(found["detector"], "input.1", rows)
    write_constants(found["landmarks_106"], "data", {"fc1": np.full((1, 212), 7, np.float32)})
    thrice = {f"out{number}": np.full((1, 406), number, np.float32) for number in range(3)}
    write_constants(found["landmarks_203"], "input", thrice)
    return found


def test_the_files_networks_are_fed_by_position(files: dict[str, Path]):
    networks = face_files.published_faces(files, FINDER).faces
    blob = torch.zeros(1, 3, 64, 64)
    assert [tuple(output.shape) for output in networks.detector(blob)] == [
        (n, w) for w in (1, 4, 10) for n in (8192, 2048, 512)
    ]
    assert networks.landmarks_106(blob).unique().tolist() == [7]


def test_the_203_landmarks_are_taken_from_the_right_output(files: dict[str, Path]):
    blob = torch.zeros(1, 3, 64, 64)
    assert face_files.published_faces(files, FINDER).faces.landmarks_203(blob).unique().tolist() == [2]
    write_constants(files["landmarks_203"], "input", {"landmarks": np.full((1, 406), 9, np.float32)})
    assert face_files.published_faces(files, FINDER).faces.landmarks_203(blob).unique().tolist() == [9]


def test_another_network_in_a_files_place_is_named(files: dict[str, Path]):
    files["detector"] = files["landmarks_106"]
    with pytest.raises(ModelError, match=r"landmarks_106\.onnx has 1 outputs instead of 9"):
        face_files.published_faces(files, FINDER).faces.detector(torch.zeros(1, 3, 64, 64))
