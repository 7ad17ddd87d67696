"""Lays a face crop on its frame, exactly by whole pixels, otherwise with the published rounding; or adds to a
frame what changed in a crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.region import Picture

Weights = NDArray[np.float32]


def lay_on(picture: Picture, face: Picture | Weights, weight: Weights, to_original: Weights) -> None:
    """Put a face crop on its frame, in place.

    picture: RGB uint8 (H, W, 3). face: RGB (h, w, 3) in 0..255, uint8 or float32. weight: (h, w) in 0..1.
    to_original: (3, 3) from pixels of the crop to the picture's. Gives weight·face + (1 - weight)·picture;
    where the weight is 0 the picture's own bytes stay.

    A uint8 crop that is only moved by whole pixels is not resampled. Any other is warped bilinearly and the
    result cut off to whole levels as published, not rounded.
    """
    offset = _whole_pixel_offset(to_original)
    if offset is not None and face.dtype == np.uint8:
        _blend_at(picture, face, weight, offset)
    else:
        _blend_warped(picture, face, weight, to_original)


def add_on(picture: Picture, change: Weights, to_original: Weights, limit: Weights | None = None) -> None:
    """Add a crop's change (h, w, 3), in levels of 255, to a picture in place, times `limit` (H, W) if given.

    Unlike a crop that is laid on, a change of 0 leaves the picture's own bytes as they are.
    """
    rows, columns = _covered(to_original, change.shape, picture.shape)
    part: Picture = picture[rows, columns]
    if part.size == 0:
        return
    moved = warp(change, to_original, rows, columns)
    if limit is not None:
        moved *= limit[rows, columns, None]
    part[:] = np.clip(np.rint(part + moved), 0, 255).astype(np.uint8)


def warp(values: Weights, to_original: Weights, rows: slice, columns: slice) -> Weights:
    """Rows and columns of the frame, filled with a crop's values (h, w, …), 0 outside the crop."""
    matrix = to_original[:2].astype(np.float64)
    matrix[:, 2] -= columns.start, rows.start
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return np.asarray(cv2.warpAffine(values, matrix, size), dtype=np.float32)


def _blend_warped(picture: Picture, face: Picture | Weights, weight: Weights, to_original: Weights) -> None:
    rows, columns = _covered(to_original, weight.shape, picture.shape)
    part: Picture = picture[rows, columns]
    if part.size == 0:
        return
    moved_weight = np.clip(warp(weight, to_original, rows, columns), 0, 1)[..., None]
    moved = warp(face.astype(np.float32), to_original, rows, columns)
    part[:] = np.clip(moved_weight * moved + (1 - moved_weight) * part, 0, 255).astype(np.uint8)


def _covered(to_original: Weights, crop: tuple[int, ...], frame: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of the frame that the crop reaches."""
    height, width = crop[:2]
    corners = np.array([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]], np.float64)
    points = np.asarray(corners @ to_original[:2].T, np.float64)
    low = np.clip(np.floor(points.min(axis=0)), 0, [frame[1], frame[0]]).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, low, [frame[1], frame[0]]).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _whole_pixel_offset(matrix: Weights) -> tuple[int, int] | None:
    """(x, y) when the matrix only moves by whole pixels."""
    x, y = float(matrix[0, 2]), float(matrix[1, 2])
    moves_only = np.array_equal(matrix[:2, :2], np.eye(2))
    return (int(x), int(y)) if moves_only and x.is_integer() and y.is_integer() else None


def _blend_at(picture: Picture, face: Picture | Weights, weight: Weights, offset: tuple[int, int]) -> None:
    x, y = offset
    top, left = max(y, 0), max(x, 0)
    bottom = min(y + face.shape[0], picture.shape[0])
    right = min(x + face.shape[1], picture.shape[1])
    if top >= bottom or left >= right:
        return
    rows, columns = slice(top - y, bottom - y), slice(left - x, right - x)
    target, shown, face = picture[top:bottom, left:right], weight[rows, columns], face[rows, columns]
    rows, columns = _covering(shown)
    target[rows, columns] = face[rows, columns]
    above, below = np.s_[: rows.start], np.s_[rows.stop :]
    before, behind = np.s_[rows, : columns.start], np.s_[rows, columns.stop :]
    for part in (above, below, before, behind):
        if shown[part].size:
            _blend(target[part], face[part], shown[part])


def _blend(target: Picture, face: Picture | Weights, weight: Weights) -> None:
    shown = np.ascontiguousarray(weight)
    rest = np.subtract(1, shown, dtype=np.float32)
    target[:] = cv2.blendLinear(np.ascontiguousarray(face), np.array(target), shown, rest)


def _covering(weight: Weights) -> tuple[slice, slice]:
    """Rows and columns of a block in the middle where only the face shows; it may be empty."""
    height, width = weight.shape
    rows, columns = _ones(weight[:, width // 2]), _ones(weight[height // 2])
    return (rows, columns) if (weight[rows, columns] == 1).all() else (slice(0, 0), slice(0, 0))


def _ones(values: Weights) -> slice:
    """Where values (n,) are 1 around their middle."""
    middle = len(values) // 2
    other = np.flatnonzero(values != 1)
    start = int(other[other <= middle].max(initial=-1)) + 1
    stop = int(other[other >= middle].min(initial=len(values)))
    return slice(start, max(start, stop))
