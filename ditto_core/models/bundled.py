"""The model files that come with the pack, so that it works without a download."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError

FOLDER = Path(__file__).with_name("bundled")


def bundled(name: str) -> Path:
    """The path of a bundled file such as `face_det.onnx`; a `ModelError` when it is not there."""
    path = FOLDER / name
    if not path.is_file():
        raise ModelError(f"The bundled model {name} is missing from {FOLDER}. Reinstall the pack.")
    return path
