"""The engines by name, and `auto`, which takes the best one that is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from .ditto.checkpoints import Checkpoints, find_checkpoints
from .ditto.config import read_data
from .ditto.engine import DittoEngine
from .engine import Engine
from .errors import EngineError, ModelError
from .host import Host
from .lite.engine import LiteEngine
from .models.execution import Execution
from .options import AUTO

ENGINE_NAMES = (AUTO, "lite", "ditto")
"""What a user may choose."""


def load_engine(
    name: str,
    host: Host,
    *,
    data_root: Path | None = None,
    cfg_pkl: Path | None = None,
    execution: Execution | None = None,
) -> Engine:
    """The engine called `name`; `auto` takes Ditto when its checkpoints are there, otherwise Lite.

    data_root: Ditto's folder `ditto_pytorch`, `ditto_onnx` or `ditto_trt_…`, under whatever name, instead of
    the host's model folders; cfg_pkl: its configuration; execution: how its networks are executed. The choice
    `auto` made is told through `host.notice`. Raises `EngineError` for an unknown engine, `ModelError` for
    one whose files are missing or damaged and `InputError` for an execution the device is not able to.
    """
    checkpoints = _checkpoints(name, host, data_root, cfg_pkl)
    if checkpoints is None:
        return LiteEngine()
    engine = DittoEngine(checkpoints, host.device, execution)
    _tell_unheeded(engine, host)
    return engine


def shared_engine(name: str, host: Host, execution: Execution | None = None) -> Engine:
    """As `load_engine`, but the same engine as last time while nothing it depends on has changed.

    So its networks stay loaded until the host wants their memory. Nobody may change it.
    """
    checkpoints = _checkpoints(name, host, None, None)
    if checkpoints is None:
        return _shared_lite()
    engine = _shared.get(checkpoints, host, execution or Execution())
    _tell_unheeded(engine, host)
    return engine


class _SharedEngine:
    """The engine that was asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: object = None
        self._engine: DittoEngine | None = None

    def get(self, checkpoints: Checkpoints, host: Host, execution: Execution) -> DittoEngine:
        key = (_state(checkpoints), host.device, execution)
        with self._lock:
            if self._engine is None or self._key != key:
                self._engine = None  # its memory goes before the next one's is taken
                self._engine = DittoEngine(checkpoints, host.device, execution)
                self._key = key
            return self._engine


_shared = _SharedEngine()


@lru_cache(maxsize=1)
def _shared_lite() -> LiteEngine:
    return LiteEngine()


def with_data(engine: Engine, file: Path, host: Host) -> Engine:
    """The engine with the data in a file in place of its configuration's, see `ditto.config.read_data`.

    Lite has none, which `host.notice` tells.
    """
    data = read_data(file)
    if isinstance(engine, DittoEngine):
        return engine.with_data(data)
    host.notice(f"{engine.label} has no configuration and does not use {file.name}; Ditto does.")
    return engine


def engine_state(name: str, host: Host) -> str:
    """A text that changes when `load_engine` would load something else: files came, went or were replaced."""
    return name if name == "lite" else f"{name}\n{_state(find_checkpoints(host.model_folders()))}"


def _state(checkpoints: Checkpoints) -> str:
    paths = {path for formats in checkpoints.formats.values() for path in formats.values()}
    files = [(path, path.stat()) for path in sorted({*paths, *checkpoints.found.values()})]
    return "\n".join(f"{path} {file.st_size} {file.st_mtime_ns}" for path, file in files)


def _checkpoints(name: str, host: Host, data_root: Path | None, cfg_pkl: Path | None) -> Checkpoints | None:
    """Ditto's checkpoints, None when Lite is to be used."""
    if name not in ENGINE_NAMES:
        raise EngineError(f"There is no engine {name!r}; choose one of {', '.join(ENGINE_NAMES)}.")
    if name == "lite":
        return None
    checkpoints = find_checkpoints(host.model_folders(), data_root, cfg_pkl)
    absent = _absent(data_root, cfg_pkl)
    if name == AUTO:
        host.notice(" ".join((*absent, _choice(checkpoints, named=data_root is not None))))
    elif absent:
        raise ModelError(
            f"{' '.join(absent)} Correct it, or leave it out to use the model folders "
            f"({_listed(host.model_folders())}), or get Ditto's files with: {checkpoints.to_get} (or choose "
            "lite or auto to go on without)."
        )
    return None if name == AUTO and checkpoints.missing else checkpoints


def _absent(data_root: Path | None, cfg_pkl: Path | None) -> list[str]:
    """What was asked for by its path and is not there, a sentence each."""
    told: list[str] = []
    if data_root is not None and not data_root.is_dir():
        told.append(f"There is no folder {data_root} (data_root).")
    if cfg_pkl is not None and not cfg_pkl.is_file():
        told.append(f"There is no configuration {cfg_pkl} (cfg_pkl).")
    return told


def _tell_unheeded(engine: DittoEngine, host: Host) -> None:
    if told := engine.networks.unheeded:
        host.notice(told)


def _choice(checkpoints: Checkpoints, *, named: bool) -> str:
    """What `auto` takes, and why. named: the user named the folder, and wants to know all that it lacks."""
    if not checkpoints.missing:
        return (
            f"Engine: Ditto. Its files were found in {_listed(p.parent for p in checkpoints.found.values())}."
        )
    looked, missing = _listed(checkpoints.folders), ", ".join(checkpoints.missing)
    told = f"None of Ditto's files were found in {looked}."
    if checkpoints.found or named:
        told = f"These files of Ditto's were not found in {looked}: {missing}."
    return f"Engine: Lite (draft quality). {told} To get them: {checkpoints.to_get}"


def _listed(folders: Iterable[Path]) -> str:
    return ", ".join(dict.fromkeys(str(folder) for folder in folders))
