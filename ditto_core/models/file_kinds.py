"""What a model file is, by its first bytes: files lie under wrong names, and downloads save web pages."""

from __future__ import annotations

from pathlib import Path

_OF_SUFFIX = {
    **dict.fromkeys((".pth", ".pt", ".ckpt", ".bin", ".pkl"), "a PyTorch checkpoint"),
    ".engine": "a TensorRT engine",
    ".safetensors": "a .safetensors file",
    ".onnx": "an ONNX network",
}
POINTER = "a Git LFS pointer"
"""The stand-in that Git leaves in place of a large file it did not fetch."""

_WEB_PAGE = "a web page"
_OF_BEGINNING = {
    b"PK\x03\x04": _OF_SUFFIX[".pth"],
    b"ftrt": _OF_SUFFIX[".engine"],
    b"version https://git-lfs": POINTER,
    b"<": _WEB_PAGE,
}


def wrong_kind(path: Path) -> str:
    """What the file really is, for people; "" when that is what its name says, or cannot be told."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        return f"not readable: {error.strerror or error}"
    kind = next((told for begins, told in _OF_BEGINNING.items() if start.startswith(begins)), "")
    if start[8:10] == b'{"':
        kind = _OF_SUFFIX[".safetensors"]
    elif start[:1] == b"\x08" and start[2:3] in (b"\x12", b":"):  # a version, then who wrote it or the graph
        kind = _OF_SUFFIX[".onnx"]
    named = _OF_SUFFIX.get(path.suffix)
    return "" if kind == named or (named is None and kind not in (_WEB_PAGE, POINTER)) else kind
