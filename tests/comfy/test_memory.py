"""Our models in a real ComfyUI's memory management."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from helpers.comfy_server import checkout, comfy_command

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]


def test_comfyui_counts_and_releases_our_models(tmp_path: Path) -> None:
    comfy = checkout()
    if comfy is None:
        pytest.skip("no ComfyUI checkout: set COMFYUI_DIR to one")
    command = comfy_command(comfy, Path(__file__).with_name("manage_models.py"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
