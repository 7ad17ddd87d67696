"""Inputs made from fields of some options: kind, default, limits and choices are the field's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ..ditto_core.limits import kinds


def option_input(options: type, field: str, tooltip: str, *, name: str = "", **more: Any) -> Any:
    """The widget of a field.

    name: the input's, unless it is the field's. more: what the field does not say, such as `optional`,
    `step`, or a `default` of the node's own.
    """
    kind = kinds(options)[field]
    given = {"default": getattr(options, field), "tooltip": tooltip, **more}
    if kind.choices:
        return io.Combo.Input(name or field, options=list(kind.choices), **given)
    if kind.type is bool:
        return io.Boolean.Input(name or field, **given)
    if kind.limits is None:
        raise TypeError(f"{options.__name__}.{field} has no kind that a widget could show.")
    widget, number = (io.Int, int) if kind.type is int else (io.Float, float)
    low, high = number(kind.limits.low), number(kind.limits.high)
    return widget.Input(name or field, min=low, max=high, **{**given, "default": number(given["default"])})


def option_inputs(options: type, tooltips: Mapping[str, str], **more: Any) -> list[Any]:
    """The widgets of several fields, each with its tooltip."""
    return [option_input(options, field, tooltip, **more) for field, tooltip in tooltips.items()]
