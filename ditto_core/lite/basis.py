"""How a face moves: the weights of jaw, lips, eyes and brows on every vertex of the mesh.

All lengths are canonical centimetres. Everything starts from the closed mouth: `FaceBasis.close` shuts
whatever gap the source shows, `FaceBasis.deform` opens, rounds and stretches it again and moves eyes and
brows. The shares and reaches are chosen by eye on portraits; their re-measured effect is tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .coefficients import COLUMN
from .curves import smoothstep
from .geometry import (
    ABOVE_CREASE,
    BROWS,
    FACE_OVAL,
    LID_CREASE,
    LIP_CORNERS,
    LOWER_LID,
    LOWER_LIP,
    UPPER_LID,
    UPPER_LIP,
    VERTICES,
    Floats,
    canonical_face,
)

# Of an opening, what the jaw's rotation, the lower lip and the upper lip contribute.
JAW_SHARE, LOWER_SHARE, UPPER_SHARE = 0.66, 0.16, 0.18
# Of the source's gap, what the upper and the lower lip travel to close it.
CLOSE_DOWN, CLOSE_UP = 0.22, 0.78
# An open jaw draws the corners of the mouth down by up to this share of the gap.
CORNERS_DRAWN = 0.18
# The jaw turns about an axis through the ears: its y and z.
HINGE_Y, HINGE_Z = 0.3, -2.5
# Of the difference in width to the mouth at rest, what is undone when a mouth is closed.
UNROUND = 0.8
# Gap between lips that count as closed.
CLOSED_GAP = 0.03

ROW_DEPTH = (np.arange(4, dtype=np.float32) / 3)[:, None]  # 0 at a lip's outer border, 1 at the inner one
ALONG = np.linspace(-1, 1, 11, dtype=np.float32)[None]  # position along a lip row
ALONG_LID = np.linspace(-1, 1, 7, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class FaceBasis:
    """Weights on the 468 vertices, computed once for a person from one frame.

    jaw, lower, upper: (468,) how far a vertex follows the jaw, the lower and the upper lip, 0..1. fields:
    (F, 468, 3) displacement in cm at full strength, in the order of `_field_strengths`. widening: (468,) how
    far a vertex moves sideways with the mouth's corners, which at rest are half_width cm from the middle.
    hinge_reach: distance from the jaw's axis to the lower lip in cm.
    """

    jaw: Floats
    lower: Floats
    upper: Floats
    fields: Floats
    widening: Floats
    half_width: float
    hinge_reach: float

    @classmethod
    def from_shape(cls, shape: Floats) -> FaceBasis:
        """The basis for a face of `shape` (468, 3)."""
        jaw = _jaw_weight(shape)
        lower, upper = _lip_weights(shape)
        fields = np.stack(
            [
                _rounding(shape),
                _stretching(shape),
                _pressing(),
                _tucking(upper),
                _raising_upper_lip(upper),
                _raising_brows(shape),
                _smiling(shape),
            ]
        )
        reach = float(shape[14, 2]) - HINGE_Z
        half_width = float(half_widths(shape[None])[0])
        return cls(jaw, lower, upper, fields.astype(np.float32), _widening(shape), half_width, reach)

    def close(self, shapes: Floats) -> Floats:
        """The faces (B, 468, 3) with their mouths shut, and neither rounded nor stretched by a sound."""
        upper_y, lower_y = shapes[:, UPPER_LIP[3], 1], shapes[:, LOWER_LIP[3], 1]
        gap = np.maximum(0, upper_y - lower_y - CLOSED_GAP)[:, None, :]
        gap[..., [0, -1]] = 0
        widest = gap.max(axis=(1, 2))[:, None]
        shut = np.array(shapes)
        shut[..., 0] += UNROUND * (self.half_width - half_widths(shapes))[:, None] * self.widening
        above_seam = shapes[..., 1] > shapes[:, [14], 1]
        shut[..., 1] += 0.9 * CLOSE_UP * widest * self.jaw - 0.12 * widest * self.upper * above_seam
        raised = _corners_raised(shapes)[:, None]
        shut[:, UPPER_LIP, 1] = shapes[:, UPPER_LIP, 1] - CLOSE_DOWN * gap * (0.6 + 0.4 * ROW_DEPTH) + raised
        shut[:, LOWER_LIP, 1] = shapes[:, LOWER_LIP, 1] + CLOSE_UP * gap * (0.85 + 0.15 * ROW_DEPTH) + raised
        return shut

    def deform(self, closed: Floats, motion: Floats) -> Floats:
        """The closed faces (B, 468, 3) moved by `motion` (B, 15), head pose excepted."""
        opening = motion[:, COLUMN["open"], None]
        strengths = _field_strengths(motion)
        moved = closed + np.tensordot(strengths, self.fields, axes=1)
        moved[..., 1] += opening * (UPPER_SHARE * self.upper - LOWER_SHARE * self.lower)
        moved = self._turn_jaw(moved, opening)
        _blink(moved, motion[:, [COLUMN["blink_left"], COLUMN["blink_right"]]])
        _part_lips(moved)
        return moved

    def _turn_jaw(self, faces: Floats, opening: Floats) -> Floats:
        angle = JAW_SHARE * opening / self.hinge_reach * self.jaw
        y, z = faces[..., 1] - HINGE_Y, faces[..., 2] - HINGE_Z
        turned = np.array(faces)
        turned[..., 1] = HINGE_Y + y * np.cos(angle) - z * np.sin(angle)
        turned[..., 2] = HINGE_Z + y * np.sin(angle) + z * np.cos(angle)
        return turned


def _corners_raised(shapes: Floats) -> Floats:
    """By how many cm the columns of the lips (B, 11) rise when the jaw of faces (B, 468, 3) closes.

    Corners that hang below the closed lips go up to them, but no further than the jaw drew them down.
    """
    hanging = np.clip(-_corner_heights(shapes), 0, CORNERS_DRAWN * _middle_gap(shapes)[:, None])
    return np.where(ALONG < 0, hanging[:, :1], hanging[:, 1:]) * ALONG**2


def _corner_heights(shapes: Floats) -> Floats:
    """How far in cm the corners of the mouth (B, 2) are above the middle of the lips when these are shut."""
    seam = shapes[:, UPPER_LIP[3, 5], 1] - CLOSE_DOWN * _middle_gap(shapes)
    return shapes[:, [61, 291], 1] - seam[:, None]


def _middle_gap(shapes: Floats) -> Floats:
    return np.maximum(shapes[:, UPPER_LIP[3, 5], 1] - shapes[:, LOWER_LIP[3, 5], 1] - CLOSED_GAP, 0)


def _field_strengths(motion: Floats) -> Floats:
    wide = motion[:, COLUMN["wide"]]
    columns = [np.maximum(-wide, 0), np.maximum(wide, 0)]
    columns += [motion[:, COLUMN[name]] for name in ("press", "tuck", "upper", "brow", "smile")]
    return np.stack(columns, axis=1).astype(np.float32)


def _jaw_weight(shape: Floats) -> Floats:
    """1 on the chin, 0 above the mouth, smooth between: a harmonic fill leaves no crease in the cheek."""
    x, y = shape[:, 0], shape[:, 1]
    weight = np.full(VERTICES, np.nan, np.float32)
    weight[FACE_OVAL] = smoothstep((-1 - y[FACE_OVAL]) / 5).astype(np.float32)
    weight[(np.abs(x) < 2.2) & (y < y[17] - 0.45)] = 1
    weight[LOWER_LIP] = np.broadcast_to(1 - 0.72 * np.abs(ALONG) ** 2.6, LOWER_LIP.shape)
    weight[UPPER_LIP] = 0
    weight[LIP_CORNERS] = 0.26
    still = y > y[2] + 0.4
    weight[still] = 0
    return harmonic_fill(weight)


def _lip_weights(shape: Floats) -> tuple[Floats, Floats]:
    x, y = shape[:, 0] - shape[[13, 14], 0].mean(), shape[:, 1]
    lower = 0.7 * np.exp(-((x / 1.9) ** 2) - ((y - y[17]) / 0.9) ** 2) * (y < y[14])
    upper = 0.5 * np.exp(-((x / 2.0) ** 2) - ((y - y[0]) / 0.9) ** 2) * (y > y[13])
    lower[UPPER_LIP], upper[LOWER_LIP] = 0, 0
    lower[LOWER_LIP] = (1 - 0.72 * np.abs(ALONG) ** 2.6) * (0.75 + 0.25 * ROW_DEPTH)
    upper[UPPER_LIP] = (1 - np.abs(ALONG) ** 2.2) * (0.55 + 0.45 * ROW_DEPTH)
    return lower.astype(np.float32), upper.astype(np.float32)


def _mouth_frame(shape: Floats) -> tuple[Floats, Floats, float]:
    """x and y from the middle of the mouth, and half the mouth's width."""
    centre = shape[[61, 291, 13, 14]].mean(axis=0)
    half_width = float(shape[291, 0] - shape[61, 0]) / 2
    return shape[:, 0] - centre[0], shape[:, 1] - centre[1], half_width


def _widening(shape: Floats) -> Floats:
    x, y, half_width = _mouth_frame(shape)
    near = np.exp(-1.6 * np.maximum(0, (x / 2.6) ** 2 + (y / 2) ** 2 - 0.9))
    return np.sign(x) * np.minimum(1, np.abs(x) / half_width) * near


def half_widths(shapes: Floats) -> Floats:
    """Half the distance in cm between the corners of the mouth (B,)."""
    return (shapes[:, 291, 0] - shapes[:, 61, 0]) / 2


def _rounding(shape: Floats) -> Floats:
    x, y, half_width = _mouth_frame(shape)
    field = np.zeros((VERTICES, 3), np.float32)
    field[:, 0] = -0.30 * half_width * _widening(shape)
    # A smile does not stay while the lips are rounded: its corners come down towards the middle's height.
    smile = float(_corner_heights(shape[None]).mean())
    field[:, 1] = -0.6 * smile * _near_corners(x, y, half_width)
    field[UPPER_LIP, 1] = field[LOWER_LIP, 1] = -0.6 * smile * ALONG**2
    field[:, 2] = 0.55 * np.exp(-0.5 * ((x / 1.8) ** 2 + (y / 1.1) ** 2))
    field[UPPER_LIP, 1] += 0.16 * (1 - ROW_DEPTH) * (1 - ALONG**2)
    field[LOWER_LIP, 1] -= 0.14 * (1 - ROW_DEPTH) * (1 - ALONG**2)
    return field


def _stretching(shape: Floats) -> Floats:
    x, y, half_width = _mouth_frame(shape)
    field = np.zeros((VERTICES, 3), np.float32)
    field[:, 0] = 0.42 * _widening(shape)
    field[:, 1] = 0.12 * _near_corners(x, y, half_width)
    field[:, 2] = -0.12 * np.exp(-0.5 * ((x / 1.8) ** 2 + (y / 1.1) ** 2))
    return field


def _smiling(shape: Floats) -> Floats:
    x, y, half_width = _mouth_frame(shape)
    field = np.zeros((VERTICES, 3), np.float32)
    near = _near_corners(x, y, half_width)
    field[:, 0] = 0.25 * np.sign(x) * near
    field[:, 1] = 0.30 * near
    return field


def _near_corners(x: Floats, y: Floats, half_width: float) -> Floats:
    return np.exp(-(((np.abs(x) - half_width) / 1.2) ** 2) - (y / 1.4) ** 2)


def _pressing() -> Floats:
    field = np.zeros((VERTICES, 3), np.float32)
    towards_seam = 0.10 * (1 - ALONG**2) * (1 - 0.6 * ROW_DEPTH)
    field[UPPER_LIP, 1], field[LOWER_LIP, 1] = -towards_seam, towards_seam
    return field


def _tucking(upper: Floats) -> Floats:
    field = np.zeros((VERTICES, 3), np.float32)
    field[:, 1] = 0.22 * upper
    field[LOWER_LIP, 1] = 0.10 * (1 - ALONG**2) * (0.4 + 0.6 * ROW_DEPTH)
    field[LOWER_LIP, 2] = -0.3 * (1 - ALONG**2)
    return field


def _raising_upper_lip(upper: Floats) -> Floats:
    field = np.zeros((VERTICES, 3), np.float32)
    field[:, 1] = 0.10 * upper
    return field


def _raising_brows(shape: Floats) -> Floats:
    field = np.zeros((VERTICES, 3), np.float32)
    field[:, 1] = 0.35 * np.exp(-(((shape[:, 1] - shape[BROWS, 1].mean()) / 1.1) ** 2))
    field[FACE_OVAL] = 0
    return field


def _blink(faces: Floats, closing: Floats) -> None:
    """Close the eyes of `faces` (B, 468, 3) in place by `closing` (B, 2): image-left, image-right."""
    amount = np.clip(closing, 0, 1)[:, :, None, None]
    gap = faces[:, LOWER_LID] - faces[:, UPPER_LID]
    crease_share = (0.5 - 0.15 * ALONG_LID**2)[:, None]
    faces[:, LOWER_LID] -= 0.04 * amount * gap
    faces[:, UPPER_LID] += 0.96 * amount * gap
    faces[:, LID_CREASE] += crease_share * amount * gap
    faces[:, ABOVE_CREASE] += 0.10 * amount * gap


def _part_lips(faces: Floats) -> None:
    """Where the lips would pass through each other, let them meet half-way."""
    for row in (2, 3):
        upper, lower = faces[:, UPPER_LIP[row], 1], faces[:, LOWER_LIP[row], 1]
        meeting = np.where(upper < lower, (upper + lower) / 2, np.nan)
        faces[:, UPPER_LIP[row], 1] = np.where(np.isnan(meeting), upper, meeting)
        faces[:, LOWER_LIP[row], 1] = np.where(np.isnan(meeting), lower, meeting)


def harmonic_fill(values: Floats) -> Floats:
    """Replace the NaNs of `values` (468,) by the solution of Laplace's equation on the mesh's edges."""
    triangles = canonical_face().triangles
    adjacency = np.zeros((VERTICES, VERTICES))
    for first, second in ((0, 1), (1, 2), (2, 0)):
        adjacency[triangles[:, first], triangles[:, second]] = 1
        adjacency[triangles[:, second], triangles[:, first]] = 1
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    unknown = np.isnan(values)
    known_part = laplacian[np.ix_(unknown, ~unknown)] @ values[~unknown]
    filled = np.array(values)
    filled[unknown] = np.linalg.solve(laplacian[np.ix_(unknown, unknown)], -known_part)
    return filled
