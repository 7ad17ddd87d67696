"""The engines by name, and `auto`, which takes the best one that is ready."""

from __future__ import annotations

from collections.abc import Callable

from .engine import Engine
from .errors import EngineError
from .host import Host
from .lite.engine import LiteEngine

AUTO = "auto"

_ENGINES: dict[str, Callable[[], Engine]] = {"lite": LiteEngine}

ENGINE_NAMES = (AUTO, *_ENGINES, "ditto")
"""What a user may choose."""


def load_engine(name: str, host: Host) -> Engine:
    """The engine called `name`; `auto` takes Ditto when its checkpoints are there, otherwise Lite.

    The choice `auto` made is told through `host.notice`. Raises `EngineError` for an unknown engine or one
    that is not ready.
    """
    if name == AUTO:
        host.notice("Engine: Lite (draft quality). Ditto is not installed.")
        return LiteEngine()
    if name == "ditto":
        raise EngineError("The Ditto engine is not part of this version yet; choose lite or auto.")
    if name not in _ENGINES:
        raise EngineError(f"There is no engine {name!r}; choose one of {', '.join(ENGINE_NAMES)}.")
    return _ENGINES[name]()
