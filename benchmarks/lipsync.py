"""Lip sync of rendered videos, measured on the decoded mp4.

    python -m benchmarks.lipsync                                    # bundled portrait and recordings
    python -m benchmarks.lipsync --portraits a.jpg b.png --speech folder/*.flac

Speech needs a JSON of the same name beside it that says what is said when (see `tools/make_speech.py`).
Prints Pearson r of lip gap and mouth width with what the known sounds ask for, their lags (+ is late), the
r of the gap with shifted speech (95th percentile), the closure rank, and the number of blinks.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import ditto_core
from benchmarks.lipsync_measure import (
    closure_rank,
    opening_agreement,
    read_phones,
    watch,
    width_agreement,
)
from ditto_core import talk

ASSETS = Path(ditto_core.__file__).parent / "assets"
HEADER = f"{'portrait':20} {'speech':14} open r lag ms shifted width r lag ms  rank blinks"


def measure(portrait: Path, speech: Path, folder: Path, engine: str) -> str:
    """Render one video and describe its lip sync as a row of the table."""
    video = talk(portrait, speech, folder / f"{portrait.stem}_{speech.stem}.mp4", engine=engine)
    phones, watched = read_phones(speech.with_suffix(".json")), watch(video)
    opening = opening_agreement(watched.gap, phones, watched.fps)
    width = width_agreement(watched.width, phones, watched.fps)
    rank = closure_rank(watched.gap, phones, watched.fps)
    return (
        f"{portrait.stem[:20]:20} {speech.stem[:14]:14} {opening.r:6.2f} {1000 * opening.lag:+6.0f} "
        f"{opening.control_p95:7.2f} {width.r:7.2f} {1000 * width.lag:+6.0f} {rank:5.2f} {watched.blinks():6}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portraits", type=Path, nargs="+", default=[ASSETS / "astronaut.png"])
    parser.add_argument("--speech", type=Path, nargs="+", default=sorted((ASSETS / "speech").glob("*.flac")))
    parser.add_argument("--engine", default="lite")
    parser.add_argument("--keep", type=Path, help="folder in which the videos stay")
    options = parser.parse_args()
    print(HEADER)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for portrait in options.portraits:
            for speech in options.speech:
                print(measure(portrait, speech, folder, options.engine), flush=True)


if __name__ == "__main__":
    main()
