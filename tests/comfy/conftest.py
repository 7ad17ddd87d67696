"""One real ComfyUI server for all tests in this folder; they are skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.comfy_server import ComfyServer, checkout, comfy_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    comfy = checkout()
    if comfy is None:
        pytest.skip("no ComfyUI checkout: set COMFYUI_DIR to one")
    with comfy_server(comfy, tmp_path_factory.mktemp("comfy")) as running:
        yield running
