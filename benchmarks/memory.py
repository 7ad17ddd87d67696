"""Peak memory of rendering short and long clips: it grows neither with the clip's length nor the source's.

    python -m benchmarks.memory [--engines lite ditto] [--networks small] [--seconds 10 60]
                                [--source_seconds 5 60] [--max_size 512]

Each clip is rendered by a process of its own; the peak is what the operating system reports for it. First a
picture says more and more, then longer and longer videos say the same. Ditto's weights are seeded; its
`small` networks take and give what the full ones do, `full` ones need minutes for a second of clip.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.memory_render import TESTS, use_small_networks
from ditto_core.data import Frames
from ditto_core.media.images import read_image
from ditto_core.media.writer import write_video
from ditto_core.sequences import ComputedSequence

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "ditto_core" / "assets" / "astronaut.png"
FPS = 25


@dataclass(frozen=True)
class Peak:
    """What was rendered, and the most memory that took."""

    label: str
    megabytes: float


def measure(source: Path, seconds: float, max_size: int, ditto: tuple[Path, str] | None = None) -> float:
    """MB at the peak of rendering `seconds` of babble over `source` in a fresh process, by Lite.

    ditto: Ditto renders, with the networks of this folder, `small` or `full` ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        audio, clip = Path(folder) / "babble.wav", Path(folder) / "clip.mp4"
        write_babble(audio, seconds)
        command = [sys.executable, "-m", "benchmarks.memory_render", source, audio, clip, str(max_size)]
        done = subprocess.run(
            [*command, *(ditto or ())], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
    return float(done.stdout.split()[-1])


def write_babble(path: Path, seconds: float, rate: int = 16000) -> None:
    """A voiced sound whose syllables come and go four times a second: enough to open the mouth."""
    time = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    samples = 0.2 * voice * np.sin(2 * np.pi * 2 * time) ** 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples / np.abs(samples).max() * 20000).astype("<i2").tobytes())


def write_swaying(path: Path, seconds: float, side: int) -> Path:
    """A silent video of the portrait, `side` pixels, that moves from left to right and back."""
    portrait = cv2.resize(read_image(PORTRAIT).numpy(), (side, side))

    def compute(start: int, stop: int) -> Tensor:
        shifts = side / 20 * np.sin(np.arange(start, stop) / FPS)
        moved = [
            cv2.warpAffine(portrait, np.array([[1, 0, x], [0, 1, 0]], np.float32), (side, side))
            for x in shifts
        ]
        return torch.from_numpy(np.stack(moved))

    frames = ComputedSequence(compute, round(seconds * FPS), portrait.shape, torch.uint8)
    return write_video(Frames(frames, Fraction(FPS)), path)


def write_ditto(folder: Path, size: str) -> tuple[Path, str]:
    """A release of Ditto's with seeded weights in `folder`, for `measure`; 700 MB for full networks."""
    sys.path.insert(0, str(TESTS))
    from helpers.ditto_release import write_release

    if size == "small":
        use_small_networks()
    return write_release(folder / "release") / "ditto_pytorch", size


def peaks(engine: str, options: argparse.Namespace) -> Iterable[list[Peak]]:
    """For growing clips, then for growing sources."""
    with tempfile.TemporaryDirectory() as folder:
        ditto = write_ditto(Path(folder), options.networks) if engine == "ditto" else None
        yield [
            Peak(f"picture, {seconds:g} s", measure(options.source, seconds, options.max_size, ditto))
            for seconds in options.seconds
        ]
        videos = [
            (seconds, write_swaying(Path(folder) / f"{seconds}.mp4", seconds, options.max_size))
            for seconds in options.source_seconds
        ]
        clip = options.seconds[0]
        yield [
            Peak(f"{seconds:g} s of video, {clip:g} s", measure(video, clip, options.max_size, ditto))
            for seconds, video in videos
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", choices=["lite", "ditto"], nargs="+", default=["lite", "ditto"])
    parser.add_argument("--networks", choices=["small", "full"], default="small", help="Ditto's")
    parser.add_argument("--source", type=Path, default=PORTRAIT)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60])
    parser.add_argument("--source_seconds", type=float, nargs="+", default=[5, 60])
    parser.add_argument("--max_size", type=int, default=512)
    options = parser.parse_args()
    options.source = options.source.resolve()
    for engine in options.engines:
        for series in peaks(engine, options):
            print(f"\n{engine:26} {'peak RSS':>10} {'to first':>9}")
            for peak in series:
                growth = peak.megabytes / series[0].megabytes - 1
                print(f"{peak.label:26} {peak.megabytes:>7.0f} MB {growth:>+8.1%}", flush=True)


if __name__ == "__main__":
    main()
