"""One real ComfyUI server for all tests in this folder; they are skipped where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.comfy_server import ROOT, ComfyServer, Graph, checkout, comfy_server
from helpers.stub_host import StubHost, api_form

SUPERRES = "DittoSuperRes"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    comfy = checkout()
    if comfy is None:
        pytest.skip("no ComfyUI checkout: set COMFYUI_DIR to one")
    with comfy_server(comfy, tmp_path_factory.mktemp("comfy")) as running:
        yield running


READY = sorted(path.stem for path in (ROOT / "workflows").glob("*.json") if SUPERRES not in path.read_text())
"""The workflows that run without model files; `test_superres.py` runs the others."""


@pytest.fixture(params=READY)
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / f"{request.param}.json").read_text())


@pytest.fixture
def graph(workflow: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The workflow in the form the server runs."""
    host = StubHost(tmp_path_factory.mktemp("stub"))
    yield api_form(workflow, host)
    host.close()
