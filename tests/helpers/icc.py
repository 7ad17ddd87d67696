"""Colour profiles (ICC.1:2001), made of as little as a reader asks for."""

from __future__ import annotations

import struct

import numpy as np

ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
"""XYZ (D50) of its red, green and blue, in columns: Adobe RGB (1998) Color Image Encoding."""
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""The same of IEC 61966-2-1."""
D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: np.ndarray, gamma: float) -> bytes:
    columns = {f"{name}XYZ": _xyz(*column) for name, column in zip("rgb", primaries.T, strict=True)}
    return _profile("mntr", "RGB ", "XYZ ", {**columns, **{f"{name}TRC": _curve(gamma) for name in "rgb"}})


def grey_profile(gamma: float) -> bytes:
    return _profile("mntr", "GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def ink_profile() -> bytes:
    """CMYK whose inks are all grey: as light as there is no black and, half as much, no other ink."""
    inks = np.indices((2, 2, 2, 2)).reshape(4, -1)
    light = 255 * (1 - inks[3]) * (1 - inks[:3].mean(axis=0) / 2)
    lab = np.stack([light, *[np.full(16, 128)] * 2], axis=1).astype(np.uint8)
    straight = bytes(range(256))
    matrix = b"".join(_fixed(value) for value in np.eye(3).ravel())
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + 4 * straight + lab.tobytes() + 3 * straight
    return _profile("prtr", "CMYK", "Lab ", {"A2B0": table})


def _profile(kind: str, space: str, connection: str, tags: dict[str, bytes]) -> bytes:
    tags = {"wtpt": _xyz(*D50), **tags}
    start = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name.encode() + struct.pack(">II", start + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    facts = kind + space + connection
    header = (
        struct.pack(">I4sI", start + len(content), b"", 0x02100000) + facts.encode() + bytes(12) + b"acsp"
    )
    header += bytes(28) + b"".join(_fixed(value) for value in D50)
    return header.ljust(128, b"\0") + table + content


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
