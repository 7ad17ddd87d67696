"""A video file as a lazy sequence of upright RGB frames at a constant rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from os import PathLike
from threading import Lock
from typing import Any

import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from ..sequences import LazySequence, frames_in
from .decoding import FrameWindow, scan
from .hdr import SIGNALS, to_usual_range
from .images import check_sides, over_backdrop

Pixels = NDArray[np.uint8]

_MATRICES = {1: "ITU709", 4: "FCC", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
"""FFmpeg's AVColorSpace to the conversion's name; what is not said is ITU601, as FFmpeg takes it."""

_FULL_RANGE = 2
_WIDEST_PIXEL = 4


class VideoFrames(LazySequence):
    """RGB uint8 (H, W, 3) frames of a video file at `fps`, decoded when they are asked for.

    Frame i is what the video shows at (i + 1/2) / fps seconds after its first frame appears (the middle of
    the time frame i is on screen, so that rounded time stamps do no harm); there are as many as have their
    middle before the video's end. Variable rates, rotation, mirroring, non-square pixels and the colour
    matrix and range follow the file; high dynamic range is brought to that of BT.709, and transparent parts
    show a neutral grey. Memory is bounded whatever the video's length and the reading order
    (see `FrameWindow`). Safe to read from several threads. Raises `MediaError` for what cannot be read.
    """

    def __init__(self, path: str | PathLike[str], fps: Fraction) -> None:
        self.fps = fps
        self.timeline = scan(path)
        self.window = FrameWindow(path, self.timeline)
        self._lock = Lock()
        self._converter = VideoReformatter()  # kept, since to set one up takes longer than a picture
        first = self.window[0]
        self._size = _square_pixel_size(first, self.window.pixel_aspect)
        self._turn = _upright(first)
        picture = self._picture(first)
        check_sides(picture.shape[0], picture.shape[1], str(path))
        super().__init__(frames_in(self.timeline.seconds, fps), picture.shape, torch.uint8)

    def compute(self, start: int, stop: int) -> Tensor:
        pictures = np.empty((stop - start, *self.shape), np.uint8)
        shown = -1
        with self._lock:
            for row, index in enumerate(range(start, stop)):
                number = self.timeline.number_at((index + Fraction(1, 2)) / self.fps)
                if number == shown:
                    pictures[row] = pictures[row - 1]
                else:
                    pictures[row] = self._picture(self.window[number])
                shown = number
        return torch.from_numpy(pictures)

    def _picture(self, frame: VideoFrame) -> Pixels:
        signal = SIGNALS.get(self.window.transfer)
        if signal:
            return self._turn(to_usual_range(self._converted(frame, "rgb48le"), signal))
        if _has_alpha(frame):
            return self._turn(over_backdrop(self._converted(frame, "rgba")))
        return self._turn(self._converted(frame, "rgb24"))

    def _converted(self, frame: VideoFrame, kind: str) -> NDArray[Any]:
        width, height = self._size
        converted: Any = self._converter.reformat(frame, width, height, kind, **_colours(frame))
        return converted.to_ndarray()


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _colours(frame: VideoFrame) -> dict[str, Any]:
    """What the frame's numbers mean, as arguments of a conversion to RGB."""
    # Everything is said explicitly: what PyAV assumes about colour differs between its versions.
    if frame.format.is_rgb or frame.format.has_palette:
        return {}
    matrix = _MATRICES.get(frame.colorspace, "ITU601")
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    return {
        "src_colorspace": matrix if matrix in Colorspace.__members__ else "ITU709",
        # RGB has no matrix, but PyAV before 17 passes on none of this when both sides name the same.
        "dst_colorspace": "ITU709" if matrix == "ITU601" else "ITU601",
        "src_color_range": "JPEG" if full else "MPEG",
        "dst_color_range": "JPEG",
    }


def _square_pixel_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) with the side stretched that non-square pixels make too short."""
    aspect = pixel_aspect or Fraction(1)
    if not Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL:
        return frame.width, frame.height
    return round(frame.width * max(aspect, 1)), round(frame.height / min(aspect, 1))


def _display_matrix(frame: VideoFrame) -> tuple[float, float, float, float]:
    """a, b, c, d of the frame's display matrix, whatever their scale."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it lies a kind that this PyAV does not know, such as EXIF; the angle is told
        angle = math.radians(frame.rotation)  # counterclockwise
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(matrix), "<i4")[:5].tolist()
    return a, b, c, d


def _upright(frame: VideoFrame) -> Callable[[Pixels], Pixels]:
    """What the file's display matrix does to a picture, to the nearest quarter turn.

    The matrix (ISO/IEC 14496-12, 8.3.2) maps a stored pixel (x, y) to (a x + c y, b x + d y).
    """
    a, b, c, d = _display_matrix(frame)
    swaps = abs(b) + abs(c) > abs(a) + abs(d)
    flip_x, flip_y = (c < 0, b < 0) if swaps else (a < 0, d < 0)

    def turn(picture: Pixels) -> Pixels:
        turned: Pixels = np.transpose(picture, (1, 0, 2)) if swaps else picture
        return turned[:: -1 if flip_y else 1, :: -1 if flip_x else 1]

    return turn
