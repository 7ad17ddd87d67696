"""The engines by name, and `auto`, which takes the best one that is ready."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .ditto.checkpoints import Checkpoints, find_checkpoints
from .ditto.engine import DittoEngine
from .engine import Engine
from .errors import EngineError
from .host import Host
from .lite.engine import LiteEngine

AUTO = "auto"

ENGINE_NAMES = (AUTO, "lite", "ditto")
"""What a user may choose."""


def load_engine(
    name: str, host: Host, *, data_root: Path | None = None, cfg_pkl: Path | None = None
) -> Engine:
    """The engine called `name`; `auto` takes Ditto when its checkpoints are there, otherwise Lite.

    data_root: Ditto's folder `ditto_pytorch`, under whatever name, instead of the host's model folders;
    cfg_pkl: its configuration. The choice `auto` made is told through `host.notice`. Raises `EngineError` for
    an unknown engine and `ModelError` for one whose files are missing or damaged.
    """
    if name not in ENGINE_NAMES:
        raise EngineError(f"There is no engine {name!r}; choose one of {', '.join(ENGINE_NAMES)}.")
    if name == "lite":
        return LiteEngine()
    checkpoints = find_checkpoints(host.model_folders(), data_root, cfg_pkl)
    if name == AUTO:
        host.notice(_choice(checkpoints))
        if checkpoints.missing:
            return LiteEngine()
    return DittoEngine(checkpoints, host.device)


def engine_state(name: str, host: Host) -> str:
    """A text that changes when `load_engine` would load something else: files came, went or were replaced."""
    if name == "lite":
        return name
    found = find_checkpoints(host.model_folders()).found
    files = [(role, path, path.stat()) for role, path in sorted(found.items())]
    return "\n".join(
        [name, *(f"{role} {path} {file.st_size} {file.st_mtime_ns}" for role, path, file in files)]
    )


def _choice(checkpoints: Checkpoints) -> str:
    """What `auto` takes, and why."""
    if not checkpoints.missing:
        return (
            f"Engine: Ditto. Its files were found in {_listed(p.parent for p in checkpoints.found.values())}."
        )
    looked = _listed(checkpoints.folders)
    if not checkpoints.found:
        return f"Engine: Lite (draft quality). None of Ditto's files were found in {looked}."
    return (
        f"Engine: Lite (draft quality). These files of Ditto's were not found in {looked}: "
        f"{', '.join(checkpoints.missing)}."
    )


def _listed(folders: Iterable[Path]) -> str:
    return ", ".join(dict.fromkeys(str(folder) for folder in folders))
