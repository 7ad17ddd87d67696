"""The model files that a published configuration names, where they are in the folder of the checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from ..errors import ModelError
from ..models.configs import read_config

_BASE = "base_cfg"
_NAMES = {
    "detector": (_BASE, "insightface_det_cfg", "model_path"),
    "landmarks_106": (_BASE, "landmark106_cfg", "model_path"),
    "landmarks_203": (_BASE, "landmark203_cfg", "model_path"),
    "blaze_face": (_BASE, "landmark478_cfg", "blaze_face_model_path"),
    "face_mesh": (_BASE, "landmark478_cfg", "face_mesh_model_path"),
    "appearance_extractor": (_BASE, "appearance_extractor_cfg", "model_path"),
    "motion_extractor": (_BASE, "motion_extractor_cfg", "model_path"),
    "warp_network": (_BASE, "warp_network_cfg", "model_path"),
    "decoder": (_BASE, "decoder_cfg", "model_path"),
    "stitch_network": (_BASE, "stitch_network_cfg", "model_path"),
    "hubert": (_BASE, "hubert_cfg", "model_path"),
    "lmdm": ("audio2motion_cfg", "model_path"),
}
"""Where the name of each file stands."""

_FOLLOWED = (".pth", ".onnx")
"""TensorRT engines are made for one GPU; whether one is used is the runner's choice."""


def named_files(config: Path, roots: Sequence[Path]) -> dict[str, Path]:
    """The files that exist in one of `roots` under the names a configuration gives them, by role.

    Names that lead out of the folder are not followed. Empty for a configuration that cannot be read: whoever
    opens it says why.
    """
    try:
        content = read_config(config)
    except ModelError:
        return {}
    names = {role: _name(content, keys) for role, keys in _NAMES.items()}
    return {
        role: path
        for role, name in names.items()
        for root in reversed(roots)
        if name and (path := root / name).is_file()
    }


def _name(content: dict[str, Any], keys: Sequence[str]) -> str | None:
    """The relative path at these keys, None when there is none that may be followed."""
    value: Any = content
    for key in keys:
        value = cast(dict[str, Any], value).get(key) if isinstance(value, dict) else None
    if not isinstance(value, str):
        return None
    parts = PurePosixPath(value.replace("\\", "/"))
    inside = not parts.is_absolute() and not PureWindowsPath(value).anchor and ".." not in parts.parts
    return str(parts) if inside and parts.suffix in _FOLLOWED else None
