"""More voices for espeak-ng: drawn ones, and its own without their echo.

An echo fills the silence by which the start of a stop is known (`espeak.py`). A voice without its echo
says the same things at the same times.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

_VARIANTS = """
    m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 klatt klatt2 klatt3 klatt4 Alicia Andrea Andy Annie Denis Diogo
    Henrique Hugo Jacky Lee Marco Michael Nguyen anika antonio aunty benjamin boris caleb david edward
    grandma grandpa iven john linda marcelo max miguel norbert pablo paul pedro quincy rob robert sandro
    shelby steph steph3 victor whisper whisperf steph2 Storm Mike klatt5 klatt6 announcer edward2 michel
    gustave iven2 iven3 iven4 Alex AnxiousAndy travis zac
"""
VARIANTS = ("", *_VARIANTS.split())
BREATHY = ("Alicia", "Andy", "Annie", "sandro", "steph", "steph2", "steph3", "whisper", "whisperf")
UNSEEN_VARIANTS = ("f5", "m8", "adam", "belinda", "Gene", "Mario")
DRAWN = tuple(f"drawn{number}" for number in range(600))
"""Names of voices that are not espeak-ng's."""
DRY = ".dry"
"""Ends the name of a voice without its echo."""


def linked_data(folder: Path) -> None:
    """Make `folder` a path for espeak-ng with its own data, in which there is room for more voices."""
    told = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True).stdout
    own = Path(told.partition("Data at: ")[2].strip())
    for part in (*own.iterdir(), *(own / "voices").iterdir(), *(own / "voices/!v").iterdir()):
        link = folder / "espeak-ng-data" / part.relative_to(own)
        if part.name in ("voices", "!v"):
            link.mkdir(parents=True)
        else:
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(part)


def add_voices(folder: Path) -> None:
    """Add the drawn voices, and those that have an echo without it.

    To be called when espeak-ng has listed its voices;
    that list has no room for more, but their files are found.
    """
    voices = folder / "espeak-ng-data/voices/!v"
    described = {path.name: path.read_text("utf-8") for path in voices.iterdir()}
    drawn = {name: _drawn(random.Random(name)) for name in DRAWN}
    for name, lines in drawn.items():
        (voices / name).write_text(lines, "utf-8")
    for name, lines in (described | drawn).items():
        dry = re.sub("(?m)^echo.*$", "", lines)
        if dry != lines:
            (voices / f"{name}{DRY}").write_text(dry, "utf-8")


def _drawn(rng: random.Random) -> str:
    """The description of a voice of any size, roughness and breath."""
    size = rng.uniform(0.82, 1.4)
    pitch = rng.uniform(60, 130) * size**2
    lines = [
        "language variant",
        f"pitch {pitch:.0f} {pitch * rng.uniform(1.1, 1.9):.0f}",
        f"roughness {rng.choice((0, 0, 1, 2, 3, 4, 6))}",
        f"flutter {rng.choice((0, 1, 2, 3, 5, 8))}",
        f"voicing {_about(100, 0.5, rng)}",
        f"consonants {_about(90, 0.35, rng)} {_about(80, 0.5, rng)}",
    ]
    for formant in range(9):
        shape = _about(100 * size, 0.06, rng), _about(95, 0.25, rng), _about(100, 0.25, rng)
        lines.append(f"formant {formant} " + " ".join(map(str, shape)))
    if rng.random() < 0.35:
        strengths = (rng.choice((0, 2, 3, 4, 6, 9, 13)) for _ in range(8))
        lines.append("breath " + " ".join(map(str, strengths)))
        lines.append("breathw " + " ".join(str(rng.randint(100, 400)) for _ in range(6)))
    if rng.random() < 0.3:
        bends = zip((300, 800, 1800, 3500), (_about(120, 0.7, rng) for _ in range(4)), strict=True)
        lines.append("tone " + " ".join(f"{hertz} {min(strength, 255)}" for hertz, strength in bends))
    if rng.random() < 0.15:
        lines.append(f"klatt {rng.randint(1, 5)}")
    if rng.random() < 0.25:
        lines.append(f"echo {rng.randint(20, 160)} {rng.randint(5, 50)}")
    return "\n".join(lines) + "\n"


def _about(middle: float, deviation: float, rng: random.Random) -> int:
    """A number near `middle`, log-normally distributed."""
    return round(middle * rng.lognormvariate(0, deviation))
