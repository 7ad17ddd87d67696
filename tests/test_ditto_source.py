"""Ditto's face finding and crops against the recorded ones, with stand-ins for the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.ditto_release import write_constants
from helpers.golden import Golden, assert_picture, assert_relative, assert_within, table
from helpers.seeded_weights import seeded_input
from torch import Tensor

from ditto_core.ditto import faces, mesh478, source
from ditto_core.ditto.face_files import published_faces
from ditto_core.errors import FaceNotFoundError
from ditto_core.face.crop import face_rectangle
from ditto_core.face.find import FaceFinder
from ditto_core.face.region import Picture, Points
from ditto_core.media.source import limit_size
from ditto_core.options import AvatarOptions, FaceChoice
from ditto_core.sequences import TensorSequence

UPRIGHT = AvatarOptions(crop_do_rotate=False)


def picture(values: Tensor) -> Picture:
    return values.to(torch.uint8).numpy()


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def says(value: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda blob: value


def scrfd(_blob: Tensor) -> list[Tensor]:
    rows = {8: 8192, 16: 2048, 32: 512}
    scores = [seeded_input(f"det/s{s}", (n, 1), "", 0, 1) ** 24 for s, n in rows.items()]
    boxes = [seeded_input(f"det/b{s}", (n, 4), "", 0.5, 6) for s, n in rows.items()]
    return [*scores, *boxes, *(seeded_input(f"det/k{s}", (n, 10), "", -3, 3) for s, n in rows.items())]


def test_the_detector():
    recorded = Golden("ditto/scrfd_postprocess")
    image = picture(recorded["in.img"])
    blob, _ = faces.detector_input(image)
    assert blob.shape == (1, 3, 512, 512)
    assert_within(blob[:, :, ::16, ::16], recorded["out.blob"], 1e-3)

    found = faces.detect(image, scrfd)
    rows = np.concatenate([found.corners, found.scores[:, None]], axis=1)
    assert_within(tensor(rows), recorded["out.det"], 1e-3)
    assert_within(tensor(found.keypoints), recorded["out.kps"], 1e-3)
    assert len(faces.detect(image, scrfd, threshold=0.9)) == len(recorded["out.det_thresh09"])
    largest = faces.choose_box(found, FaceChoice(), 160, 90)
    assert_within(tensor(largest), recorded["out.largest"][:4], 1e-3)


def boxes(*corners: tuple[int, int, int, int]) -> faces.Boxes:
    count = len(corners)
    values = np.array(corners, np.float32).reshape(-1, 4)
    return faces.Boxes(values, np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32))


def test_the_face_the_user_means():
    found = boxes((50, 0, 90, 40), (0, 0, 10, 10), (20, 20, 40, 40))
    corners = [
        faces.choose_box(found, choice, 100, 50)[0]
        for choice in (
            FaceChoice(),
            FaceChoice("from left", 1),
            FaceChoice("nearest", point=(0.0, 0.1)),
        )
    ]
    assert corners == [50, 20, 0]
    with pytest.raises(FaceNotFoundError, match="Use 0 to 2"):
        faces.choose_box(found, FaceChoice("from left", 3), 100, 50)


def test_no_face_is_said_so():
    silent = [torch.zeros(n, w) for w in (1, 4, 10) for n in (8192, 2048, 512)]
    networks = source.OfficialFaces(lambda blob: silent, says(torch.zeros(212)), says(torch.zeros(406)))
    with pytest.raises(FaceNotFoundError, match="160x90"):
        source.crop_source(np.zeros((90, 160, 3), np.uint8), networks, AvatarOptions())


def test_106_and_203_landmarks():
    recorded = Golden("ditto/landmarks106_203")
    image, box = picture(recorded["in.img"]), recorded["in.bbox"].numpy()
    blob, matrix = faces.input_106(image, box)
    assert_within(tensor(matrix), recorded["out.M106"], 1e-3)
    assert_picture(blob[:, :, ::8, ::8], recorded.warped("blob106"))
    points = faces.landmarks_106(image, box, says(recorded["in.fc1"]))
    assert_within(tensor(points), recorded["out.lmk106"], 1e-3)

    fed: list[Tensor] = []
    crop = picture(recorded["in.img224"])

    def network(blob: Tensor) -> Tensor:
        fed.append(blob)
        return recorded["in.lm203"]

    points = faces.landmarks_203(crop, recorded["in.M_c2o"].numpy(), network)
    assert_within(tensor(points), recorded["out.lmk203"], 1e-3)
    unmoved = faces.landmarks_203(crop, np.eye(3, dtype=np.float32), network)
    assert_within(tensor(unmoved), recorded["out.lmk203_nomat"], 1e-3)
    assert_relative(fed[0][:, :, ::16, ::16], recorded["out.inp203"])


def test_the_face_networks_from_onnx_files(tmp_path: Path):
    """From the picture through files of the published inputs and outputs to the recorded faces and points."""
    detected, points = Golden("ditto/scrfd_postprocess"), Golden("ditto/landmarks106_203")
    nothing = torch.zeros(1, 1)
    found = {role: tmp_path / f"{role}.onnx" for role in ("detector", "landmarks_106", "landmarks_203")}
    for role, name, outputs in (
        ("detector", "input.1", scrfd(nothing)),
        ("landmarks_106", "data", [points["in.fc1"]]),
        ("landmarks_203", "input", [nothing, nothing, points["in.lm203"]]),
    ):
        write_constants(found[role], name, {f"{role}{i}": rows.numpy() for i, rows in enumerate(outputs)})
    chain = published_faces(found, FaceFinder.default()).faces

    seen = faces.detect(picture(detected["in.img"]), chain.detector)
    rows = np.concatenate([seen.corners, seen.scores[:, None]], axis=1)
    assert_within(tensor(rows), detected["out.det"], 1e-3)
    assert_within(tensor(seen.keypoints), detected["out.kps"], 1e-3)
    image, box = picture(points["in.img"]), points["in.bbox"].numpy()
    assert_within(tensor(faces.landmarks_106(image, box, chain.landmarks_106)), points["out.lmk106"], 1e-3)
    crop, to_original = picture(points["in.img224"]), points["in.M_c2o"].numpy()
    given = faces.landmarks_203(crop, to_original, chain.landmarks_203)
    assert_within(tensor(given), points["out.lmk203"], 1e-3)


def test_478_landmarks():
    recorded = Golden("ditto/blazeface_facemesh")
    crop, fed = picture(recorded["in.img_sq"]), []
    regressors = 6 * seeded_input("bf/reg", (1, 896, 16))
    regressors[..., 2:4] = regressors[..., 2:4].abs() + 25
    logits = 2 * seeded_input("bf/cls", (1, 896, 1)) - 3.4

    def mesh(view: Tensor) -> Tensor:
        fed.append(view)
        return recorded["in.mesh"]

    points = mesh478.landmarks_478(crop, lambda blob: [regressors, logits], mesh)
    assert_relative(tensor(points)[None], recorded["out.img_sq.lmk478"], 1e-4)
    assert_relative(mesh478.blaze_face_input(crop)[:, ::8, ::8], recorded["out.blob"], 1e-4)
    assert_within(fed[0][:, ::16, ::16], recorded.warped("img_sq.mesh_input"), 1 / 255)
    with pytest.raises(FaceNotFoundError, match="its own crop"):
        mesh478.landmarks_478(crop, lambda blob: [regressors, logits * 0 - 9], mesh)


GEOMETRY = Golden("ditto/crop_geometry")
RECORDED_OPTIONS = {
    "det224": (224, source.LANDMARK_CROP),
    "crop512": (512, AvatarOptions()),
    "crop512_norot": (512, UPRIGHT),
}


@pytest.mark.parametrize("name", RECORDED_OPTIONS)
@pytest.mark.parametrize("count", [106, 203])
def test_crop_matrices(name: str, count: int):
    points = GEOMETRY[f"in.lmk{count}"]
    side, options = RECORDED_OPTIONS[name]
    matrix = source.to_crop(points.numpy(), side, options)[0]
    assert_within(matrix, GEOMETRY[f"out.lmk{count}.{name}.M_o2c"], 1e-3)
    crop = source.cut(np.zeros((8, 8, 3), np.uint8), points.numpy(), side, options)
    assert_within(tensor(crop.to_original), GEOMETRY[f"out.lmk{count}.{name}.M_c2o"], 1e-3)


@pytest.mark.parametrize("name", ["lmk101", "lmk106", "lmk203", "lmk68", "lmk5", "lmk9", "degenerate5"])
@pytest.mark.parametrize("axis", ["lip0", "lip1"])
def test_the_shared_crop_geometry_is_the_published_one(name: str, axis: str):
    points, along = GEOMETRY[f"in.{name}"][None], GEOMETRY[f"out.{name}.pt2_{axis}"][None]
    x, y, side, _, angle = GEOMETRY[f"out.{name}.rect_{axis}"]
    rectangle = face_rectangle(points, along, scale=1.5, vx_ratio=0.05, vy_ratio=-0.1)
    ours = torch.stack([*rectangle.centre[0], rectangle.side[0], rectangle.angle[0]])
    assert_within(ours, torch.stack([x, y, side, angle]), 1e-3)


def test_the_crop_can_move_sideways():
    """The published program accepts this ratio and ignores it."""
    points = GEOMETRY["in.lmk203"].numpy()
    straight, moved = (
        source.cut(np.zeros((8, 8, 3), np.uint8), points, 512, AvatarOptions(crop_vx_ratio=ratio))
        for ratio in (0.0, 0.1)
    )
    on_straight = np.linalg.inv(straight.to_original) @ moved.to_original @ [256, 256, 1]
    assert np.allclose(on_straight, [256 + 51.2, 256, 1], atol=0.1)


@pytest.mark.parametrize(
    ("name", "side", "options"),
    [
        ("d64", 64, source.LANDMARK_CROP),
        ("d96", 96, AvatarOptions()),
        ("d64norot", 64, AvatarOptions(crop_vy_ratio=-0.1, crop_do_rotate=False)),
    ],
)
def test_cropped_pictures(name: str, side: int, options: AvatarOptions):
    recorded = Golden("ditto/crop_image")
    image, points = picture(recorded["in.img"]), recorded["in.lmk"].numpy()
    assert_within(source.to_crop(points, side, options)[0], recorded[f"out.{name}.M_o2c"], 1e-3)
    crop = source.cut(image, points, side, options)
    assert_picture(tensor(crop.image), recorded.warped(f"{name}.img_crop"))


def networks(recorded: Golden) -> source.OfficialFaces:
    detected = recorded["in.boxes"]
    return source.OfficialFaces(lambda blob: [detected], says(recorded["in.fc1"]), says(recorded["in.lm203"]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("first", AvatarOptions()),
        ("scale1.8_norot", AvatarOptions(crop_scale=1.8, crop_vy_ratio=0.1, crop_do_rotate=False)),
        ("track", AvatarOptions()),
    ],
)
def test_the_whole_chain(name: str, options: AvatarOptions, monkeypatch: pytest.MonkeyPatch):
    recorded = Golden("ditto/source_crop")
    found: Points = recorded["in.boxes"].numpy()
    detected = faces.Boxes(found[:, :4], np.zeros((len(found), 5, 2), np.float32), found[:, 4])
    monkeypatch.setattr(source, "detect", lambda frame, network: detected)
    previous = recorded["in.last"].numpy() if name == "track" else None
    result = source.crop_source(picture(recorded["in.img"]), networks(recorded), options, previous)
    assert_within(tensor(result.landmarks), recorded[f"out.{name}.lmk203"], 1e-3)
    assert_within(tensor(result.crop.to_original), recorded[f"out.{name}.M_c2o"], 1e-3)
    assert_picture(tensor(result.crop.image[::8, ::8]), recorded.warped(f"{name}.img_crop"))


def test_the_networks_input():
    recorded = Golden("ditto/crop_to_256")
    crop = (256 * seeded_input("crop256/u", (512, 512, 3), "", 0, 1)).floor().to(torch.uint8)
    image = source.network_input(torch.stack([crop, 255 - crop]))
    assert_relative(image[:1, :, ::8, ::8], recorded["out.image"])
    assert_relative(image[:1].mean(dim=(2, 3)), recorded["out.image_mean"])


# No limit, and sides that vanish, are refused here.
SIDES = [row for row in table("ditto/check_resize")["rows"] if row[2] > 0 and row[3] > 0]


@pytest.mark.parametrize("row", SIDES)
def test_sources_are_scaled_to_the_published_sides(row: list[int]):
    height, width, limit, new_height, new_width, _ = row
    frames = TensorSequence(torch.zeros(1, height, width, 3, dtype=torch.uint8))
    assert limit_size(frames, limit).shape == (new_height, new_width, 3)
