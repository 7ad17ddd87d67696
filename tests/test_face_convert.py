"""The bundled face files: what they hold, and that the maintainer's converter still makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ditto_core.errors import ModelError
from ditto_core.face.topology import COUNT, MESH_COUNT, MOUTH_CORNERS
from ditto_core.models.bundled import bundled

SCRIPT = Path(__file__).parents[1] / "tools" / "convert_face_models.py"


def test_canonical_face_is_a_face_in_cm() -> None:
    face = np.load(bundled("canonical_face.npz"))
    vertices, triangles = face["v"], face["tri"]
    assert vertices.shape == (MESH_COUNT, 3)
    assert triangles.shape == (898, 3)
    assert set(np.unique(triangles)) == set(range(MESH_COUNT))
    assert np.ptp(vertices, axis=0) == pytest.approx([15.5, 17.7, 10.0], abs=0.5)
    left, right = vertices[list(MOUTH_CORNERS)]
    assert left == pytest.approx(right * [-1, 1, 1], abs=1e-4)
    assert COUNT == MESH_COUNT + 10


def test_a_missing_bundled_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"nothing\.onnx is missing"):
        bundled("nothing.onnx")


@pytest.mark.slow
def test_the_converter_reproduces_the_bundled_files() -> None:
    folder = os.environ.get("DITTO_FACE_SOURCES")
    if not folder:
        pytest.skip("needs DITTO_FACE_SOURCES, a folder with the mediapipe wheel and the face_mesh archive")
    for package in ("tflite", "flatbuffers", "onnx"):
        pytest.importorskip(package)
    wheel, archive = next(Path(folder).glob("*.whl")), next(Path(folder).glob("*.tgz"))
    command = [sys.executable, str(SCRIPT), "--check", "--wheel", str(wheel), "--package", str(archive)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("the same") == 3
