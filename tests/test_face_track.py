"""Following a face: movement, frames without it, cuts, another face, jitter, interruption."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import ditto_core
from ditto_core.errors import FaceNotFoundError, Interrupted
from ditto_core.face.find import FaceFinder
from ditto_core.face.region import Picture
from ditto_core.face.track import Tracked, track
from ditto_core.host import Host
from ditto_core.options import FaceChoice
from ditto_core.sequences import ComputedSequence, TensorSequence

ASTRONAUT = Path(ditto_core.__file__).parent / "assets" / "astronaut.png"
WIDTH, HEIGHT = 320, 240
NOSE = 4


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.default()


@pytest.fixture(scope="module")
def portrait() -> Picture:
    """The astronaut's head, 160x160, the face in the middle."""
    whole = cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(whole[44:204, 145:305])


def frame(portrait: Picture, x: float, y: float, scale: float = 1.0) -> Picture:
    """The head with its face's middle at (x, y) on a shaded background."""
    shade = np.linspace(40, 120, WIDTH).astype(np.uint8)[None, :, None]
    canvas = np.ascontiguousarray(np.broadcast_to(shade, (HEIGHT, WIDTH, 3)))
    affine = np.array([[scale, 0, x - 80 * scale], [0, scale, y - 80 * scale]])
    return cv2.warpAffine(
        portrait,
        affine,
        (WIDTH, HEIGHT),
        dst=canvas,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def follow(finder: FaceFinder, frames: list[Picture], choice: FaceChoice | None = None) -> Tracked:
    sequence = TensorSequence(torch.from_numpy(np.stack(frames)))
    return track(finder, sequence, choice or FaceChoice(), Host())


BLANK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def test_a_moving_face_is_followed_without_lag(finder: FaceFinder, portrait: Picture) -> None:
    places = [(100 + 6 * i, 110 + 10 * np.sin(i)) for i in range(18)]
    tracked = follow(finder, [frame(portrait, x, y) for x, y in places])
    assert tracked.landmarks.shape == (18, 478, 3)
    assert tracked.landmarks.dtype == torch.float32
    assert (tracked.seen.bridged, tracked.seen.jumps) == ((), ())
    nose = tracked.landmarks[:, NOSE, :2].numpy() - np.array(places)
    assert np.abs(nose - nose.mean(0)).max() < 1.5


def test_frames_without_a_face_are_bridged(finder: FaceFinder, portrait: Picture) -> None:
    frames = [frame(portrait, 120 + 4 * i, 120) for i in range(12)]
    for gone in (0, 1, 5, 6, 7, 11):
        frames[gone] = BLANK
    tracked = follow(finder, frames)
    assert tracked.seen.bridged == tracked.seen.absent == (0, 1, 5, 6, 7, 11)
    assert tracked.seen.jumps == ()
    x = tracked.landmarks[:, NOSE, 0].numpy()
    assert x[:2] == pytest.approx([x[2]] * 2, abs=1)
    assert x[11] == pytest.approx(x[10], abs=1)
    assert np.diff(x[2:11]) == pytest.approx([4] * 8, abs=1)


def test_a_blurred_face_is_still_there(finder: FaceFinder, portrait: Picture) -> None:
    frames = [frame(portrait, 120, 120) for _ in range(4)]
    frames[2] = np.asarray(cv2.blur(frames[2], (45, 1)))
    tracked = follow(finder, frames)
    assert (tracked.seen.bridged, tracked.seen.absent) == ((2,), ())


def test_no_face_in_any_frame(finder: FaceFinder) -> None:
    with pytest.raises(FaceNotFoundError, match=r"any of the 3 frames \(320x240\). Tried"):
        follow(finder, [BLANK] * 3)


def test_a_picture_without_a_face(finder: FaceFinder) -> None:
    with pytest.raises(FaceNotFoundError, match="No face found in the picture"):
        follow(finder, [BLANK])


def test_a_cut_takes_the_nearest_face_and_says_so(finder: FaceFinder, portrait: Picture) -> None:
    before = [frame(portrait, 90, 120)] * 4
    after = np.full_like(BLANK, 200)
    after[:, : WIDTH // 2] = 60
    after[80:, 170:310] = cv2.resize(portrait[:, ::-1], (140, 160))
    after[10:110, 20:120] = cv2.resize(portrait, (100, 100))
    tracked = follow(finder, [*before, *[after] * 4])
    assert tracked.seen.jumps == (4,)
    assert tracked.seen.bridged == ()
    assert tracked.landmarks[3, NOSE, :2].numpy() == pytest.approx([90, 120], abs=8)
    assert tracked.landmarks[4, NOSE, :2].numpy() == pytest.approx([70, 62], abs=8)


def test_another_face_does_not_take_over(finder: FaceFinder, portrait: Picture) -> None:
    """The chosen person is out of sight for a moment while another one is in the picture."""
    both = frame(portrait, 80, 120)
    both[60:180, 200:320] = cv2.resize(portrait[:, ::-1], (120, 120))
    hidden = both.copy()
    hidden[30:220, 0:170] = hidden[10:20, 0:170].mean((0, 1))
    tracked = follow(finder, [both] * 3 + [hidden] * 3 + [both] * 3, FaceChoice("from left", 0))
    assert tracked.seen.bridged == (3, 4, 5)
    assert tracked.landmarks[:, NOSE, 0].max() < 120


def test_a_face_that_comes_back_elsewhere_is_reported(finder: FaceFinder, portrait: Picture) -> None:
    """After a longer absence the only face is taken, far from where it was; it may be another person."""
    left, right = frame(portrait, 80, 120, 0.8), frame(portrait, 240, 120, 0.8)
    empty = np.ascontiguousarray(np.broadcast_to(frame(portrait, -200, 0)[:1], (HEIGHT, WIDTH, 3)))
    tracked = follow(finder, [left] * 2 + [empty] * 8 + [right] * 2)
    assert tracked.seen.jumps == (10,)
    assert tracked.seen.bridged == tuple(range(2, 10))
    x = tracked.landmarks[:, NOSE, 0].numpy()
    assert x[:6] == pytest.approx([80] * 6, abs=4)
    assert x[6:] == pytest.approx([240] * 6, abs=4)


def test_the_choice_waits_for_a_frame_that_fits(finder: FaceFinder, portrait: Picture) -> None:
    alone = frame(portrait, 80, 120)
    both = alone.copy()
    both[60:180, 200:320] = cv2.resize(portrait[:, ::-1], (120, 120))
    tracked = follow(finder, [alone, both, both], FaceChoice("from left", 1))
    assert tracked.seen.bridged == (0,)
    assert tracked.landmarks[:, NOSE, 0].min() > 200
    with pytest.raises(FaceNotFoundError, match="1 face"):
        follow(finder, [alone, alone], FaceChoice("from left", 1))


def test_several_faces_are_counted_when_nobody_chose(finder: FaceFinder, portrait: Picture) -> None:
    both = frame(portrait, 80, 120)
    both[60:180, 200:320] = cv2.resize(portrait[:, ::-1], (120, 120))
    assert follow(finder, [both]).seen.faces == 2
    assert follow(finder, [both], FaceChoice("from left", 1)).seen.faces == 1


def test_a_still_face_is_steady_and_a_sudden_move_is_kept(finder: FaceFinder, portrait: Picture) -> None:
    noise = np.random.default_rng(1)

    def noisy(x: float) -> Picture:
        values = frame(portrait, x, 120) + noise.normal(0, 6, (HEIGHT, WIDTH, 3))
        return values.clip(0, 255).astype(np.uint8)

    frames = [noisy(150) for _ in range(12)] + [noisy(158) for _ in range(12)]
    landmarks = follow(finder, frames).landmarks.numpy()
    alone = np.stack([finder.find(picture).landmarks for picture in frames])
    steady, raw = landmarks[:12].std(0)[:, :2].mean(), alone[:12].std(0)[:, :2].mean()
    assert steady < 0.7 * raw
    step = landmarks[12, :, 0].mean() - landmarks[11, :, 0].mean()
    assert step == pytest.approx(8, abs=0.8)


def test_frames_are_read_once_in_batches_with_progress(finder: FaceFinder, portrait: Picture) -> None:
    asked: list[tuple[int, int]] = []
    told: list[tuple[str, int, int, tuple[int, ...]]] = []

    def compute(start: int, stop: int) -> Tensor:
        asked.append((start, stop))
        return torch.from_numpy(np.stack([frame(portrait, 150, 120)] * (stop - start)))

    class Listening(Host):
        def progress(self, stage: str, done: int, total: int, preview: Tensor | None = None) -> None:
            assert preview is not None
            assert preview.dtype == torch.uint8
            told.append((stage, done, total, tuple(preview.shape)))

    frames = ComputedSequence(compute, 20, (HEIGHT, WIDTH, 3), torch.uint8)
    track(finder, frames, FaceChoice(), Listening())
    assert asked == [(0, 8), (8, 16), (16, 20)]
    assert [entry[:3] for entry in told] == [("register", 8, 20), ("register", 16, 20), ("register", 20, 20)]
    assert told[0][3] == (HEIGHT, WIDTH, 3)


def test_interruption_stops_at_the_next_batch(finder: FaceFinder, portrait: Picture) -> None:
    class Impatient(Host):
        def check_interrupted(self) -> None:
            raise Interrupted("stopped")

    frames = TensorSequence(torch.from_numpy(frame(portrait, 150, 120))[None].expand(20, -1, -1, -1))
    with pytest.raises(Interrupted):
        track(finder, frames, FaceChoice(), Impatient())


def test_interruption_stops_between_two_looks_at_a_picture_without_a_face(finder: FaceFinder) -> None:
    class Patient(Host):
        asked = 0

        def check_interrupted(self) -> None:
            self.asked += 1
            if self.asked == 10:
                raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        track(finder, TensorSequence(torch.zeros(1, 90, 160, 3, dtype=torch.uint8)), FaceChoice(), Patient())
