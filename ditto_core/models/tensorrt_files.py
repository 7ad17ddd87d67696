"""Engine files of TensorRT: what each was built for and from, written beside it, and whether it fits here.

An engine works with one version of TensorRT on one kind of GPU, and opening another one fails without saying
why. So `<name>.engine.json` says what it is, and is read first.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch

from ..errors import ModelError
from .replacing import replacing

OLDEST = (10, 0)
"""The first version with strongly typed networks, in which the graph alone decides on precision."""

VOLUMES = (11, 2)
"""The first version whose own `GridSample` takes volumes."""

_FP32 = ("motion_extractor", "hubert", "wavlm", "lmdm")


@dataclass(frozen=True)
class Machine:
    """What engines depend on: the GPU's name and compute capability, and TensorRT's version."""

    gpu: str
    capability: str
    tensorrt: str


@dataclass(frozen=True)
class EngineRecord:
    """What is written beside an engine. onnx: the name of the file it was built from."""

    gpu: str
    capability: str
    tensorrt: str
    precision: str
    onnx: str
    onnx_sha256: str

    def save(self, engine: Path) -> None:
        with replacing(record_path(engine)) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def record_path(engine: Path) -> Path:
    """Where an engine's record is."""
    return engine.with_name(f"{engine.name}.json")


def read_record(engine: Path) -> EngineRecord | None:
    """What is said beside an engine; None for one that was built elsewhere, without a record."""
    path = record_path(engine)
    if not path.is_file():
        return None
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        return EngineRecord(**{field.name: str(told[field.name]) for field in fields(EngineRecord)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def precision_of(name: str) -> str:
    """fp32 or fp16, as the network's published engine."""
    return "fp32" if name.startswith(_FP32) else "fp16"


def engine_name(onnx: Path) -> str:
    """The published name of the engine built from an ONNX file."""
    return f"{onnx.stem}_{precision_of(onnx.stem)}.engine"


def misfit(engine: Path, machine: Machine, source: Path | None) -> str:
    """Why an engine cannot be used here, or is not from its source as it is now; "" when it fits."""
    record = read_record(engine)
    if record is None:
        return ""
    if record.capability != machine.capability:
        return (
            f"it was built for {record.gpu} (compute capability {record.capability}), and this is "
            f"{machine.gpu} ({machine.capability})"
        )
    if version(record.tensorrt)[:3] != version(machine.tensorrt)[:3]:
        return f"it was built by TensorRT {record.tensorrt}, and this is {machine.tensorrt}"
    same = source is not None and source.name == record.onnx and source.is_file()
    if source is not None and same and file_hash(source) != record.onnx_sha256:
        return f"it was built from another {record.onnx} than the one in {source.parent}"
    return ""


def version(told: str) -> tuple[int, ...]:
    """The numbers of a version such as 10.13.3.9.post1."""
    numbers: list[int] = []
    for part in told.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, computed again only when the file changed."""
    status = path.stat()
    return _hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash(path: Path, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def import_tensorrt() -> Any:
    """NVIDIA's package; `ModelError` when it is missing or too old, or there is no GPU for it."""
    try:
        import tensorrt  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError(
            f"TensorRT is not installed or does not load ({error}). Install it with: pip install tensorrt. "
            "The runners pytorch and onnx do without."
        ) from error
    package = cast(Any, tensorrt)
    if version(package.__version__) < OLDEST:
        raise ModelError(
            f"TensorRT {package.__version__} is too old; {OLDEST[0]}.{OLDEST[1]} or later is needed. "
            "Install it with: pip install --upgrade tensorrt."
        )
    return package


def this_machine(device: torch.device) -> Machine:
    """Raises a `ModelError` when there is no such GPU."""
    package = import_tensorrt()
    if not torch.cuda.is_available():
        raise ModelError(
            "TensorRT needs an NVIDIA GPU, and PyTorch sees none. The runners pytorch and onnx do without."
        )
    major, minor = torch.cuda.get_device_capability(device)
    return Machine(torch.cuda.get_device_name(device), f"{major}.{minor}", package.__version__)
