"""Super-resolution of finished frames: every face that needs it is restored and laid back, lazily.

A face is cut out upright, repainted by the networks one after the other, and what they changed is added to
the frame, inside the rendered region only. With steadiness a change is the average over neighbouring frames
wherever the picture below it keeps still, so that details do not flicker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data import Frames, RenderedRegion
from ..face.find import Face, FaceFinder
from ..face.region import Picture, Region
from ..host import Host
from ..media.source import as_source
from ..sequences import LazySequence
from .composite import Weights, warp
from .restorers import OpenRestorers, Restorer
from .superres_faces import face_square, five_points, lay_back, moved
from .superres_plan import FACE_SIDE, SMALLEST_FACE, Plan, SuperResOptions, listed, plan, scales

AT_ONCE_ON_GPU = 4
"""Faces a network takes together there; more are no faster, and one at a time are not slower on the CPU."""

STILL = 4.0
"""Difference between two frames, in levels of 255, at which they count for a third as the same picture."""

SURROUNDINGS = (1.0, 1.6)
"""How far around a rendered crop its face is looked for, in sides of the crop."""

BRIDGED = 2
"""Frames to each side that lend the place of a rendered face to one in which it is not found; more, and the
face may really be hidden."""

UPSCALER_STEP = 64
"""An upscaler gets faces of a multiple of this many pixels, so that a head that hardly moves keeps its
size."""

ANY_RATE = Fraction(1)
"""Pictures in memory have none."""

NO_FACE, TOO_SMALL, ENOUGH = "no face was found", "the face is too small", "the face is large enough"


@dataclass(frozen=True)
class RestoredFace:
    """square: where it is in the picture; seen: the aligned face (S, S, 3) uint8; change: what the networks
    add to it (S, S, 3), in levels of 255."""

    square: Region
    seen: Picture
    change: Weights


@dataclass(frozen=True)
class _Seen:
    """A frame (H, W, 3) as it came, and the aligned squares of the faces found in it."""

    picture: Tensor
    squares: tuple[Region, ...]


def enhance(
    frames: Frames, opened: OpenRestorers, options: SuperResOptions, host: Host
) -> tuple[Frames, str]:
    """The frames with restored faces, lazily, and what the user is told of it.

    opened: gives the networks, used one after the other; asked only when a frame is to be enhanced.
    """
    decided = plan(frames, options)
    if not decided.frames.any():
        return frames, decided.report
    images = EnhancedFrames(frames, tuple(opened()), options, decided, host)
    return replace(frames, images=images), decided.report


def enhance_images(
    images: Tensor, opened: OpenRestorers, options: SuperResOptions, host: Host
) -> tuple[Tensor, str]:
    """The same for pictures in memory, float32 (B, H, W, 3 or 4) in 0..1, as another program's.

    What is not enhanced keeps its values, finer than 1/255 too.
    """
    before = as_source(images[..., :3]).frames
    frames = Frames(before, ANY_RATE)
    decided = plan(frames, options)
    if not decided.frames.any():
        return images, decided.report
    enhanced = EnhancedFrames(frames, tuple(opened()), options, decided, host, tells=False)
    result = images.clone()
    for start in range(0, len(before), before.batch_size):
        part = slice(start, start + before.batch_size)
        change = enhanced[part].to(images) - before[part].to(images)
        result[part, ..., :3] = (images[part, ..., :3] + change / 255).clamp(0, 1)
        host.progress("super-resolution", min(part.stop, len(before)), len(before))
    return result, f"{decided.report} {enhanced.summary()}".strip()


class EnhancedFrames(LazySequence):
    """The frames with restored faces. Reading on from the last batch restores every frame once."""

    def __init__(
        self,
        frames: Frames,
        restorers: tuple[Restorer, ...],
        options: SuperResOptions,
        decided: Plan,
        host: Host,
        tells: bool = True,
    ) -> None:
        """tells: give the host the summary when the last frame has been read."""
        source = frames.images
        super().__init__(len(source), source.shape, source.dtype)
        self.source = source
        self.rendered = frames.rendered
        self.options = options
        self.decided = decided
        self.host = host
        self.skipped: dict[str, set[int]] = {}
        self._restorers = restorers
        self._finder = FaceFinder.default()
        for network in self._finder.networks:
            host.manage(network)
        self._scales = scales(frames.rendered) if frames.rendered else [1.0] * len(source)
        self._bridged = BRIDGED if frames.rendered else 0
        self._seen: dict[int, _Seen] = {}
        self._kept: dict[int, list[RestoredFace]] = {}
        self._told = not tells

    def compute(self, start: int, stop: int) -> Tensor:
        reach = self.options.steadiness
        first, last = max(0, start - reach), min(self.length, stop + reach)
        self._look(max(0, first - self._bridged), min(self.length, last + self._bridged))
        near = self._restored(first, last)
        self._kept = near
        result = torch.stack([self._finished(number, near) for number in range(start, stop)])
        if stop == self.length:
            self._tell()
        return result

    def summary(self) -> str:
        """Which of the chosen frames stayed as they were and why, as far as they have been read."""
        told = [f"{why} in {listed(sorted(numbers))}" for why, numbers in self.skipped.items()]
        return f"Super-resolution left frames as they were: {'; '.join(told)}." if told else ""

    def _tell(self) -> None:
        if self.skipped and not self._told:
            self.host.notice(self.summary())
        self._told = True

    def _look(self, start: int, stop: int) -> None:
        """Read frames start..stop-1 and find their faces; those of the last batch are not read again."""
        self._seen = {number: self._seen[number] for number in range(start, stop) if number in self._seen}
        missing = [number for number in range(start, stop) if number not in self._seen]
        if missing:
            first, last = missing[0], missing[-1]
            pictures = self.source[first : last + 1]
            for number in missing:
                picture = pictures[number - first]
                self._seen[number] = _Seen(picture, self._found(number, picture.numpy()))

    def _restored(self, start: int, stop: int) -> dict[int, list[RestoredFace]]:
        """The faces of frames start..stop-1, new ones all repainted together."""
        missing = [number for number in range(start, stop) if number not in self._kept]
        wanted = [(number, square) for number in missing for square in self._squares(number)]
        seen = [square.crop(self._seen[number].picture.numpy(), FACE_SIDE) for number, square in wanted]
        sides = [square.side / self._scales[number] for number, square in wanted]
        changes = self._changes(seen, sides)
        faces = {number: self._kept.get(number, []) for number in range(start, stop)}
        for (number, square), face, change in zip(wanted, seen, changes, strict=True):
            faces[number] = [*faces[number], RestoredFace(square, face, change)]
        return faces

    def _squares(self, number: int) -> list[Region]:
        """The aligned squares of the faces to be restored in a frame."""
        if not self.decided.frames[number]:
            return []
        squares = self._seen[number].squares or self._lent(number)
        if not squares:
            self._skip(number, NO_FACE)
        kept: list[Region] = []
        for square in squares:
            if square.side < SMALLEST_FACE:
                self._skip(number, TOO_SMALL)
            elif self.decided.by_face and square.side >= FACE_SIDE:
                self._skip(number, ENOUGH)
            else:
                kept.append(square)
        return kept

    def _lent(self, number: int) -> tuple[Region, ...]:
        """The square of a rendered face from the nearest frame it was found in, moved along with its crop."""
        if self.rendered is None:
            return ()
        to_frame = self.rendered.to_frame.double()
        for near in (number + step for away in range(1, self._bridged + 1) for step in (-away, away)):
            if near in self._seen and self._seen[near].squares:
                motion = to_frame[number] @ to_frame[near].inverse()
                return tuple(moved(square, motion.numpy()) for square in self._seen[near].squares)
        return ()

    def _found(self, number: int, picture: Picture) -> tuple[Region, ...]:
        """The aligned squares of the faces in a frame that is to be enhanced."""
        faces = self._faces(number, picture) if self.decided.frames[number] else []
        return tuple(face_square(five_points(face.landmarks)) for face in faces)

    def _faces(self, number: int, picture: Picture) -> list[Face]:
        if self.rendered is None:
            return self._finder.find_all(picture, thorough=False, check=self.host.check_interrupted)
        region = _region(self.rendered, number)
        for size in SURROUNDINGS:
            wide = Region(region.x, region.y, size * region.side, region.angle)
            faces = self._finder.within(picture, wide)
            if faces:
                return [min(faces, key=lambda face: math.dist(face.centre, (region.x, region.y)))]
        return []

    def _skip(self, number: int, why: str) -> None:
        self.skipped.setdefault(why, set()).add(number)

    def _changes(self, seen: list[Picture], sides: list[float]) -> list[Weights]:
        """What the networks change of aligned faces (S, S, 3), each (S, S, 3) in levels of 255.

        sides: the pixels each face has been rendered with.
        """
        on_gpu = any(restorer.device.type != "cpu" for restorer in self._restorers)
        size = AT_ONCE_ON_GPU if on_gpu else 1
        changes: list[Weights] = []
        for start in range(0, len(seen), size):
            self.host.check_interrupted()
            faces = torch.from_numpy(np.stack(seen[start : start + size])).permute(0, 3, 1, 2) / 255
            painted = faces
            for restorer in self._restorers:
                painted = _painted(restorer, painted, sides[start : start + size], self.options.fidelity)
            change = (painted - faces) * (255 * self.options.strength)
            changes += list(change.permute(0, 2, 3, 1).numpy())
        return changes

    def _finished(self, number: int, near: dict[int, list[RestoredFace]]) -> Tensor:
        if not near[number]:
            return self._seen[number].picture
        picture = self._seen[number].picture.clone()
        limit = self._limit(number)
        for face in near[number]:
            change = steadied(face, _neighbours(face, number, near, self.options.steadiness))
            lay_back(picture.numpy(), change, face.square, limit)
        return picture

    def _limit(self, number: int) -> Weights | None:
        """How much of a change is shown where: only what was rendered is enhanced."""
        if self.rendered is None:
            return None
        height, width = self.shape[:2]
        matrix = self.rendered.to_frame[number].numpy()
        return warp(self.rendered.weight.numpy(), matrix, slice(0, height), slice(0, width))


def steadied(face: RestoredFace, neighbours: Sequence[tuple[float, RestoredFace]]) -> Weights:
    """The change of a face averaged with those of the same face in other frames, where nothing moves.

    neighbours: each with its weight there.
    """
    total, weights = np.array(face.change), np.ones((*face.change.shape[:2], 1), np.float32)
    for weight, other in neighbours:
        shared = (weight * _stillness(face.seen, other.seen))[..., None]
        total += shared * other.change
        weights += shared
    return total / weights


def _stillness(one: Picture, other: Picture) -> NDArray[np.float32]:
    """1 where two aligned faces look the same, 0 where they differ: (S, S)."""
    difference = cv2.absdiff(one, other).astype(np.float32).mean(axis=2)
    around: NDArray[np.float32] = np.asarray(cv2.blur(difference, (9, 9)), np.float32)
    return np.exp(-np.square(around / STILL)).astype(np.float32)


def _neighbours(
    face: RestoredFace, number: int, near: dict[int, list[RestoredFace]], reach: int
) -> list[tuple[float, RestoredFace]]:
    """The same face in the frames before and after, each with a weight that falls with its distance."""
    found: list[tuple[float, RestoredFace]] = []
    for step in (step for step in range(-reach, reach + 1) if step and number + step in near):
        for other in near[number + step]:
            distance = math.hypot(other.square.x - face.square.x, other.square.y - face.square.y)
            if distance < face.square.side / 4:
                found.append((1 - abs(step) / (reach + 1), other))
    return found


def _painted(restorer: Restorer, faces: Tensor, sides: Sequence[float], fidelity: float) -> Tensor:
    """Aligned faces (B, 3, S, S) in 0..1 through one network. An upscaler gets each as large as it was
    rendered."""
    if restorer.kind != "upscaler":
        return restorer(faces, fidelity)
    painted: list[Tensor] = []
    for number, side in enumerate(sides):
        steps = min(max(round(side / UPSCALER_STEP), 1), FACE_SIDE // UPSCALER_STEP)
        painted.append(
            _resized(restorer(_resized(faces[number : number + 1], steps * UPSCALER_STEP)), FACE_SIDE)
        )
    return torch.cat(painted)


def _resized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(
        pictures, size=(side, side), mode="bicubic", align_corners=False, antialias=True
    ).clamp(0, 1)


def _region(rendered: RenderedRegion, number: int) -> Region:
    """The crop of a frame as a turned square of the frame."""
    height, width = rendered.weight.shape
    return moved(Region(width / 2, height / 2, max(height, width)), rendered.to_frame[number].numpy())
