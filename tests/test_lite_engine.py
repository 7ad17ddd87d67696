"""The Lite engine from a picture to finished frames, on the bundled portrait and warps of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import ditto_core
from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio, Keypoints, Motion
from ditto_core.errors import EngineError, FaceNotFoundError, Interrupted
from ditto_core.face.seen import Seen
from ditto_core.face.track import Tracked
from ditto_core.host import Host
from ditto_core.lite import visemes
from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.engine import LiteEngine
from ditto_core.lite.geometry import LOWER_LID, UPPER_LID, canonical_face, place
from ditto_core.lite.posing import driving_points, poses, source_points
from ditto_core.lite.register import build_avatar
from ditto_core.media.images import read_image
from ditto_core.media.source import as_source
from ditto_core.options import AvatarOptions, BlendOptions, MotionOptions, StitchOptions
from ditto_core.sequences import mirror_index

ENGINE = LiteEngine()
HOST = Host()
FPS = Fraction(25)
SILENCE = Audio(torch.zeros(1, 16000), 16000)


def portrait(side=None):
    picture = read_image(Path(ditto_core.__file__).parent / "assets" / "astronaut.png").numpy()
    return picture if side is None else cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def register(pixels, fps=None, options=None):
    return ENGINE.register(as_source(np.ascontiguousarray(pixels), fps), options or AvatarOptions(), HOST)


def motion_rows(*frames):
    values = torch.zeros(len(frames), len(CHANNELS))
    for row, frame in enumerate(frames):
        for name, value in frame.items():
            values[row, COLUMN[name]] = value
    return values


def keypoints(avatar, values):
    index = mirror_index(len(values), len(avatar.frames))
    motion = Motion(ENGINE, values, FPS, CHANNELS, SILENCE)
    return Keypoints(
        ENGINE, avatar, motion, source_points(avatar), driving_points(avatar, values, index), index
    )


def crops(avatar, *frames):
    return ENGINE.decode(ENGINE.warp(keypoints(avatar, motion_rows(*frames))))


def render(avatar, *frames):
    """Finished frames (N, H, W, 3) of the motions given as {channel: value}."""
    return put_back(crops(avatar, *frames)).images[: len(frames)].numpy()


def remeasured(pictures, of):
    """A measure in cm of the face that is found in each picture."""
    faces = np.stack([ENGINE.finder.find(picture).landmarks for picture in pictures])
    return of(place(faces).to_cm(faces[:, :468]))


def lip_gap(faces):
    return faces[:, 13, 1] - faces[:, 14, 1]


def mouth_width(faces):
    return faces[:, 291, 0] - faces[:, 61, 0]


def eye_gap(faces):
    return (faces[:, UPPER_LID, 1] - faces[:, LOWER_LID, 1]).mean(axis=(1, 2))


@pytest.fixture(scope="module")
def avatar():
    return register(portrait())


@pytest.fixture(scope="module")
def closed_portrait(avatar):
    return render(avatar, {})[0]


def test_commanded_opening_is_what_one_sees(avatar):
    opening = np.linspace(0, 1.8, 7)
    seen = remeasured(render(avatar, *({"open": value} for value in opening)), lip_gap)
    slope, offset = np.polyfit(opening, seen, 1)
    assert np.corrcoef(opening, seen)[0, 1] > 0.98
    assert 0.65 < slope < 1.25
    assert offset < 0.2


def test_commanded_width_is_what_one_sees(avatar):
    wide = np.linspace(-1, 1, 5)
    seen = remeasured(render(avatar, *({"wide": value, "open": 0.4} for value in wide)), mouth_width)
    assert (np.diff(seen) > 0.02).all()
    assert seen[-1] > 1.12 * seen[0]


def test_blinks_are_seen(avatar):
    closing = np.array([0, 0.5, 1.0])
    frames = ({"blink_left": value, "blink_right": value} for value in closing)
    seen = remeasured(render(avatar, *frames), eye_gap)
    assert seen[1] < 0.85 * seen[0]
    assert seen[2] < 0.17 * seen[0]


def test_a_closed_mouth_at_rest_is_the_picture_itself(closed_portrait):
    again = render(register(closed_portrait), {})[0]
    difference = np.abs(again.astype(int) - closed_portrait)
    assert difference.mean() < 0.05
    assert np.quantile(difference, 0.999) <= 12


def test_only_the_surroundings_of_the_face_change(avatar):
    original = avatar.frames[0].numpy()
    moved = render(avatar, {"open": 1.5, "yaw": 3, "pitch": 2, "roll": -3, "tx": 0.2})[0]
    left, top = avatar.corners[0].tolist()
    height, width = avatar.region
    untouched = np.ones(original.shape[:2], bool)
    untouched[max(top, 0) : top + height, max(left, 0) : left + width] = False
    assert untouched.mean() > 0.5
    np.testing.assert_array_equal(moved[untouched], original[untouched])
    changed = (moved != original).any(axis=2)
    assert changed[100:160, 180:270].mean() > 0.5


def test_pixels_outside_the_moving_mesh_are_the_sources_bytes_without_a_feather(avatar):
    original = avatar.frames[0].numpy()
    face = crops(avatar, {"open": 1.5, "yaw": 3, "roll": 3})
    moved = put_back(face, BlendOptions(feather=0)).images[0].numpy()
    ring = keypoints(avatar, motion_rows({})).source[0][-36:, :2].numpy()
    outside = np.ones(original.shape[:2], np.uint8)
    cv2.fillPoly(outside, [np.round(ring).astype(np.int32)], 0)
    outside = cv2.erode(outside, np.ones((7, 7), np.uint8)).astype(bool)
    np.testing.assert_array_equal(moved[outside], original[outside])


def test_a_batch_is_as_its_frames(avatar):
    frames = [{"open": 0.2 * i, "yaw": i - 3, "blink_left": i / 7} for i in range(8)]
    images = put_back(crops(avatar, *frames)).images
    assert torch.equal(images[0:8][3:5], images[3:5])
    assert torch.equal(images[7], images[7:8][0])


def test_a_video_keeps_its_head_and_loses_its_mouth():
    picture = portrait()
    mover = register(picture)
    talking = render(mover, {"open": 0.1}, {"open": 1.2, "yaw": 2}, {"open": 0.6, "yaw": 4})
    video = register(talking, FPS)
    assert video.is_video
    stitched = ENGINE.stitch(
        video,
        Motion(ENGINE, motion_rows(*[{"yaw": 4, "brow": 1, "blink_left": 1}] * 5), FPS, CHANNELS, SILENCE),
        StitchOptions(),
    )
    assert not stitched.motion.values.any()  # head, brows and lids are the person's own
    assert stitched.source_index.tolist() == [0, 1, 2, 2, 1]
    quiet = put_back(ENGINE.decode(ENGINE.warp(stitched))).images[0:5].numpy()
    assert remeasured(talking, lip_gap).max() > 1.0
    assert remeasured(quiet, lip_gap).max() < 0.35
    yaw = place(np.stack([ENGINE.finder.find(p).landmarks for p in quiet[:3]])).head_angles()[:, 0]
    assert yaw[2] - yaw[0] > 2


def test_frames_without_the_person_stay_as_they_are():
    picture = portrait()
    grey = np.full_like(picture, 128)
    video = register(np.stack([picture, grey, picture]), FPS)
    frames = put_back(crops(video, *[{"open": 1.5}] * 3))
    rendered = frames.images[:3].numpy()
    assert frames.rendered is not None
    assert frames.rendered.shown[:3].tolist() == [True, False, True]
    np.testing.assert_array_equal(rendered[1], grey)
    assert (rendered[2] != picture).any()
    assert any("stay as they are" in note for note in video.notes)


def test_frames_in_which_the_mouth_is_hidden_stay_as_they_are():
    picture = portrait()
    landmarks = ENGINE.finder.find(picture).landmarks
    tracked = Tracked(torch.from_numpy(np.stack([landmarks] * 3)), Seen(np.ones(3, bool)))
    source = as_source(np.stack([picture] * 3), FPS)
    video = build_avatar(ENGINE, source, tracked, AvatarOptions(), hidden=(1,))
    rendered = render(video, *[{"open": 1.5}] * 3)
    np.testing.assert_array_equal(rendered[1], picture)
    assert (rendered[[0, 2]] != picture).any(axis=(1, 2, 3)).all()
    assert any("in front of the mouth in 1 of 3 frames" in note for note in video.notes)


def test_registering_sees_in_which_frames_the_mouth_is_hidden():
    picture = portrait()
    lips = ENGINE.finder.find(picture).landmarks[[13, 14, 61, 291], :2]
    width = np.ptp(lips[:, 0])
    covered = picture.copy()
    middle, half = lips.mean(axis=0).astype(int).tolist(), (int(0.9 * width), int(0.6 * width))
    cv2.ellipse(covered, middle, half, 0, 0, 360, (25, 25, 28), -1)
    video = register(np.stack([picture] * 5 + [covered] * 4 + [picture] * 5), FPS)
    assert video.absent == {4, 5, 6, 7, 8, 9}  # the frames beside may show half a mouth


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda p: np.rot90(p), id="turned by 90 degrees"),
        pytest.param(
            lambda p: cv2.resize(p[20:230, 110:330], (64, 64), interpolation=cv2.INTER_AREA), id="64 pixels"
        ),
        pytest.param(lambda p: p[60:, 190:450], id="partly outside"),
        pytest.param(lambda p: p[75:185, 175:275], id="nothing but the face"),
        pytest.param(
            lambda p: np.repeat(p.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8), id="grey"
        ),
    ],
)
def test_any_portrait_speaks(change):
    person = register(change(portrait()))
    rest, wide = render(person, {}, {"open": 1.5, "yaw": 2})
    assert rest.shape == tuple(person.frames.shape)
    lips = person.mesh[0, [13, 14, 61, 291], :2].numpy()
    x, y = np.clip(lips.mean(axis=0).astype(int), 3, None)
    assert (
        np.abs(rest[y - 3 : y + 4, x - 3 : x + 4].astype(int) - wide[y - 3 : y + 4, x - 3 : x + 4]).mean() > 8
    )


def test_a_far_face_in_a_wide_picture_speaks_and_blinks():
    stage = np.full((720, 1280, 3), 120, np.uint8)
    stage[104:616, 700:1212] = portrait()
    pictures = render(register(stage), {}, {"open": 1.5}, {"blink_left": 1, "blink_right": 1})
    gaps, eyes = remeasured(pictures, lip_gap), remeasured(pictures, eye_gap)
    assert gaps[1] - gaps[0] > 0.4
    assert eyes[2] < 0.17 * eyes[0]


def test_max_size_is_kept():
    person = register(portrait(), options=AvatarOptions(max_size=256))
    assert tuple(person.frames.shape) == (256, 256, 3)
    assert person.landmarks.max() < 256


def test_the_user_hears_what_to_expect(avatar):
    assert avatar.notes == ()
    open_mouth = register(render(avatar, {"open": 2.0})[0])
    assert any("mouth is open" in note for note in open_mouth.notes)
    tiny = register(cv2.resize(portrait()[20:230, 110:330], (64, 64), interpolation=cv2.INTER_AREA))
    assert any("pixels wide" in note for note in tiny.notes)
    two = register(np.concatenate([portrait(), portrait()], axis=1))
    assert any("2 faces and the largest" in note for note in two.notes)


def test_a_picture_without_a_face_is_refused():
    with pytest.raises(FaceNotFoundError, match="No face"):
        register(np.full((128, 128, 3), 90, np.uint8))


def turned_portrait(yaw):
    """A portrait and the landmarks of a head turned by so many degrees."""
    angle = np.radians(yaw)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    landmarks = np.zeros((1, 478, 3), np.float32)
    landmarks[0, :468] = canonical_face().vertices @ turn.T * (12, -12, -12) + (256, 256, 0)
    return as_source(portrait()), Tracked(torch.from_numpy(landmarks), Seen(np.ones(1, bool)))


def test_a_turned_head_is_remarked_and_a_profile_refused():
    source, tracked = turned_portrait(40)
    notes = build_avatar(ENGINE, source, tracked, AvatarOptions()).notes
    assert any("turned 40 degrees" in note for note in notes)
    with pytest.raises(FaceNotFoundError, match="turned 70 degrees"):
        build_avatar(ENGINE, *turned_portrait(70), AvatarOptions())


def test_stages_in_order(avatar):
    audio = Audio(torch.randn(2, 22050, generator=torch.Generator().manual_seed(1)) * 0.05, 22050)
    speech = ENGINE.encode_speech(audio, HOST)
    assert (speech.rate, speech.values.shape[1], speech.encoder) == (100, 18, "visemes")
    motion = ENGINE.sample_motion(avatar, speech, MotionOptions(seed=3, fps=FPS), HOST)
    assert motion.values.shape == (25, len(CHANNELS))
    points = ENGINE.stitch(avatar, motion, StitchOptions())
    assert (len(points.source), len(points.driving)) == (1, 25)
    volumes = ENGINE.warp(points)
    assert volumes.values.shape == (*avatar.map_shape, 2)
    faces = ENGINE.decode(volumes)
    assert faces.images.shape == (*avatar.region, 3)
    frames = put_back(faces)
    assert (len(frames.images), frames.height, frames.width) == (25, 512, 512)
    assert frames.images[0:1].dtype == torch.uint8


def test_the_same_seed_gives_the_same_frames(avatar):
    speech = ENGINE.encode_speech(SILENCE, HOST)
    first, again, other = (
        ENGINE.sample_motion(avatar, speech, MotionOptions(seed=seed), HOST).values for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_other_engines_outputs_are_refused(avatar):
    class Other(LiteEngine):
        name = "other"
        label = "Other"

    speech = ENGINE.encode_speech(SILENCE, HOST)
    with pytest.raises(EngineError, match="different engines"):
        ENGINE.sample_motion(avatar, replace(speech, engine=Other()), MotionOptions(), HOST)
    points = keypoints(avatar, motion_rows({}))
    with pytest.raises(EngineError, match="Other"):
        ENGINE.warp(replace(points, engine=Other()))


def test_a_batch_is_posed_once_for_warping_and_decoding(avatar, monkeypatch):
    posed = []

    def counted(keypoints, person, start, stop):
        posed.append((start, stop))
        return poses(keypoints, person, start, stop)

    monkeypatch.setattr("ditto_core.lite.render.poses", counted)
    render(avatar, {}, {"open": 1.0})
    assert posed == [(0, 2)]


def test_listening_tells_how_far_it_is_and_stops_within_a_block(monkeypatch):
    class Impatient(Host):
        def __init__(self):
            self.told = []

        def progress(self, stage, done, total, preview=None):
            self.told.append((stage, done, total))

        def check_interrupted(self):
            if self.told and self.told[-1][1] >= 200:
                raise Interrupted("stopped")

    monkeypatch.setattr(visemes, "_BLOCK", 100)
    host = Impatient()
    with pytest.raises(Interrupted):
        ENGINE.encode_speech(Audio(torch.zeros(1, 5 * 48000), 48000), host)
    assert list(dict.fromkeys(host.told)) == [("listen", rows, 500) for rows in (0, 100, 200)]
