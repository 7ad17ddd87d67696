"""Small pictures, videos and sounds whose content says which frame they are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.packet import Packet
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ditto_core.sequences import ComputedSequence

BLOCK = 8
BITS = 10
MILLISECOND = Fraction(1, 1000)


def numbered(number: int, height: int = 48, width: int = 96) -> NDArray[np.uint8]:
    """A grey picture (height, width, 3) with `number` as black and white blocks along its top edge."""
    picture = np.full((height, width, 3), 128, np.uint8)
    for bit in range(BITS):
        picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 if number >> bit & 1 else 0
    return picture


def number_of(picture: Tensor | NDArray[np.uint8]) -> int:
    """Which number `numbered` drew."""
    top = np.asarray(picture)[BLOCK // 4 : BLOCK // 2, :, 1]
    return sum(int(top[:, bit * BLOCK + 2 : bit * BLOCK + 6].mean() > 128) << bit for bit in range(BITS))


def numbers_of(pictures: Tensor) -> list[int]:
    return [number_of(picture) for picture in pictures]


def numbered_sequence(count: int, height: int = 48, width: int = 96) -> ComputedSequence:
    """`count` numbered frames, made when they are read."""

    def compute(start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.stack([numbered(i, height, width) for i in range(start, stop)]))

    return ComputedSequence(compute, count, (height, width, 3), torch.uint8)


def write_clip(
    path: Path,
    times: Sequence[int],
    *,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
    time_base: Fraction = MILLISECOND,
    rate: int = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    prepare: Any = None,
    convert: dict[str, Any] | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_starts: int = 0,
) -> Path:
    """A video whose frame k is shown from times[k] * time_base on.

    prepare: called with the stream before the first frame. convert: arguments of the conversion to YUV.
    sound: float32 (1, T) at 16 kHz, starting `sound_starts` samples after time 0.
    """
    pictures = pictures or [numbered(i) for i in range(len(times))]
    options = {"crf": "10", "preset": "ultrafast"} if options is None else options
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = time_base
        if prepare:
            prepare(stream)
        track = output.add_stream("pcm_s16le", rate=16000, layout="mono") if sound is not None else None
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.shape[2] == 3 else "rgba")
            frame = frame.reformat(format=pixel_format, **(convert or {}))
            frame.pts, frame.time_base = time, time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if track is not None and sound is not None:
            encode_sound(output, track, (sound * 32768).astype(np.int16), "s16", sound_starts)
    return path


def write_jpegs(path: Path, pictures: list[NDArray[np.uint8]]) -> Path:
    """A Motion JPEG video at 25 fps whose frames carry EXIF, as Motion JPEG may."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p"
        for number, picture in enumerate(pictures):
            packet = Packet(_jpeg_with_exif(picture))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return path


def _jpeg_with_exif(picture: NDArray[np.uint8]) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, "JPEG", quality=95, exif=exif)
    return stored.getvalue()


def write_sound(
    path: Path, samples: NDArray[Any], rate: int, codec: str, sample_format: str, layout: str = "mono"
) -> Path:
    """A sound file from samples as the format packs them: (C, T) planar, (1, T * C) packed."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.format = sample_format
        encode_sound(output, stream, samples, sample_format, 0, layout)
    return path


def encode_sound(
    output: Any, stream: Any, samples: NDArray[Any], sample_format: str, start: int, layout: str = "mono"
) -> None:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=sample_format, layout=layout)
    frame.sample_rate = stream.rate
    frame.pts, frame.time_base = start, Fraction(1, stream.rate)
    output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def in_another_encoding(path: Path) -> Path:
    """The file, in which the name of the program that wrote it is no UTF-8."""
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"Lav\xe9"))
    return path


def add_cover_art(path: Path) -> None:
    """Put a picture in front of an mp3, as ID3v2.3 stores it."""
    png = io.BytesIO()
    Image.fromarray(numbered(1)).save(png, "png")
    picture = b"\0image/png\0\3\0" + png.getvalue()
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + frame + path.read_bytes())


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> NDArray[np.float32]:
    """A sine (T,) float32."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def boxes(path: Path) -> list[str]:
    """Names of the top-level boxes of an mp4 file, in order."""
    data, position, names = path.read_bytes(), 0, []
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        names.append(data[position + 4 : position + 8].decode("latin1"))
        position += size if size > 1 else int.from_bytes(data[position + 8 : position + 16], "big")
    return names


def set_display_matrix(path: Path, degrees: int, mirrored: bool) -> None:
    """Make players turn an mp4's picture `degrees` counterclockwise, then mirror it left to right.

    Rewrites the matrix in the first track's header (ISO/IEC 14496-12, 8.3.2), which not every PyAV can set.
    """
    cosine, sine = round(np.cos(np.radians(degrees))), round(np.sin(np.radians(degrees)))
    flip = -1 if mirrored else 1
    rows = ((flip * cosine, -sine, 0), (flip * sine, cosine, 0))
    fixed = [*(value << 16 for row in rows for value in row), 0, 0, 1 << 30]
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in fixed)
    path.write_bytes(bytes(data))
