"""ComfyUI-Ditto's engine room: portrait and speech in, talking-head video out. Imports without ComfyUI.

from ditto_core import talk
talk("portrait.jpg", "speech.wav", "talking.mp4")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .talking_head import TalkOptions, talk

__version__ = "0.1.0"

__all__ = ["TalkOptions", "__version__", "talk"]


def __getattr__(name: str) -> Any:
    """Load the pipeline when it is first asked for: importing the package alone stays light."""
    if name not in ("TalkOptions", "talk"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import talking_head

    return getattr(talking_head, name)
