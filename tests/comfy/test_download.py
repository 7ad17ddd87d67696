"""Model files in a real ComfyUI: the node that fetches them, and the folders they lie in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from helpers.comfy_server import PACK, ROOT, ComfyServer, Graph, checkout, comfy_command, environment
from helpers.hub_server import Hub, serving

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]

REPO = "digital-avatar/ditto-talkinghead"
MESHES = {"ditto_onnx/blaze_face.onnx": b"one" * 1000, "ditto_onnx/face_mesh.onnx": b"two" * 1000}


def asking(download: bool, endpoint: str = "") -> Graph:
    inputs = {"files": "ditto-faces", "download": download, "endpoint": endpoint}
    return {"1": {"class_type": "DittoDownload", "inputs": inputs}}


def test_the_node_only_looks_until_it_is_switched_on(server: ComfyServer) -> None:
    result = server.run(asking(download=False))
    (report,) = result.outputs["1"]["text"]
    assert "ditto-faces" in report
    assert "for non-commercial use only" in report
    assert "custom_nodes/ComfyUI-Ditto/install.py ditto-faces" in report
    assert not (server.base / "models" / "ditto").exists()


def test_what_can_be_had_is_fetched_and_the_rest_is_an_error_with_what_to_put_where(
    server: ComfyServer,
) -> None:
    folder = server.base / "models" / "ditto"
    with serving(Hub({f"{REPO}/{place}": content for place, content in MESHES.items()})) as hub:
        result = server.run(asking(True, hub.endpoint))
    assert {place: (folder / place).read_bytes() for place in MESHES} == MESHES
    told = result.error["exception_message"]
    assert "has no file ditto_pytorch/aux_models/det_10g.onnx" in told
    assert (
        f"{folder / 'ditto_pytorch/aux_models/det_10g.onnx'} (16.9 MB, InsightFace, non-commercial)" in told
    )
    assert "face_mesh" not in told.partition("by hand")[2]
    for place in MESHES:
        (folder / place).unlink()


def test_folders_of_extra_model_paths_come_first(tmp_path: Path) -> None:
    comfy = checkout()
    if comfy is None:
        pytest.skip("no ComfyUI checkout: set COMFYUI_DIR to one")
    command = [*comfy_command(comfy, Path(__file__).with_name("extra_paths.py")), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_install_downloads_into_the_comfyui_around_the_pack(server: ComfyServer) -> None:
    comfy = checkout()
    assert comfy is not None
    script = server.base / "custom_nodes" / PACK / "install.py"
    command = [str(environment(comfy)), str(script), "codeformer", "--dry-run"]
    variables = {name: value for name, value in os.environ.items() if name != "DITTO_MODELS"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert str(server.base / "models" / "ditto" / "superres" / "codeformer.pth") in done.stdout
