"""What a model file is, by its first bytes: files lie under wrong names, and downloads save web pages."""

from __future__ import annotations

from pathlib import Path

_OF_SUFFIX = {
    ".pth": "a PyTorch checkpoint",
    ".safetensors": "a .safetensors file",
    ".onnx": "an ONNX network",
}
_OF_BEGINNING = {b"PK\x03\x04": _OF_SUFFIX[".pth"], b"ftrt": "a TensorRT engine", b"<": "a web page"}


def wrong_kind(path: Path) -> str:
    """What the file really is, for people; "" when that is what its name says, or cannot be told."""
    with path.open("rb") as file:
        start = file.read(64)
    kind = next((told for begins, told in _OF_BEGINNING.items() if start.startswith(begins)), "")
    if start[8:10] == b'{"':
        kind = _OF_SUFFIX[".safetensors"]
    elif start[:1] == b"\x08" and start[2:3] in (b"\x12", b":"):  # a version, then who wrote it or the graph
        kind = _OF_SUFFIX[".onnx"]
    return "" if kind == _OF_SUFFIX.get(path.suffix) else kind
