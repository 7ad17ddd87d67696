"""The bundled portrait speaks the bundled sentence: what `make demo` shows, and what `doctor` tries."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .host import Host
from .talking_head import TalkOptions, talk

_ASSETS = Path(__file__).with_name("assets")

PORTRAIT = _ASSETS / "astronaut.png"
SPEECH = _ASSETS / "speech" / "demo.flac"


def demo(output: str | PathLike[str], host: Host | None = None, options: TalkOptions | None = None) -> Path:
    """Render the demo with the best engine that is ready and give the path written."""
    return talk(PORTRAIT, SPEECH, output, options=options, host=host)
