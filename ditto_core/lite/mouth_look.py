"""What the inside of one person's mouth looks like: measured once on the photo, drawn every frame by `mouth`.

The interior is a toy theatre of four flats standing in the plane of the mouth: the dark cavity and the upper
teeth belong to the skull, the tongue and the lower teeth to the jaw. Each flat is a small picture in
centimetres (x right, y up, origin at the centre of the closed seam), so a frame only has to shift, shade and
warp them. Colours, softness, grain and the depth of the blacks come from the photo: an interior that is
cleaner, sharper or darker than its surroundings looks like a sticker.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .geometry import LOWER_LIP, UPPER_LIP, place

Array = NDArray[np.floating]

RASTER = 40  # pixels of a flat per centimetre
LEFT, RIGHT, BOTTOM, TOP = -3.5, 3.5, -3.2, 1.2  # what a flat covers, cm

LEFT_CHEEK, RIGHT_CHEEK = (50, 205), (280, 425)  # beside the nose, about 5 cm apart

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


@dataclass(frozen=True, eq=False)
class MouthLook:
    """The flats and the light of one mouth.

    Colours are RGB 0..255, float32. Flats are premultiplied RGBA (H,W,4), alpha 0..1; the cavity is opaque.
    cavity: (H,W,3). grain: (H,W), added to every channel, standing still in the mouth.
    dark: (3,) what is left where no light gets in, never blacker than the face's own blacks.
    bounce: (3,) tint of the light that comes back from the depth, luminance 1.
    width: cm between the inner corners in the photo.
    """

    cavity: Array
    tongue: Array
    lower_teeth: Array
    upper_teeth: Array
    grain: Array
    dark: Array
    bounce: Array
    width: float

    @staticmethod
    def from_picture(picture: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> MouthLook:
        """Measure the photo and paint the flats.

        picture: (H,W,3) uint8 RGB; landmarks: (478,3) px, z in the same unit, as the face mesh gives them.
        Raises InputError when the landmarks do not span a face (less than half a pixel per cm).
        """
        points = np.asarray(landmarks, np.float32)
        scale = 1 / float(place(points[None]).cm_per_px()[0])
        if not scale >= 0.5:
            raise InputError(
                "The face in the picture is too small to animate: it is less than 10 pixels wide. "
                "Use a larger picture or crop it to the face."
            )
        face, points, scale = _face_crop(picture, points, scale)
        return _paint_flats(face, points, scale)


def plane_x() -> Array:
    """x in cm of every column of a flat, (W,)."""
    return LEFT + (np.arange(round((RIGHT - LEFT) * RASTER), dtype=np.float32) + 0.5) / RASTER


def plane_y() -> Array:
    """y in cm of every row of a flat, top row first, (H,)."""
    return TOP - (np.arange(round((TOP - BOTTOM) * RASTER), dtype=np.float32) + 0.5) / RASTER


def smoothstep(t: Array) -> Array:
    """0 below 0, 1 above 1, 3t²-2t³ between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _face_crop(
    picture: NDArray[np.uint8], points: Array, scale: float
) -> tuple[NDArray[np.uint8], Array, float]:
    """The face's part of the picture, no finer than the flats: (crop, landmarks in it, px per cm)."""
    height, width = picture.shape[:2]
    low = np.clip(np.floor(points[:, :2].min(0)), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(0)), low + 1, [width, height]).astype(int)
    face = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
    points = points - [low[0], low[1], 0]
    shrink = min(1.0, RASTER / scale)
    if shrink < 1:
        face = cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return face.astype(np.uint8), (points * shrink).astype(np.float32), scale * shrink


def _paint_flats(face: NDArray[np.uint8], points: Array, scale: float) -> MouthLook:
    light = face @ LUMINANCE
    lip = np.median(
        np.concatenate(
            [
                _inside(face, points[_band(UPPER_LIP), :2]),
                _inside(face, points[_band(LOWER_LIP), :2]),
            ]
        ),
        axis=0,
    )
    cheeks = [
        np.median(_around(face, points[list(side), :2], 0.6 * scale), axis=0)
        for side in (LEFT_CHEEK, RIGHT_CHEEK)
    ]
    skin = np.maximum((cheeks[0] + cheeks[1]) / 2, 8)
    black = face[light <= np.quantile(light, 0.005)].mean(0)
    flesh = (skin + lip) / 2
    dark = np.maximum(0.75 * black, _tinted(flesh, 1.7, 0.13 * float(lip @ LUMINANCE)))
    teeth = _source_teeth(face, points, scale, skin)
    if teeth is None:
        teeth = _generic_teeth(skin, float(np.quantile(light, 0.97)))

    x, y = plane_x(), plane_y()
    sideways = np.log((cheeks[1] @ LUMINANCE + 8) / (cheeks[0] @ LUMINANCE + 8))
    lighting = np.exp(np.clip(sideways, -0.7, 0.7) * 0.6 * x / 5).astype(np.float32)  # cheeks are 5 cm apart
    softness = max(0.03, _blur_radius(light, scale)) * RASTER

    def flat(colour: Array, alpha: Array) -> Array:
        rgba = np.dstack([colour * (alpha * lighting)[:, :, None], alpha]).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(rgba, (0, 0), softness), np.float32)

    upper = _upper_teeth(x, y)
    lower = _lower_teeth(x, y)
    tongue = _tongue(x, y)
    tongue_colour = _tinted(flesh, 1.2, 0.8 * float(flesh @ LUMINANCE))
    cavity = (
        dark + (0.04 + 0.14 * smoothstep(-y / 1.5))[:, None, None] * tongue_colour * lighting[None, :, None]
    )
    corners = points[UPPER_LIP[3, [0, -1]]]
    return MouthLook(
        cavity=cavity.astype(np.float32),
        tongue=flat(tongue_colour * tongue[0][:, :, None], tongue[1]),
        lower_teeth=flat(teeth * lower[0][:, :, None], lower[1]),
        upper_teeth=flat(teeth * upper[0][:, :, None], upper[1]),
        grain=_grain(light, points, scale),
        dark=dark.astype(np.float32),
        bounce=_tinted(flesh, 0.8, 1.0),
        width=float(np.linalg.norm(corners[1] - corners[0])) / scale,
    )


# ---- the flats: (shade (H,W), alpha (H,W)) ----


def _tooth(x: Array, borders: tuple[float, ...]) -> tuple[NDArray[np.intp], Array, Array]:
    """For every x: the tooth from the middle, the place on it (-1..1), cm to its nearer border."""
    edges = np.array((0.0, *borders, 9.0), np.float32)
    which = np.clip(np.searchsorted(edges, np.abs(x), side="right") - 1, 0, len(borders) - 1)
    near, far = edges[which], edges[which + 1]
    place = (np.abs(x) - near) / (far - near) * 2 - 1
    return which, place, np.minimum(np.abs(x) - near, far - np.abs(x))


def _enamel(place: Array, border: Array, strength: float) -> Array:
    """Brightness along a row of rounded teeth with dark borders."""
    return (1 - strength * np.exp(-((border / 0.035) ** 2))) * (1 - 0.10 * place**4)


def _upper_teeth(x: Array, y: Array) -> tuple[Array, Array]:
    """Two incisors a side, the canine and premolars: on an arch, so they turn away from the light."""
    which, place, border = _tooth(x, (0.86, 1.52, 2.28, 2.95, 3.6))
    drop = np.array([0.0, 0.07, 0.03, 0.09, 0.13], np.float32)[which]
    edge = -0.21 + 0.03 * x**2 + drop + 0.09 * np.abs(place) ** 5
    tone = np.array([1.0, 0.97, 0.90, 0.84, 0.78], np.float32)[which]
    side = 1 - 0.85 * smoothstep((np.abs(x) - 0.9) / 1.7)
    above = y[:, None] - edge
    upright = 0.88 + 0.12 * smoothstep(above / 0.10)  # the translucent cutting edge
    upright = upright * (1 - 0.22 * smoothstep((above - 0.25) / 0.6))
    return tone * side * _enamel(place, border, 0.22) * upright, smoothstep(above / 0.05 + 0.5)


def _lower_teeth(x: Array, y: Array) -> tuple[Array, Array]:
    """Smaller and in the shade; y is from the cutting edge of a closed jaw (0.16 cm under the seam)."""
    _, place, border = _tooth(x, (0.54, 1.12, 1.76, 2.4, 3.05))
    edge = -0.16 - 0.03 * x**2 - 0.05 * np.abs(place) ** 5
    side = 1 - 0.9 * smoothstep((np.abs(x) - 0.5) / 1.5)
    below = edge - y[:, None]
    return 0.70 * side * _enamel(place, border, 0.26) * np.ones_like(below), smoothstep(below / 0.06 + 0.5)


def _tongue(x: Array, y: Array) -> tuple[Array, Array]:
    """A dull dome, 0.22 cm under the seam at rest, that catches the light in front."""
    inside = np.clip(1 - (x / 1.75) ** 2, 0, 1)
    top = -0.22 - 0.45 * (1 - np.sqrt(inside))
    below = top - y[:, None]
    groove = 1 - 0.14 * np.exp(-((x / 0.16) ** 2))
    shade = (0.42 + 0.48 * smoothstep(below / 0.6)) * groove * (0.6 + 0.4 * inside)
    return shade, 0.9 * smoothstep(below / 0.22) * smoothstep(inside / 0.3)


# ---- what the photo says ----


def _band(lip: NDArray[np.int64]) -> list[int]:
    """The ring of landmarks around the outer two thirds of a lip."""
    return [*lip[0], *lip[2, ::-1]]


def _inside(face: NDArray[np.uint8] | Array, polygon: Array) -> Array:
    """The pixels of a polygon, (n,C) float32; the pixel nearest to its centre when it covers none."""
    mask = np.zeros(face.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    pixels = face[mask > 0]
    if len(pixels) == 0:
        column, row = np.clip(np.round(polygon.mean(0)), 0, [face.shape[1] - 1, face.shape[0] - 1]).astype(
            int
        )
        pixels = face[row, column][None]
    return pixels.astype(np.float32)


def _around(face: NDArray[np.uint8] | Array, centres: Array, radius: float) -> Array:
    """The pixels of small squares around points, (n,C) float32."""
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * radius
    return np.concatenate([_inside(face, square + centre) for centre in centres])


def _generic_teeth(skin: Array, highlight: float) -> Array:
    """Ivory under the photo's own light: skin's chroma, mostly washed out (grey photos get grey teeth)."""
    brightness = float(skin @ LUMINANCE)
    level = 206 * (0.42 + 0.66 * min(1.0, 1.15 * brightness / 255))
    return _tinted(skin, 0.28, min(level, 1.08 * highlight))


def _tinted(colour: Array, strength: float, luminance: float) -> Array:
    """A colour of that luminance with another's chroma to a power: below 1 washed out, above 1 richer."""
    chroma = (colour / (colour @ LUMINANCE)) ** strength
    return np.minimum(chroma / (chroma @ LUMINANCE) * luminance, 250).astype(np.float32)


def _source_teeth(face: NDArray[np.uint8], points: Array, scale: float, skin: Array) -> Array | None:
    """The colour of the photo's own upper teeth; None when they do not show clearly."""
    upper, lower = points[UPPER_LIP[3], :2], points[LOWER_LIP[3], :2]
    gap = float(np.linalg.norm(lower[5] - upper[5])) / scale
    if gap <= 0.3:
        return None
    reach = min(1.0, 0.6 / gap)  # the upper teeth are within 0.6 cm of the lip
    pixels = _inside(face, np.concatenate([upper[2:-2], (upper + reach * (lower - upper))[2:-2][::-1]]))
    light = pixels @ LUMINANCE
    colour = pixels[light >= np.quantile(light, 0.75)].mean(0)
    bright = colour @ LUMINANCE > 0.6 * (skin @ LUMINANCE)
    neutral = colour[0] < 1.25 * colour[1] and colour.max() - colour.min() < 0.35 * colour.max()
    return colour.astype(np.float32) if bright and neutral else None


def _blur_radius(light: Array, scale: float) -> float:
    """Gaussian radius in cm of the photo's own edges.

    Zhuo & Sim 2011, "Defocus map estimation from a single image": blurring an edge of radius s once more by
    s0 divides its gradient by R = sqrt(1 + s0²/s²).
    """
    again = 1.0
    sharp = cv2.GaussianBlur(light, (0, 0), 0.5)
    soft = cv2.GaussianBlur(sharp, (0, 0), again)
    gradients = [
        np.hypot(cv2.Sobel(g, cv2.CV_32F, 1, 0), cv2.Sobel(g, cv2.CV_32F, 0, 1)) for g in (sharp, soft)
    ]
    strong = gradients[0] >= max(1.0, 0.6 * float(np.quantile(gradients[0], 0.998)))  # crests of edges
    if not strong.any():
        return 0.03
    ratio = float(np.median(gradients[0][strong] / np.maximum(gradients[1][strong], 1e-3)))
    return min(again / np.sqrt(max(ratio**2 - 1, 1e-2)) / scale, 0.12)


def _grain(light: Array, points: Array, scale: float) -> Array:
    """Noise as strong and as coarse as on the cheeks, (H,W); always the same, so it does not flicker."""
    rough = light - cv2.GaussianBlur(light, (0, 0), 1.2)
    cheeks = _around(np.abs(rough)[:, :, None], points[list(LEFT_CHEEK + RIGHT_CHEEK), :2], 0.6 * scale)
    strength = (
        1.4826 * float(np.median(cheeks)) * 0.8
    )  # median to standard deviation; shadows are a little calmer
    shape = (len(plane_y()), len(plane_x()))
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    if scale < RASTER:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.5 * RASTER / scale)
        noise /= noise.std()
    return np.asarray(noise * min(strength, 8.0), np.float32)
