"""Ditto's PyTorch checkpoints in other formats: `.safetensors` beside them, and ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from ..errors import ModelError
from ..host import Host
from ..models.checkpoints import fill, read_weights
from ..models.safe_weights import safe_form, write_safely
from .checkpoints import Checkpoints
from .export import FORMS, export_network
from .networks import create
from .runners import WRAPPED


def convert_safetensors(checkpoints: Checkpoints, host: Host) -> list[Path]:
    """Write `.safetensors` beside every `.pth` that has none of its own yet; the files written.

    Raises a `ModelError` when there are no `.pth` files, one is damaged, or there is no room.
    """
    written: list[Path] = []
    for name, path in _networks(checkpoints, host):
        if path.suffix == ".pth" and safe_form(path) is None:
            network = load_network(name, path)  # only what fits is written
            written.append(write_safely(path, network.state_dict()))
    return written


def convert_onnx(checkpoints: Checkpoints, onnx_dir: Path, host: Host) -> list[Path]:
    """Write the networks as ONNX files with the published names into `onnx_dir`; the files written.

    Files that are there are kept, and the host is told. Raises a `ModelError` when there are no checkpoints,
    one is damaged, a package is missing or there is no room.
    """
    written: list[Path] = []
    for name, path in _networks(checkpoints, host):
        target = onnx_dir / FORMS[name].file
        if target.exists():
            host.notice(f"{target} is there already and stays; delete it to have it written.")
            continue
        written.append(export_network(name, load_network(name, path), onnx_dir))
    return written


def load_network(name: str, path: Path) -> nn.Module:
    """A network on the CPU, in its published form, with the weights of its checkpoint."""
    with torch.device("meta"):
        network = create(name)
    fill(network, read_weights(path, *WRAPPED.get(name, ("", ""))), path)
    return network.eval()


def _networks(checkpoints: Checkpoints, host: Host) -> Iterator[tuple[str, Path]]:
    """The networks with PyTorch files; one counts as done when the next is asked for."""
    formats = {name: checkpoints.formats.get(name, {}) for name in FORMS}
    files = {name: found["pytorch"] for name, found in formats.items() if "pytorch" in found}
    if not files:
        looked = ", ".join(str(folder) for folder in checkpoints.folders)
        raise ModelError(f"There are no PyTorch checkpoints of Ditto's networks. Looked in {looked}.")
    if missing := [name for name in FORMS if name not in files]:
        host.notice(f"There is no PyTorch checkpoint to convert of {', '.join(missing)}.")
    for done, (name, path) in enumerate(files.items()):
        host.check_interrupted()
        host.progress("convert", done, len(files))
        yield name, path
    host.progress("convert", len(files), len(files))
