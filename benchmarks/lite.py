"""Speed of the Lite engine's stages on one thread, and of rendering with and without encoding.

    python -m benchmarks.lite [--portrait P] [--sizes 512 720 1080] [--seconds 4]

The portrait is cropped around the face and scaled to each size, so that the face takes about half of the
picture's width. Times are the process's own CPU time: other programs do not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import ditto_core
from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio, Avatar, Frames
from ditto_core.host import Host
from ditto_core.lite.engine import LiteEngine
from ditto_core.media.encoders import VideoOptions
from ditto_core.media.images import read_image
from ditto_core.media.sound import read_audio
from ditto_core.media.source import as_source
from ditto_core.media.writer import write_video
from ditto_core.options import AvatarOptions, MotionOptions, StitchOptions

ASSETS = Path(ditto_core.__file__).parent / "assets"
FACE_SHARE = 0.5
HOST = Host()


class Clock:
    """Adds up CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start


def framed(engine: LiteEngine, picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square picture of `size` pixels in which the face takes `FACE_SHARE` of the width."""
    x0, y0, x1, y1 = engine.finder.find(picture).box
    half = (x1 - x0) / FACE_SHARE / 2
    scale = size / (2 * half)
    matrix = np.array(
        [[scale, 0, scale * (half - (x0 + x1) / 2)], [0, scale, scale * (half - (y0 + y1) / 2)]]
    )
    return np.asarray(
        cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    )


def prepare(
    engine: LiteEngine, picture: NDArray[np.uint8], audio: Audio, clock: Clock
) -> tuple[Avatar, Frames]:
    with clock.measure("register"):
        avatar = engine.register(as_source(picture), AvatarOptions(), HOST)
    with clock.measure("encode speech"):
        speech = engine.encode_speech(audio, HOST)
    with clock.measure("sample motion, stitch"):
        motion = engine.sample_motion(avatar, speech, MotionOptions(), HOST)
        keypoints = engine.stitch(avatar, motion, StitchOptions())
    volumes = engine.warp(keypoints)
    with clock.measure("warp"):
        for _ in volumes.values.batches():
            pass
    frames = put_back(engine.decode(volumes))
    return avatar, frames


def report(engine: LiteEngine, picture: NDArray[np.uint8], audio: Audio) -> None:
    clock = Clock()
    _, frames = prepare(engine, picture, audio, clock)
    count = len(frames.images)
    with clock.measure("rendering (warp, decode, put back)"):
        for _ in frames.images.batches():
            pass
    with tempfile.TemporaryDirectory() as folder, clock.measure("rendering and encoding"):
        write_video(frames, Path(folder) / "benchmark.mp4", VideoOptions(), HOST)
    print(f"\n{frames.width} x {frames.height}, {count} frames")
    for name, seconds in clock.seconds.items():
        rate = f"{count / seconds:7.1f} fps" if name.startswith(("warp", "rendering")) else ""
        print(f"  {name:36} {seconds:7.2f} s {rate}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portrait", type=Path, default=ASSETS / "astronaut.png")
    parser.add_argument("--speech", type=Path, default=ASSETS / "speech" / "demo.flac")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 720, 1080])
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    engine = LiteEngine()
    sound = read_audio(options.speech)
    audio = Audio(sound.samples[:, : round(options.seconds * sound.rate)], sound.rate)
    picture = read_image(options.portrait).numpy()
    report_first = framed(engine, picture, 128)
    engine.register(as_source(report_first), AvatarOptions(), HOST)  # loads the networks
    print(f"One thread of {os.cpu_count()} cores, CPU time.")
    for size in options.sizes:
        report(engine, framed(engine, picture, size), audio)


if __name__ == "__main__":
    main()
