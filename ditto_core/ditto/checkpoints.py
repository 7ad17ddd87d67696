"""Where Ditto's published files lie, and the networks in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from ..errors import ModelError
from ..models.checkpoints import TorchNetwork
from ..models.runners import OnnxRunner
from .networks import create, faster
from .networks.lmdm import LMDM

RELEASE = "digital-avatar/ditto-talkinghead on Hugging Face"
PYTORCH = "ditto_pytorch"

CONFIG = "ditto_cfg/v0.4_hubert_cfg_pytorch.pkl"
_CONFIGS = (CONFIG, "ditto_cfg/v0.4_hubert_cfg_trt.pkl")
"""Any of them: offline they differ in paths only."""

_NETWORKS = {
    name: f"{PYTORCH}/models/{'lmdm_v0.4_hubert' if name == 'lmdm' else name}.pth"
    for name in (
        "appearance_extractor",
        "motion_extractor",
        "warp_network",
        "decoder",
        "stitch_network",
        "lmdm",
    )
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "config": _CONFIGS,
    **{name: (path,) for name, path in _NETWORKS.items()},
    "hubert": (f"{PYTORCH}/aux_models/hubert_streaming_fix_kv.onnx", "ditto_onnx/hubert.onnx"),
}
"""Each file's places in the release, best first."""

FACES: dict[str, tuple[str, ...]] = {
    "detector": (f"{PYTORCH}/aux_models/det_10g.onnx", "ditto_onnx/insightface_det.onnx"),
    "landmarks_106": (f"{PYTORCH}/aux_models/2d106det.onnx", "ditto_onnx/landmark106.onnx"),
    "landmarks_203": (f"{PYTORCH}/aux_models/landmark203.onnx", "ditto_onnx/landmark203.onnx"),
}
"""InsightFace's are for non-commercial use; the built-in mesh stands in for all three."""

MESH: dict[str, tuple[str, ...]] = {
    "blaze_face": ("ditto_onnx/blaze_face.onnx",),
    "face_mesh": ("ditto_onnx/face_mesh.onnx",),
}

_WRAPPED = {"stitch_network": ("retarget_shoulder", "module."), "lmdm": ("model_state_dict", "")}
"""The entry of the file that holds the weights, and a text in their names that is left out."""


@dataclass(frozen=True)
class Checkpoints:
    """The files that were found, by role, and what was not: paths within the release."""

    found: dict[str, Path]
    missing: tuple[str, ...]
    folders: tuple[Path, ...]

    def have(self, roles: Sequence[str]) -> bool:
        return all(role in self.found for role in roles)

    def require(self) -> None:
        """Raise a `ModelError` that says what to put where, unless all that is needed is there."""
        if self.missing:
            looked = ", ".join(str(folder) for folder in self.folders)
            raise ModelError(
                f"Ditto's files are not complete. Missing: {', '.join(self.missing)}. Looked in {looked}. "
                f"Put them there under these names, from {RELEASE}, or choose lite or auto to go on without."
            )


def find_checkpoints(
    folders: Sequence[Path], data_root: Path | None = None, cfg_pkl: Path | None = None
) -> Checkpoints:
    """Look for the files of the release.

    folders: each may hold the release's folders (`ditto_cfg`, `ditto_pytorch`, `ditto_onnx`), or the release
    in `checkpoints`, as its documents name it; a file may lie in any of them. data_root: the `ditto_pytorch`
    folder to use instead, under whatever name. cfg_pkl: the configuration to use.
    """
    inner = [folder / "checkpoints" for folder in folders if (folder / "checkpoints").is_dir()]
    roots = (*folders, *inner) if data_root is None else (data_root,)
    searched = tuple(root.absolute() for root in roots)
    found: dict[str, Path] = {}
    for role, places in {**_NEEDED, **FACES, **MESH}.items():
        there = [
            path
            for place in places
            for folder in searched
            if (path := _path(folder, place, is_root=data_root is not None)).is_file()
        ]
        if there:
            found[role] = there[0]
    if cfg_pkl is not None:
        found["config"] = cfg_pkl
    missing = tuple(places[0] for role, places in _NEEDED.items() if role not in found)
    return Checkpoints(found, missing, searched)


def _path(folder: Path, place: str, *, is_root: bool) -> Path:
    """A place of the release; with `is_root` the folder is the release's `ditto_pytorch` itself."""
    if not is_root:
        return folder / place
    top, _, rest = place.partition("/")
    return folder / rest if top == PYTORCH else folder.parent / place


class DittoNetworks:
    """The six networks and the speech encoder, each loaded on its first use.

    Signatures: `ditto_core.ditto.networks`; `hubert`: samples (1, T) at 16 kHz to features (rows, 1024).
    """

    def __init__(self, found: dict[str, Path], device: torch.device) -> None:
        self.device = device
        networks = {name: _network(name, found[name], device) for name in _NETWORKS}
        self.appearance_extractor = networks["appearance_extractor"]
        self.motion_extractor = networks["motion_extractor"]
        self.warp_network = networks["warp_network"]
        self.decoder = networks["decoder"]
        self.stitch_network = networks["stitch_network"]
        self.lmdm = cast(TorchNetwork[LMDM], networks["lmdm"])
        self.hubert = OnnxRunner(found["hubert"], threads=torch.get_num_threads())


def _network(name: str, path: Path, device: torch.device) -> TorchNetwork[nn.Module]:
    part, prefix = _WRAPPED.get(name, ("", ""))
    # Measured on the CPU only; a GPU gets the networks as published, which take whole batches.
    finish = faster if device.type == "cpu" else None
    return TorchNetwork(lambda: create(name), path, part=part, prefix=prefix, device=device, finish=finish)
