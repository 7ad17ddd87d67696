"""Peak memory of rendering a short and a long clip: it must not grow with the clip's length.

    python -m benchmarks.memory [--source PICTURE_OR_VIDEO] [--seconds 10 60] [--max_size 512]

Each clip is rendered by a process of its own; the peak is what the operating system reports for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "ditto_core" / "assets" / "astronaut.png"

_RENDER = """
import resource, sys
from ditto_core import talk
source, audio, output, max_size = sys.argv[1:]
talk(source, audio, output, engine="lite", max_size=int(max_size))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (1024 ** 2 if sys.platform == "darwin" else 1024))
"""


@dataclass(frozen=True)
class Peak:
    """A clip's length and the most memory its rendering held."""

    seconds: int
    megabytes: float


def measure(source: Path, seconds: int, max_size: int) -> Peak:
    """Render `seconds` of babble over `source` in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "babble.wav"
        write_babble(audio, seconds)
        command = [sys.executable, "-c", _RENDER, source, audio, Path(folder) / "clip.mp4", str(max_size)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return Peak(seconds, float(done.stdout.split()[-1]))


def write_babble(path: Path, seconds: int, rate: int = 16000) -> None:
    """A voiced sound whose syllables come and go four times a second: enough to open the mouth."""
    time = np.arange(seconds * rate) / rate
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    samples = 0.2 * voice * np.sin(2 * np.pi * 2 * time) ** 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples / np.abs(samples).max() * 20000).astype("<i2").tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PORTRAIT)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--max_size", type=int, default=512)
    options = parser.parse_args()
    peaks = [measure(options.source.resolve(), seconds, options.max_size) for seconds in options.seconds]
    print(f"{'clip':>8} {'peak RSS':>10} {'to first':>9}")
    for peak in peaks:
        growth = peak.megabytes / peaks[0].megabytes - 1
        print(f"{peak.seconds:>6} s {peak.megabytes:>7.0f} MB {growth:>+8.1%}")


if __name__ == "__main__":
    main()
