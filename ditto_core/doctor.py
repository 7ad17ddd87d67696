"""Examines the installation: libraries, devices, models, ComfyUI, and whether Lite really renders."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch

from .demo import PORTRAIT
from .ditto.checkpoints import find_checkpoints
from .ditto.runners import DittoNetworks
from .errors import DittoError
from .host import Host, comfyui_folder
from .media.encoders import find_encoder
from .models.bundled import FOLDER as BUNDLED
from .models.catalogue import catalogue
from .models.execution import Execution, open_device
from .models.inventory import take_inventory, tell_set
from .models.providers import available_providers
from .options import AUTO
from .sizes import size_of
from .talking_head import talk

LIBRARIES = ("torch", "numpy", "scipy", "pillow", "tqdm", "av", "safetensors")
LATE_LIBRARIES = {
    "huggingface-hub": "downloading",
    "spandrel": "super-resolution",
    "spandrel-extra-arches": "CodeFormer and RestoreFormer",
}
"""Libraries that are loaded when something needs them, and what does."""
SHARED_MODULES = {"cv2": "opencv", "onnxruntime": "onnxruntime"}
"""Modules that several packages bring under the same name, and what those packages' names begin with."""

ENCODERS = ("h264", "aac")

State = Literal["ok", "absent", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report, which says what to do where something is wrong.

    state: `ok`; `absent` for what may be missing; `warning` for what keeps something from working, and
    `problem` for what keeps Lite from it.
    """

    topic: str
    text: str
    state: State = "ok"


class _Silent(Host):
    """Says nothing of the portrait that is rendered for a test."""

    def notice(self, message: str) -> None:
        pass


def examine(host: Host) -> list[Finding]:
    """Everything worth knowing before a first render, in the order in which it matters."""
    return [*_libraries(), *_devices(), *_models(host), _comfyui(), _lite()]


def _libraries() -> Iterator[Finding]:
    for name in (*LIBRARIES, *LATE_LIBRARIES):
        yield _library(name)
    for module, prefix in SHARED_MODULES.items():
        packages = sorted(
            {
                f"{package.name} {package.version}"
                for package in metadata.distributions()
                if (package.name or "").startswith(prefix)  # pip leaves folders without a name behind
            }
        )
        told = ", ".join(packages) or f"{module} of unknown origin"
        if len(packages) > 1:
            yield Finding("Libraries", f"{told} share one module; keep only one of them", "warning")
        else:
            yield Finding("Libraries", told)
    yield Finding("Libraries", f"ONNX Runtime's providers: {', '.join(available_providers())}")
    for name in ENCODERS:
        yield _encoder(name)


def _library(name: str) -> Finding:
    try:
        return Finding("Libraries", f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        told = f"{name} is missing, which {LATE_LIBRARIES.get(name, 'the pack')} needs: pip install {name}"
        return Finding("Libraries", told, "warning" if name in LATE_LIBRARIES else "problem")


def _encoder(name: str) -> Finding:
    try:
        return Finding("Libraries", f"{name} encoder: {find_encoder(name).name}")
    except DittoError as error:
        return Finding("Libraries", str(error), "problem")


def _devices() -> Iterator[Finding]:
    yield Finding("Devices", f"CPU, {os.cpu_count()} cores, {torch.get_num_threads()} threads for torch")
    for index in range(torch.cuda.device_count()):
        _free, total = torch.cuda.mem_get_info(index)
        yield Finding("Devices", f"{torch.cuda.get_device_name(index)}, {size_of(total)}")
    if torch.backends.mps.is_available():
        yield Finding("Devices", "Apple GPU (mps)")


def _models(host: Host) -> Iterator[Finding]:
    sums = [line.split() for line in (BUNDLED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    damaged = [name for digest, name in sums if not _is_whole(BUNDLED / name, digest)]
    if damaged:
        yield Finding(
            "Models", f"Damaged or missing in {BUNDLED}: {', '.join(damaged)}. Reinstall the pack.", "problem"
        )
    else:
        yield Finding("Models", f"All {len(sums)} bundled files are whole")
    for folder in host.model_folders():
        if folder.is_dir():
            yield Finding("Models", f"Model folder {folder.resolve()} is there")
        else:
            told = f"Model folder {folder.resolve()} is not there, and is not needed by Lite"
            yield Finding("Models", told, "absent")
    for name in catalogue().sets:
        found = take_inventory(catalogue().of_set(name), host.model_folders())
        state = "warning" if found.flawed else "absent" if found.missing else "ok"
        yield Finding("Models", tell_set(name, host.model_folders()), state)
    yield from _ditto(host)


def _ditto(host: Host) -> Iterator[Finding]:
    """What `auto` executes Ditto's networks on, once its files are there."""
    checkpoints = find_checkpoints(host.model_folders())
    if checkpoints.missing:
        return
    try:
        networks = DittoNetworks(checkpoints, open_device(AUTO), Execution())
    except DittoError as error:
        yield Finding("Models", f"Ditto's networks cannot run here: {error}", "warning")
        return
    flawed = {path for _, path, _ in take_inventory(catalogue().files, host.model_folders()).flawed}
    doubtful = [path.name for path in networks.files.values() if path in flawed]
    if doubtful:
        told = f"Ditto's networks would run on {networks.told}. Not as published: {', '.join(doubtful)}"
        yield Finding("Models", told, "warning")
    else:
        yield Finding("Models", f"Ditto's networks run on {networks.told}")


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _comfyui() -> Finding:
    if comfyui := comfyui_folder():
        return Finding("ComfyUI", f"The pack is installed in {comfyui}")
    return Finding("ComfyUI", "This copy of the pack is not in ComfyUI's custom_nodes folder")


def _lite() -> Finding:
    """Render, encode and write three frames: every bundled network runs once."""
    begun = time.perf_counter()
    second = torch.linspace(0, 400, 16000)
    speech = (torch.sin(second) * 0.1)[:1920], 16000
    try:
        with tempfile.TemporaryDirectory() as folder:
            talk(PORTRAIT, speech, Path(folder) / "check.mp4", engine="lite", max_size=256, host=_Silent())
    except Exception as error:  # noqa: BLE001  whatever it is, the other findings help to understand it
        return Finding("Lite", f"It cannot render: {error}", "problem")
    return Finding("Lite", f"Rendered and encoded 3 frames in {time.perf_counter() - begun:.1f} s")
