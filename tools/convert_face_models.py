"""Makes the bundled face files from the packages that publish them; for maintainers.

    python tools/convert_face_models.py                 # fetch the packages, rewrite the bundled files
    python tools/convert_face_models.py --check         # …, compare with the bundled files instead
    python tools/convert_face_models.py --wheel mediapipe-0.10.21-….whl --package mediapipe-face_mesh-….tgz

Sources, both Apache-2.0: the wheel mediapipe 0.10.21 (face detector and landmark networks, TensorFlow Lite)
and the npm package @mediapipe/face_mesh 0.4.1657299874 (canonical face). The bundled files are this program's
output, byte for byte.
Needs the packages tflite, flatbuffers and onnx; fetching needs pip and npm.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tflite_to_onnx import Converter

BUNDLED = Path(__file__).parents[1] / "ditto_core" / "models" / "bundled"
WHEEL = "mediapipe==0.10.21"
PACKAGE = "@mediapipe/face_mesh@0.4.1657299874"

# bundled name -> path in the wheel, SHA-256
NETWORKS = {
    "face_det.onnx": (
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face_mesh478.onnx": (
        "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
    ),
}
ASSETS = "package/face_mesh_solution_packed_assets"
ASSETS_SHA256 = "dbe5905c582c0462cdaea17e7e6ecea92edaa8cccc515c5e2e7291f2cbb5fb99"
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {WHEEL}; fetched with pip when not given")
    parser.add_argument(
        "--package", type=Path, help=f"the archive of {PACKAGE}; fetched with npm when not given"
    )
    parser.add_argument("--output", type=Path, default=BUNDLED, help="folder to write to or to compare with")
    parser.add_argument(
        "--check", action="store_true", help="compare with the files that are there; write nothing"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or fetch_wheel(Path(folder))
        package = options.package or fetch_package(Path(folder))
        files = make_files(wheel, package)
    if options.check:
        return compare(files, options.output)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (options.output / name).write_bytes(data)
        print(f"{name}: {len(data):,} bytes")
    return 0


def make_files(wheel: Path, package: Path) -> dict[str, bytes]:
    """All bundled face files by name."""
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, (path, expected) in NETWORKS.items():
            data = archive.read(path)
            check_source(path, data, expected)
            model = Converter(data).convert(Path(name).stem, "input")
            files[name] = model.SerializeToString(deterministic=True)
    files["canonical_face.npz"] = canonical_face(read_geometry(package))
    return files


def compare(files: dict[str, bytes], folder: Path) -> int:
    """Print which files differ from those in the folder; 0 when none does."""
    different = 0
    for name, data in files.items():
        path = folder / name
        same = path.is_file() and path.read_bytes() == data
        different += not same
        print(f"{name}: {'the same' if same else 'different'}")
    return min(different, 1)


def fetch_wheel(folder: Path) -> Path:
    """Fetch the wheel with pip; it is unpacked, not installed, so its own requirements do not matter."""
    target = ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", *target, "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def fetch_package(folder: Path) -> Path:
    """Fetch the archive with npm."""
    subprocess.run(["npm", "pack", PACKAGE], check=True, cwd=folder)
    return next(folder.glob("*.tgz"))


def check_source(name: str, data: bytes, expected: str) -> None:
    """Stop when a source is not the published one."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise SystemExit(f"{name} has SHA-256 {found}, not {expected}.")


def read_geometry(package: Path) -> bytes:
    """The canonical face's protobuf from the package's packed assets; the loader says where it lies."""
    with tarfile.open(package) as archive:
        data, loader = (archive.extractfile(ASSETS + ending) for ending in (".data", "_loader.js"))
        if not (data and loader):
            raise SystemExit(f"{package} holds no {ASSETS}.data.")
        packed, script = data.read(), loader.read().decode()
    check_source(ASSETS + ".data", packed, ASSETS_SHA256)
    listing = re.search(r"loadPackage\((\{.*?\})\);", script, re.DOTALL)
    if not listing:
        raise SystemExit(f"The loader in {package} lists no files.")
    entry = next(e for e in json.loads(listing[1])["files"] if e["filename"].endswith(GEOMETRY))
    return packed[entry["start"] : entry["end"]]


def canonical_face(data: bytes) -> bytes:
    """The face geometry's protobuf as an .npz file.

    v (468, 3) float32 vertices in cm, x to the image's right, y up, z to the camera; uv (468, 2) float32;
    tri (898, 3) int64; wi, ww: vertices and weights of the rigid alignment.
    """
    fields = list(protobuf_fields(data))
    mesh = list(protobuf_fields(next(value for number, value in fields if number == 1)))
    vertices = np.frombuffer(b"".join(value for number, value in mesh if number == 3), "<f4").reshape(-1, 5)
    triangles = np.array([value for number, value in mesh if number == 4]).reshape(-1, 3)
    basis = [dict(protobuf_fields(value)) for number, value in fields if number == 2]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        v=vertices[:, :3],
        uv=vertices[:, 3:],
        tri=triangles,
        wi=np.array([entry[1] for entry in basis]),
        ww=np.array([struct.unpack("<f", entry[2])[0] for entry in basis]),
    )
    return buffer.getvalue()


def protobuf_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number, and an int (varint) or bytes (all others)."""
    position = 0
    while position < len(data):
        key, position = varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = varint(data, position)
            yield number, value
            continue
        size, position = varint(data, position) if kind == 2 else ({1: 8, 5: 4}[kind], position)
        yield number, data[position : position + size]
        position += size


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A variable-length integer and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


if __name__ == "__main__":
    sys.exit(main())
