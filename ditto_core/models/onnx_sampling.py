"""Trilinear sampling of a volume in operators that every ONNX runtime has.

Equal to `GridSample` on a volume (N, C, D, H, W) and a grid (N, D', H', W', 3) of x, y, z in -1..1: on each
axis a position lies between two voxels; the eight around it are gathered and added with the products of their
weights.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    import onnx

NAME = "SampleVolume"

_FLOAT, _INT64 = 1, 7
"""ONNX's numbers of the two types."""

_Neighbour = tuple[str, str]
"""Names of a voxel's index on one axis, int64 (N, D', H', W'), and of its weight, 0 outside the volume."""


class _Nodes:
    """Operators as they are written down; each gives the name of its only output."""

    def __init__(self) -> None:
        self.made: list[onnx.NodeProto] = []

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.named(f"step_{len(self.made)}", operator, *inputs, **attributes)

    def named(self, output: str, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        self.made.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def number(self, value: float) -> str:
        return self("Constant", value_float=value)

    def whole(self, *values: int) -> str:
        return self("Constant", value_ints=list(values))

    def clamped(self, value: str, low: str, high: str) -> str:
        return self("Min", self("Max", value, low), high)


def sampling_function(
    domain: str, opset: int, *, mode: str, padding_mode: str, align_corners: int
) -> onnx.FunctionProto:
    """A function (volume, grid) -> sampled that does what `GridSample` with these attributes does.

    Raises a `ModelError` for sampling that is not linear or pads by reflection.
    """
    from onnx import helper

    if mode != "linear" or padding_mode not in ("zeros", "border"):
        raise ModelError(
            f"This network samples volumes by {mode} interpolation with {padding_mode} outside; only linear "
            "with zeros or border can be put into simpler operators. Use TensorRT 11.2 or later, or ONNX "
            "Runtime."
        )
    op = _Nodes()
    batch, channels, *sizes = (op("Shape", "volume", start=axis, end=axis + 1) for axis in range(5))
    around = [
        _neighbours(
            op,
            op("Gather", "grid", op("Constant", value_int=component), axis=4),
            size,
            padding_mode,
            align_corners,
        )
        for component, size in zip((2, 1, 0), sizes, strict=True)  # z, y, x, as the sizes are
    ]
    voxels = op(
        "Reshape",
        op("Transpose", "volume", perm=[0, 2, 3, 4, 1]),
        op("Concat", op.whole(-1), channels, axis=0),
    )
    first = _first_voxels(op, batch, sizes)
    total = ""
    for corner in product(*around):
        moved = op("Mul", op("Gather", voxels, _row(op, corner, sizes, first), axis=0), _weight(op, corner))
        total = op("Add", total, moved) if total else moved
    op.named("sampled", "Transpose", total, perm=[0, 4, 1, 2, 3])
    name = f"{NAME}_{padding_mode}_{align_corners}"
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_function(domain, name, ["volume", "grid"], ["sampled"], op.made, opsets)


def _neighbours(
    op: _Nodes, position: str, size: str, padding_mode: str, align_corners: int
) -> list[_Neighbour]:
    """The voxel below a position on one axis and the one above."""
    zero, one, half = op.number(0.0), op.number(1.0), op.number(0.5)
    length = op("Cast", size, to=_FLOAT)
    last = op("Sub", length, one)
    shifted = op("Add", position, one)
    if align_corners:
        place = op("Mul", op("Mul", shifted, half), last)
    else:
        place = op("Mul", op("Sub", op("Mul", shifted, length), one), half)
    # A voxel outside counts nothing, so there is no need to know how far outside a position is.
    farthest = (zero, last) if padding_mode == "border" else (op.number(-1.0), length)
    place = op.clamped(place, *farthest)
    below = op("Floor", place)
    share = op("Sub", place, below)
    return [
        _neighbour(op, below, op("Sub", one, share), zero, last),
        _neighbour(op, op("Add", below, one), share, zero, last),
    ]


def _neighbour(op: _Nodes, index: str, share: str, zero: str, last: str) -> _Neighbour:
    inside = op("And", op("GreaterOrEqual", index, zero), op("LessOrEqual", index, last))
    weight = op("Mul", share, op("Cast", inside, to=_FLOAT))
    return op("Cast", op.clamped(index, zero, last), to=_INT64), weight


def _first_voxels(op: _Nodes, batch: str, sizes: list[str]) -> str:
    """The row of each item's first voxel, (N, 1, 1, 1)."""
    depth, height, width = sizes
    voxels = op("Mul", op("Mul", depth, height), width)
    nothing, one = op("Constant", value_int=0), op("Constant", value_int=1)
    items = op("Range", nothing, op("Squeeze", batch), one)
    return op("Mul", op("Unsqueeze", items, op.whole(1, 2, 3)), voxels)


def _row(op: _Nodes, corner: tuple[_Neighbour, ...], sizes: list[str], first: str) -> str:
    (z, _), (y, _), (x, _) = corner
    _, height, width = sizes
    line = op("Add", op("Mul", z, height), y)
    return op("Add", op("Add", op("Mul", line, width), x), first)


def _weight(op: _Nodes, corner: tuple[_Neighbour, ...]) -> str:
    (_, z), (_, y), (_, x) = corner
    return op("Unsqueeze", op("Mul", op("Mul", z, y), x), op.whole(-1))
