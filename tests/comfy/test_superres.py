"""Super-resolution in a real ComfyUI: with small networks in ComfyUI's model folders, and without any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.comfy_server import ROOT, ComfyServer, Graph
from helpers.restorers import saved, small_restoreformer, small_upscaler
from helpers.stub_host import StubHost, api_form

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]


def graph_of(name: str, folder: Path) -> Graph:
    host = StubHost(folder)
    graph = api_form(json.loads((ROOT / "workflows" / f"{name}.json").read_text()), host)
    host.close()
    return graph


def told(server: ComfyServer, graph: Graph) -> str:
    result = server.run(graph)
    assert result.succeeded, result.events
    return "\n".join(line for shown in result.outputs.values() for line in shown.get("text", []))


def test_a_missing_file_says_how_to_get_it_when_it_is_needed(server: ComfyServer, tmp_path: Path) -> None:
    graph = graph_of("superres_both", tmp_path)
    (node,) = [node for node in graph.values() if node["class_type"] == "DittoSuperRes"]
    assert "(both) changes nothing" in told(server, graph)
    node["inputs"]["when"] = "always"
    result = server.run(graph)
    assert not result.succeeded
    assert "GFPGANv1.4.pth" in str(result.events)
    assert "DittoDownload" in str(result.events)


def test_the_faces_of_pictures_are_restored(server: ComfyServer, tmp_path: Path) -> None:
    saved(server.base / "models/upscale_models/2x.safetensors", small_upscaler())
    graph = graph_of("restore_faces", tmp_path)
    (loader,) = [node for node in graph.values() if node["class_type"] == "DittoLoadSuperRes"]
    loader["inputs"]["model"] = "2x.safetensors"
    assert "(model) of all faces in 1 frame" in told(server, graph)


def test_frames_of_a_video_pass_on_to_the_writer(server: ComfyServer, tmp_path: Path) -> None:
    saved(server.base / "models/facerestore_models/RestoreFormer.pth", small_restoreformer(), "params")
    graph = graph_of("superres_restoreformer", tmp_path)
    assert "(RestoreFormer) changes nothing" in told(server, graph)
