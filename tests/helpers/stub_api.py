"""The part of ComfyUI's V3 API that the nodes use, as far as ComfyUI 0.3.64 and newer releases share it.

It is strict: an input with an argument that ComfyUI does not know fails here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import torch


@dataclass
class Input:
    """A socket, or a widget's common part."""

    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    lazy: bool | None = None
    io_type: str = ""


@dataclass
class Widget(Input):
    """An input with a value of its own."""

    default: Any = None


@dataclass
class NumberInput(Widget):
    """INT and FLOAT."""

    min: float | None = None
    max: float | None = None
    step: float | None = None
    control_after_generate: bool | None = None

    def refusal(self, value: Any) -> str | None:
        wanted = (int,) if self.io_type == "INT" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            return f"{value!r} is no {self.io_type}"
        low, high = self.min, self.max
        inside = (low is None or value >= low) and (high is None or value <= high)
        return None if inside else f"{value} is outside {low}..{high}"


@dataclass
class BooleanInput(Widget):
    """BOOLEAN."""

    def refusal(self, value: Any) -> str | None:
        return None if isinstance(value, bool) else f"{value!r} is no BOOLEAN"


@dataclass
class ComboInput(Widget):
    """COMBO. ComfyUI 0.3.64 does not check its value, so neither does this."""

    options: list[str] = field(default_factory=list)

    def refusal(self, _value: Any) -> str | None:
        return None


@dataclass
class StringInput(Widget):
    """STRING."""

    multiline: bool = False
    placeholder: str | None = None

    def refusal(self, value: Any) -> str | None:
        return None if isinstance(value, str) else f"{value!r} is no STRING"


class MultiInput(Input):
    """A socket that takes several types."""

    def __init__(self, id: str, types: list[Any], **arguments: Any) -> None:
        super().__init__(id, **arguments)
        self.io_type = ",".join(kind.io_type for kind in types)


@dataclass
class Output:
    """An output socket."""

    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False
    io_type: str = ""


@dataclass
class Schema:
    """A node's description."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False
    not_idempotent: bool = False


class NodeOutput:
    """What `execute` returns."""

    def __init__(self, *args: Any, ui: Any = None, expand: Any = None, block_execution: str | None = None):
        self.args = args
        self.ui = ui


class ComfyNode:
    """Base of the nodes."""


class ComfyExtension:
    """Base of the extension."""


def _kind(io_type: str, input_class: Callable[..., Any] = Input) -> Any:
    def new_input(*args: Any, **arguments: Any) -> Input:
        made = input_class(*args, **arguments)
        made.io_type = io_type
        return made

    def new_output(*args: Any, **arguments: Any) -> Output:
        made = Output(*args, **arguments)
        made.io_type = io_type
        return made

    return SimpleNamespace(io_type=io_type, Input=new_input, Output=new_output)


@dataclass
class VideoComponents:
    """A video in memory."""

    images: torch.Tensor
    frame_rate: Fraction
    audio: dict[str, Any] | None = None


class VideoFromFile:
    """A video in a file."""

    def __init__(self, file: str) -> None:
        self._file = file

    def get_stream_source(self) -> str:
        return self._file

    def get_dimensions(self) -> tuple[int, int]:
        with av.open(self._file) as container:
            return container.streams.video[0].width, container.streams.video[0].height

    def get_duration(self) -> float:
        with av.open(self._file) as container:
            return (container.duration or 0) / av.time_base

    def get_components(self) -> VideoComponents:
        with av.open(self._file) as container:
            rate = container.streams.video[0].average_rate or Fraction(25)
            # Files of the pack are BT.709; PyAV before 17 would not look, nor if both sides were the same.
            colours = {"src_colorspace": "ITU709", "dst_colorspace": "ITU601"}
            frames = [frame.to_ndarray(format="rgb24", **colours) for frame in container.decode(video=0)]
        return VideoComponents(torch.from_numpy(np.stack(frames)) / 255, Fraction(rate))


class VideoFromComponents:
    """A video made from images; ComfyUI 0.3.64 has no stream for it."""

    def __init__(self, components: VideoComponents) -> None:
        self._components = components

    def get_components(self) -> VideoComponents:
        return self._components

    def get_stream_source(self) -> str:
        raise ValueError("Could not determine output format")


def io_namespace() -> SimpleNamespace:
    return SimpleNamespace(
        ComfyNode=ComfyNode,
        Schema=Schema,
        NodeOutput=NodeOutput,
        Custom=_kind,
        Image=_kind("IMAGE"),
        Audio=_kind("AUDIO"),
        Video=_kind("VIDEO"),
        Int=_kind("INT", NumberInput),
        Float=_kind("FLOAT", NumberInput),
        Boolean=_kind("BOOLEAN", BooleanInput),
        Combo=_kind("COMBO", ComboInput),
        String=_kind("STRING", StringInput),
        Mask=_kind("MASK"),
        Latent=_kind("LATENT"),
        MultiType=SimpleNamespace(Input=MultiInput),
    )


def ui_namespace() -> SimpleNamespace:
    class PreviewText:
        def __init__(self, value: str) -> None:
            self.value = value

        def as_dict(self) -> dict[str, tuple[str]]:
            return {"text": (self.value,)}

    class PreviewImage:
        def __init__(self, image: torch.Tensor, animated: bool = False, cls: type | None = None) -> None:
            self.count = len(image)

        def as_dict(self) -> dict[str, Any]:
            return {"images": [{"filename": f"{i}.png"} for i in range(self.count)], "animated": (False,)}

    return SimpleNamespace(PreviewText=PreviewText, PreviewImage=PreviewImage)
