"""Backward maps: for every pixel of the moved face, where in the source its colour comes from.

The mesh's triangles are drawn in their new position as labels, far ones first; each label stands for the
affine map from the triangle's new position to its old one (piecewise affine warping, Glasbey & Mardia 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import Floats, Ints, canonical_face, transposed
from .surround import LAST_RING, surround_triangles

# Corners are drawn with this many bits below the pixel.
_SUBPIXEL_BITS = 4
# A triangle squeezed thinner than this (twice its area in map pixels) carries no colour.
_THINNEST = 1e-3
# A triangle stretched more than this would show as specks at the face's edge.
_LARGEST_STRETCH = 5.0


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture, left and top in pixels, sampled on a grid of rows x columns."""

    left: float
    top: float
    width: float
    height: float
    rows: int
    columns: int

    @property
    def samples_per_pixel(self) -> Floats:
        """Grid samples for one picture pixel, across and down (2,)."""
        return np.array([self.columns / self.width, self.rows / self.height], np.float32)

    def to_grid(self, points: Floats) -> Floats:
        """Picture pixels (…, 2) as grid positions; pixels and samples have their centres at integers."""
        corner = np.array([self.left, self.top], np.float32)
        return (points - corner + 0.5) * self.samples_per_pixel - 0.5

    def sample_positions(self) -> tuple[Floats, Floats]:
        """Picture x of the columns and y of the rows."""
        across, down = self.samples_per_pixel
        x = self.left + (np.arange(self.columns, dtype=np.float32) + 0.5) / across - 0.5
        y = self.top + (np.arange(self.rows, dtype=np.float32) + 0.5) / down - 0.5
        return x, y


class WarpMesh:
    """The triangles of face and surround, with those of the eyes marked."""

    def __init__(self) -> None:
        face, around = canonical_face(), surround_triangles()
        self.triangles: Ints = np.concatenate([face.triangles, around])
        self.is_eye = np.concatenate([face.is_eye, np.zeros(len(around), bool)])

    def displacement(self, window: Window, source: Floats, target: Floats) -> Floats:
        """Where to look for each sample of `window`: (rows, columns, 2) pixels, source minus target.

        source: (K, 3), target: (K, 3) vertices in picture pixels. Zero outside the surround.
        """
        chosen = self._in_window(window, target)
        triangles, is_eye = self.triangles[chosen], self.is_eye[chosen]
        # Relative to the window float32 is exact enough for pictures of any size.
        corner = np.array([window.left, window.top], np.float32)
        new = (target[:, :2] - corner)[triangles]
        old = (source[:, :2] - corner)[triangles]
        table, usable = _affine_maps(old, new, is_eye, window)
        order = _painting_order(target[:, 2][triangles].mean(axis=1), is_eye, usable)
        outline = window.to_grid(target[LAST_RING, :2])
        labels = _draw(window.to_grid(new + corner), order, outline, (window.rows, window.columns))
        return _look_up(labels, table, window)

    def _in_window(self, window: Window, target: Floats) -> NDArray[np.bool_]:
        corners = target[:, :2][self.triangles]
        low, high = corners.min(axis=1), corners.max(axis=1)
        end = (window.left + window.width, window.top + window.height)
        return ((high >= (window.left, window.top)) & (low <= end)).all(axis=1)


def _affine_maps(
    old: Floats, new: Floats, is_eye: NDArray[np.bool_], window: Window
) -> tuple[Floats, NDArray[np.bool_]]:
    """For each triangle (T, 3, 2) the map new -> old - new as rows (a, b, c, d, e, f), and which to draw.

    dx = a·x + b·y + c, dy = d·x + e·y + f. Two zero maps precede the triangles': holes and the outside.
    """
    edges_new = new[:, 1:] - new[:, :1]
    edges_old = old[:, 1:] - old[:, :1]
    area = edges_new[:, 0, 0] * edges_new[:, 1, 1] - edges_new[:, 0, 1] * edges_new[:, 1, 0]
    area_old = edges_old[:, 0, 0] * edges_old[:, 1, 1] - edges_old[:, 0, 1] * edges_old[:, 1, 0]
    usable = np.abs(area) * window.samples_per_pixel.prod() > _THINNEST
    safe = np.where(usable, area, 1)
    inverse = np.empty_like(edges_new)
    inverse[:, 0, 0], inverse[:, 1, 1] = edges_new[:, 1, 1], edges_new[:, 0, 0]
    inverse[:, 0, 1], inverse[:, 1, 0] = -edges_new[:, 0, 1], -edges_new[:, 1, 0]
    linear = transposed(inverse @ edges_old / safe[:, None, None])
    usable &= is_eye | (np.abs(linear).max(axis=(1, 2)) <= _LARGEST_STRETCH)
    usable &= ~is_eye | (area * area_old > 0)
    offset = old[:, 0] - (linear @ new[:, 0, :, None])[..., 0]
    linear -= np.eye(2, dtype=np.float32)
    table = np.zeros((len(new) + 2, 6), np.float32)
    table[2:] = np.concatenate([linear, offset[..., None]], axis=2).reshape(-1, 6)
    return table, usable


def _painting_order(depth: Floats, is_eye: NDArray[np.bool_], usable: NDArray[np.bool_]) -> Ints:
    """Triangles to draw, eyes first, then from far to near (z grows away from the camera)."""
    order = np.lexsort((-depth, ~is_eye))
    return order[usable[order]]


def _draw(corners: Floats, order: Ints, outline: Floats, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Labels (rows, columns): 0 hole, 1 outside, 2 + t triangle t."""
    fixed = np.round(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    border = np.round(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    labels = np.ones(shape, np.uint16)
    cv2.fillPoly(labels, [border], (0,), shift=_SUBPIXEL_BITS)
    for triangle, label in zip(fixed[order], (order + 2).tolist(), strict=True):
        cv2.fillConvexPoly(labels, triangle, label, cv2.LINE_8, _SUBPIXEL_BITS)
    # Triangles left out leave cracks; their neighbours grow over them.
    grown = cv2.dilate(labels, np.ones((5, 5), np.uint8))
    return np.where(labels == 0, grown, labels)


def _look_up(labels: NDArray[np.uint16], table: Floats, window: Window) -> Floats:
    x, y = window.sample_positions()
    x, y = x - window.left, (y - window.top)[:, None]
    index = labels.astype(np.intp)
    found = np.empty((window.rows, window.columns, 2), np.float32)
    for axis in range(2):
        a, b, c = (np.take(table[:, 3 * axis + k], index) for k in range(3))
        a *= x
        b *= y
        a += b
        np.add(a, c, out=found[..., axis])
    return np.asarray(cv2.blur(found, (3, 3)), np.float32)
