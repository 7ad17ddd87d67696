"""Decodes any frame of a video file, cheaply forwards and backwards, within bounded memory.

`scan` lists when each frame is shown, without decoding. `FrameWindow` decodes frames by their number in
that list and keeps the newest ones.
"""

from __future__ import annotations

import logging
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby, pairwise
from os import PathLike
from pathlib import Path
from statistics import median
from typing import NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import MediaError
from .images import unreadable

WINDOW_BYTES = 192 * 2**20
WINDOW_FRAMES = 128
"""Whichever is reached first bounds the decoded frames kept (in the file's own pixel format)."""

_WORTH_SEEKING = 32
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown, in units of `time_base` seconds, ascending; `end` is when the last one goes.

    keys: numbers of the frames decoding can start at, ascending, the first one 0. numbered: decoded frames
    have no usable time stamps, they are counted from where decoding began.
    """

    times: list[int]
    keys: list[int]
    end: int
    time_base: Fraction
    numbered: bool = False

    @property
    def seconds(self) -> Fraction:
        return (self.end - self.times[0]) * self.time_base

    def number_at(self, seconds: Fraction) -> int:
        """The frame on screen `seconds` after the first one appeared."""
        return max(bisect_right(self.times, self.times[0] + seconds / self.time_base) - 1, 0)


# What FFmpeg would draw as pictures though nobody filmed it: text.
_NO_VIDEO = ("tty",)


def open_file(path: str | PathLike[str]) -> InputContainer:
    """Open a video or a sound, in whatever encoding its title and the like are.

    Raises `MediaError` when there is none.
    """
    try:  # `a:b.mp4` alone would be a protocol
        return av.open(str(Path(path).absolute()), metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise unreadable(path, error) from error


def open_video(path: str | PathLike[str]) -> tuple[InputContainer, VideoStream]:
    """Open the file and its first moving picture (cover art is none)."""
    container = open_file(path)
    for stream in container.streams.video:
        if not _is_cover_art(stream) and container.format.name not in _NO_VIDEO:
            stream.thread_type = "AUTO"
            return container, stream
    container.close()
    raise MediaError(f"{path} has no moving picture; use a picture or a video of a person.")


def scan(path: str | PathLike[str]) -> Timeline:
    """Read the time stamps of all frames, without decoding. Damaged files count up to the damage."""
    container, stream = open_video(path)
    packets: list[_Packet] = []
    seen = 0
    with closing(container):
        stated, is_avi = stream.frames, container.format.name == "avi"
        rate = stream.guessed_rate or stream.average_rate or Fraction(25)
        time_base = stream.time_base or 1 / Fraction(rate)
        try:
            for packet in container.demux(stream):
                seen += packet.dts is not None or packet.size > 0
                # Empty packets repeat a frame or flush the decoder; some lie outside the edit list.
                if packet.size > 0 and not packet.is_discard:
                    packets.append(_Packet(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe))
        except FFmpegError as error:
            _log.warning("%s is damaged after %d frames (%s); the rest is left out.", path, seen, error)
    if not packets:
        raise MediaError(f"{path} contains no video frame that can be read; export it again.")
    if stated > seen + 1:
        _log.warning("%s ends after %d of %d frames; it is incomplete.", path, seen, stated)
    # AVI has no presentation times; what FFmpeg makes up for them repeats itself.
    counted = is_avi and not all(packet.is_key for packet in packets)
    return _timeline(packets, Fraction(time_base), Fraction(rate), counted)


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int
    is_key: bool


def _timeline(packets: list[_Packet], time_base: Fraction, rate: Fraction, numbered: bool) -> Timeline:
    numbered = numbered or any(packet.pts is None for packet in packets)
    # Without presentation times: frames are shown at the same steps as they are decoded, in another order.
    # Of two fields of a frame the first one counts.
    shown = {packet.dts if numbered else packet.pts: packet for packet in reversed(packets)}
    if None in shown:
        return Timeline(list(range(len(packets))), [0], len(packets), 1 / rate, numbered)
    times = sorted(time for time in shown if time is not None)
    keys = sorted({0} | {number for number, time in enumerate(times) if shown[time].is_key})
    usual = round(median(later - sooner for sooner, later in pairwise(times))) if len(times) > 1 else 0
    last = max(shown[times[-1]].duration, usual) or round(1 / rate / time_base)
    return Timeline(times, keys, times[-1] + last, time_base, numbered)


def _is_cover_art(stream: VideoStream) -> bool:
    disposition = getattr(stream, "disposition", None)
    if disposition is None:  # PyAV before 15 does not know it; cover art has no frame rate either
        return not stream.average_rate and len(stream.container.streams) > 1
    return bool(disposition & stream.disposition.attached_pic)


class FrameWindow:
    """Decodes frames by number and keeps the newest ones, bounded in bytes and in number.

    Reading forwards decodes on from where it is. A frame before the window restarts at the key frame before
    it and decodes up to it, so reading backwards decodes each group of pictures once if it fits into the
    window, otherwise once per window's length.
    """

    def __init__(self, path: str | PathLike[str], timeline: Timeline) -> None:
        self.path = path
        self.timeline = timeline
        self.restarts = 0
        self._kept: deque[tuple[int, VideoFrame]] = deque()
        self._bytes = 0
        self._first = 0
        self._open()

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded frames kept."""
        return self._bytes

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width of a pixel over its height, None when the file does not say."""
        return self._stream.sample_aspect_ratio

    @property
    def transfer(self) -> int:
        """FFmpeg's number of what the pictures' numbers mean as light (AVColorTransferCharacteristic)."""
        return self._stream.codec_context.color_trc

    def __getitem__(self, number: int) -> VideoFrame:
        """Frame `number`; one that is damaged is replaced by the one shown before it."""
        if not self._kept or number < self._kept[0][0] or self._key(number) > self._newest + _WORTH_SEEKING:
            self._restart(number)
        while self._newest < number and self._advance():
            pass
        for kept, frame in reversed(self._kept):
            if kept <= number:
                return frame
        if self._kept:
            return self._kept[0][1]
        raise MediaError(
            f"No frame of {self.path} can be decoded: it is damaged, or no common kind of picture or video. "
            "Export it again, as PNG, JPEG or mp4."
        )

    @property
    def _newest(self) -> int:
        return self._kept[-1][0] if self._kept else self._first - 1

    def _key(self, number: int) -> int:
        keys = self.timeline.keys
        return keys[bisect_right(keys, number) - 1]

    def _restart(self, number: int) -> None:
        """Continue at a key frame at or before `number`."""
        at = bisect_right(self.timeline.keys, number) - 1
        step = 1
        while not self._seek(self.timeline.keys[at]):
            # Containers seek by their own notion of time and may land late: then try an earlier key frame.
            if at == 0:
                self._rewind()
                return
            at = max(at - step, 0)
            step *= 2

    def _seek(self, key: int) -> bool:
        self._clear(first=key)
        time = self.timeline.times[key]
        try:
            self._container.seek(time, stream=self._stream)
            packets = self._container.demux(self._stream)
            entry = next(packets)
        except (FFmpegError, StopIteration):
            return False
        if self.timeline.numbered and entry.dts != time:
            return False
        self._frames = self._pictures(chain([entry], packets))
        return self._advance() and self._kept[0][0] == key

    def _pictures(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        frames = _decoded(packets, self.path)
        # FFmpeg gives each field of HEVC as a picture of its own.
        return frames if self._stream.codec_context.name == "hevc" else _whole(frames)

    def _rewind(self) -> None:
        """Open the file again: not every container can seek to its beginning."""
        self._clear(first=0)
        self._close()
        self._open()

    def _open(self) -> None:
        self._container, self._stream = open_video(self.path)
        self._frames = self._pictures(self._container.demux(self._stream))
        # PyAV's own objects refer to each other in a circle, so they would be closed late.
        self._close = weakref.finalize(self, self._container.close)

    def _clear(self, first: int) -> None:
        self.restarts += 1
        self._kept.clear()
        self._bytes = 0
        self._first = first

    def _advance(self) -> bool:
        """Decode one more frame into the window; False at the end."""
        for frame in self._frames:
            number = self._number(frame)
            # After a seek the frames shown before the key frame lack what they refer to.
            if number < self._first or number <= self._newest:
                continue
            self._kept.append((number, frame))
            self._bytes += _frame_bytes(frame)
            while len(self._kept) > 1 and (self._bytes > WINDOW_BYTES or len(self._kept) > WINDOW_FRAMES):
                self._bytes -= _frame_bytes(self._kept.popleft()[1])
            return True
        return False

    def _number(self, frame: VideoFrame) -> int:
        if self.timeline.numbered or frame.pts is None:
            return self._newest + 1
        return bisect_right(self.timeline.times, frame.pts) - 1


def _decoded(packets: Iterable[Packet[VideoStream]], path: str | PathLike[str]) -> Iterator[VideoFrame]:
    """The frames in the order they are shown; damaged packets are left out, which is told once."""
    found, damage, told = False, None, False
    try:
        for packet in packets:
            try:
                for frame in packet.decode():
                    found = True
                    yield frame
            except FFmpegError as error:
                damage = error
            if found and damage and not told:  # when nothing can be decoded, an error says so
                _log.warning("%s: damaged frames are left out (%s).", path, damage.strerror)
                told = True
    except FFmpegError as error:
        _log.warning("%s cannot be read to its end (%s).", path, error)


def _whole(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """The frames; of interlaced ones, whose lines were filmed in turns, all lines as at the first time."""
    for _, alike in groupby(frames, _layout):
        yield from _deinterlaced(alike)


def _layout(frame: VideoFrame) -> tuple[bool, int, int, str]:
    return frame.interlaced_frame, frame.width, frame.height, frame.format.name


def _deinterlaced(alike: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    first = next(alike)
    frames = chain([first], alike)
    if not first.interlaced_frame:
        yield from frames
        return
    time_base = first.time_base or Fraction(1)
    graph = Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=time_base
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame"), graph.add("buffersink")).configure()
    for frame in chain(frames, [None]):
        graph.vpush(frame)
        with suppress(BlockingIOError, EOFError):  # it waits for the next frame, or there is none
            while True:
                whole = graph.vpull()
                if whole.pts is not None and whole.time_base:  # the filter counts half frames
                    whole.pts, whole.time_base = round(whole.pts * whole.time_base / time_base), time_base
                yield whole


def _frame_bytes(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
