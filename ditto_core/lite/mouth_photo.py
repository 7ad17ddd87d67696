"""What a photo says about the light, the colours, the sharpness and the grain of the face in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..errors import InputError
from ..face.region import Picture
from .basis import CLOSE_DOWN
from .geometry import LOWER_LIP, UPPER_LIP, VERTICES, Floats, place
from .mouth_flats import BEHIND_LIPS, BOTTOM, LEFT, RASTER, RIGHT, TOP

LEFT_CHEEK, RIGHT_CHEEK = (50, 205), (280, 425)  # beside the nose
CHEEK_DISTANCE, CHEEK_RADIUS = 5.0, 0.6  # cm
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
SHARPEST, SOFTEST = 0.03, 0.12  # cm, radii of blur that make sense for an interior


@dataclass(frozen=True)
class FacePhoto:
    """A face's part of a picture, no finer than the raster of the mouth's plane.

    pixels: uint8 (h,w,3) RGB; points: (478,3) landmarks in it; scale: px per cm; plane: (2,3) from cm in the
    plane of the teeth to px.
    """

    pixels: Picture
    points: Floats
    scale: float
    plane: Floats

    @staticmethod
    def cut(picture: Picture, landmarks: Floats) -> FacePhoto:
        """The face at landmarks (478,3) px in an RGB picture. Raises InputError when it is only a speck."""
        placement = place(landmarks[None])
        scale = 1 / float(placement.cm_per_px()[0])
        if not scale >= 0.5:
            raise InputError(
                "The face in the picture is too small to animate: it is less than 10 pixels wide. "
                "Use a larger picture or crop it to the face."
            )
        shape = placement.to_cm(landmarks[None, :VERTICES])[0]
        seam = (1 - CLOSE_DOWN) * shape[UPPER_LIP[3, 5]] + CLOSE_DOWN * shape[LOWER_LIP[3, 5]]
        corners = seam + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32) - [0, 0, BEHIND_LIPS]
        origin, right, up = placement.to_px(corners[None].astype(np.float32))[0, :, :2]

        height, width = picture.shape[:2]
        low = np.clip(np.floor(landmarks[:, :2].min(0)), 0, [width - 1, height - 1]).astype(int)
        high = np.clip(np.ceil(landmarks[:, :2].max(0)), low + 1, [width, height]).astype(int)
        pixels = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
        shrink = min(1.0, RASTER / scale)
        if shrink < 1:
            pixels = np.asarray(cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
        points = (landmarks - [low[0], low[1], 0]) * shrink
        plane = np.stack([right - origin, up - origin, origin - low], axis=-1) * shrink
        return FacePhoto(
            pixels.astype(np.uint8), points.astype(np.float32), scale * shrink, plane.astype(np.float32)
        )

    @cached_property
    def light(self) -> Floats:
        """Luminance (h,w), 0..255."""
        return luminance(self.pixels)

    @cached_property
    def cheeks(self) -> tuple[Floats, Floats]:
        """Colours (3,) of the image-left and image-right cheek."""
        return self._cheek(LEFT_CHEEK), self._cheek(RIGHT_CHEEK)

    @property
    def skin(self) -> Floats:
        """The skin's colour (3,), never quite black."""
        return np.maximum((self.cheeks[0] + self.cheeks[1]) / 2, 8)

    @cached_property
    def lips(self) -> tuple[Floats, Floats]:
        """Colours (3,) of the upper and lower lip, without the inner third that may be teeth."""
        bands = (self.inside(self.points[[*lip[0], *lip[2, ::-1]], :2]) for lip in (UPPER_LIP, LOWER_LIP))
        upper, lower = (np.maximum(np.median(band, axis=0), 8).astype(np.float32) for band in bands)
        return upper, lower

    @property
    def black(self) -> Floats:
        """The darkest colour (3,) of the face: pupils, lashes, nostrils."""
        return self.pixels[self.light <= np.quantile(self.light, 0.005)].mean(0).astype(np.float32)

    @property
    def width(self) -> float:
        """cm between the inner corners of the mouth."""
        return (
            float(np.linalg.norm(self.points[UPPER_LIP[3, 0]] - self.points[UPPER_LIP[3, -1]])) / self.scale
        )

    def lighting(self, x: Floats) -> Floats:
        """How much brighter it is at x cm than in the middle, from the cheeks; less on the moist inside."""
        left, right = (float(cheek @ LUMINANCE) + 8 for cheek in self.cheeks)
        slope = np.clip(np.log(right / left), -0.7, 0.7) / CHEEK_DISTANCE
        return np.exp(0.6 * slope * x).astype(np.float32)

    def softness(self) -> float:
        """Gaussian radius in cm of the sharpest edges.

        Zhuo & Sim 2011, "Defocus map estimation from a single image": blurring an edge of radius s once more
        by s0 divides its gradient by R = sqrt(1 + s0²/s²).
        """
        once_more = 1.0
        sharp = _blurred(self.light, 0.5)
        before, after = _steepness(sharp), _steepness(_blurred(sharp, once_more))
        crests = before >= max(1.0, 0.6 * float(np.quantile(before, 0.998)))
        if not crests.any():
            return SHARPEST
        ratio = float(np.median(before[crests] / np.maximum(after[crests], 1e-3)))
        radius = once_more / float(np.sqrt(max(ratio**2 - 1, 1e-2))) / self.scale
        return min(max(radius, SHARPEST), SOFTEST)

    def grain(self) -> float:
        """Standard deviation of the noise on the cheeks, 0..8."""
        rough = np.abs(self.light - _blurred(self.light, 1.2))
        cheeks = [self._around(landmark, rough) for landmark in (*LEFT_CHEEK, *RIGHT_CHEEK)]
        return min(1.4826 * float(np.median(np.concatenate(cheeks))), 8.0)  # median deviation to standard

    def in_plane(self) -> Floats:
        """The photo as seen in the plane of the teeth, on its raster: (H,W,3) 0..255."""
        to_cm = np.array(
            [[1 / RASTER, 0, LEFT + 0.5 / RASTER], [0, -1 / RASTER, TOP - 0.5 / RASTER], [0, 0, 1]]
        )
        size = (round((RIGHT - LEFT) * RASTER), round((TOP - BOTTOM) * RASTER))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(
            self.pixels, self.plane @ to_cm, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return seen.astype(np.float32)

    def inside(self, polygon: Floats) -> Floats:
        """The colours (n,3) in a polygon (k,2) px; of the pixel nearest to its centre when it covers none."""
        return self._select(polygon, self.pixels)

    def _cheek(self, landmarks: tuple[int, ...]) -> Floats:
        colours = np.concatenate([self._around(landmark, self.pixels) for landmark in landmarks])
        return np.median(colours, axis=0).astype(np.float32)

    def _around(self, landmark: int, values: Picture | Floats) -> Floats:
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * CHEEK_RADIUS * self.scale
        return self._select(self.points[landmark, :2] + square, values)

    @staticmethod
    def _select(polygon: Floats, values: Picture | Floats) -> Floats:
        mask = np.zeros(values.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], (1,))
        if not mask.any():
            last_row, last_column = values.shape[0] - 1, values.shape[1] - 1
            column, row = (float(value) for value in polygon.mean(axis=0))
            mask[round(min(max(row, 0), last_row)), round(min(max(column, 0), last_column))] = 1
        return values[mask > 0].astype(np.float32)


def luminance(colours: Picture | Floats) -> Floats:
    """Luminance (...) of colours (..., 3)."""
    return (colours @ LUMINANCE).astype(np.float32)


def tinted(colour: Floats, strength: float, level: float) -> Floats:
    """A colour of luminance `level` with another's chroma to a power: below 1 washed out, above 1 richer."""
    chroma = (colour / (colour @ LUMINANCE)) ** strength
    return np.minimum(chroma / (chroma @ LUMINANCE) * level, 250).astype(np.float32)


def reddened(colour: Floats, redness: float, level: float) -> Floats:
    """A colour of luminance `level` tinted until red is `redness` times green; grey stays grey."""
    own_redness = max(float(colour[0] / max(colour[1], 1)), 1.01)
    return tinted(colour, min(float(np.log(redness) / np.log(own_redness)), 4.0), level)


def _blurred(image: Floats, radius: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), radius), np.float32)


def _steepness(image: Floats) -> Floats:
    across, down = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    return np.hypot(across, down)
