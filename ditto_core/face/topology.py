"""Which of the 478 landmarks belong to which part of the face, and how the mesh network names them.

Landmarks 0..467 are the face mesh, 468..472 the iris at the image's left (centre first), 473..477 the one
at the right. "Left" and "right" are the picture's sides, not the person's. Source: MediaPipe's canonical
face mesh and the layout of its attention mesh network (Apache-2.0).
"""

from __future__ import annotations

COUNT = 478
MESH_COUNT = 468

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The face's outline, clockwise from the forehead."""

MOUTH_CORNERS = (61, 291)
OUTER_EYE_CORNERS = (33, 263)
"""The line that defines the head's tilt in the picture."""

# Rows of the lips as the network orders them: every lower row has both corners, the upper rows have none.
_LIPS_OUTER = ((61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291), (185, 40, 39, 37, 0, 267, 269, 270, 409))
_LIPS_INNER = ((78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308), (191, 80, 81, 82, 13, 312, 311, 310, 415))
_LIPS_SEMI_OUTER = (
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
)
_LIPS_SEMI_INNER = (
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
)
LIP_ROWS = (_LIPS_OUTER, _LIPS_SEMI_OUTER, _LIPS_SEMI_INNER, _LIPS_INNER)
"""From the outer border inwards, as (lower, upper), each from left to right."""

_LEFT_EYE = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (246, 161, 160, 159, 158, 157, 173))
_RIGHT_EYE = ((263, 249, 390, 373, 374, 380, 381, 382, 362), (466, 388, 387, 386, 385, 384, 398))

EYE_ROWS = (_LEFT_EYE, _RIGHT_EYE)
"""The lids' edges as (lower, upper), each from the outer to the inner corner."""

LEFT_EYE = (*_LEFT_EYE[0], *_LEFT_EYE[1])
RIGHT_EYE = (*_RIGHT_EYE[0], *_RIGHT_EYE[1])
"""The lids' edges: lower lid from the outer to the inner corner, then the upper lid without corners."""

LEFT_BROW = ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55))
RIGHT_BROW = ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285))
"""Upper and lower edge of each eyebrow, from the temple to the nose."""

LEFT_IRIS = (468, 469, 470, 471, 472)
RIGHT_IRIS = (473, 474, 475, 476, 477)
"""Centre of the pupil, then four points around it."""

REFINED_LIPS = (
    *_LIPS_OUTER[0], *_LIPS_OUTER[1], *_LIPS_INNER[0], *_LIPS_INNER[1],
    *_LIPS_SEMI_OUTER[0], *_LIPS_SEMI_OUTER[1], *_LIPS_SEMI_INNER[0], *_LIPS_SEMI_INNER[1],
)  # fmt: skip
"""The 80 landmarks the network's lip output replaces, in its order."""

REFINED_LEFT_EYE = (
    *LEFT_EYE,
    *(130, 25, 110, 24, 23, 22, 26, 112, 243), *(247, 30, 29, 27, 28, 56, 190),
    *(226, 31, 228, 229, 230, 231, 232, 233, 244), *(113, 225, 224, 223, 222, 221, 189),
    *(35, 124, 46, 53, 52, 65), *(143, 111, 117, 118, 119, 120, 121, 128, 245),
    *(156, 70, 63, 105, 66, 107, 55, 193),
)  # fmt: skip
REFINED_RIGHT_EYE = (
    *RIGHT_EYE,
    *(359, 255, 339, 254, 253, 252, 256, 341, 463), *(467, 260, 259, 257, 258, 286, 414),
    *(446, 261, 448, 449, 450, 451, 452, 453, 464), *(342, 445, 444, 443, 442, 441, 413),
    *(265, 353, 276, 283, 282, 295), *(372, 340, 346, 347, 348, 349, 350, 357, 465),
    *(383, 300, 293, 334, 296, 336, 285, 417),
)  # fmt: skip
"""The 71 landmarks each eye output replaces, in its order."""


def _ring(lower: tuple[int, ...], upper: tuple[int, ...]) -> tuple[int, ...]:
    """A closed line from a lower row with corners and an upper row without, both from the same side."""
    return (*lower, *reversed(upper))


LIPS_OUTER_RING = _ring(*_LIPS_OUTER)
LIPS_INNER_RING = _ring(*_LIPS_INNER)
LEFT_EYE_RING = _ring(*_LEFT_EYE)
RIGHT_EYE_RING = _ring(*_RIGHT_EYE)
"""Closed outlines for drawing and measuring."""
