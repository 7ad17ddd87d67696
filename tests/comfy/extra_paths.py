"""Run by test_download.py with ComfyUI's modules and an empty FOLDER: what extra_model_paths.yaml does."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import comfy.options

comfy.options.enable_args_parsing()
folder = Path(sys.argv[1])
sys.argv = [sys.argv[0], "--cpu"]

import folder_paths  # noqa: E402
from utils.extra_config import load_extra_path_config  # noqa: E402

ROOT = Path(__file__).parents[2]

listed = folder / "extra_model_paths.yaml"
listed.write_text(f"mine:\n    base_path: {folder}\n    ditto: |\n        first\n        second\n")
load_extra_path_config(str(listed))  # as ComfyUI does before it loads custom nodes
for name in ("first", "second"):
    (folder / name).mkdir()
(folder / "second" / "decoder.pth").write_bytes(b"weights")
(folder / "second" / "decoder.pth.0123.part").write_bytes(b"half of them")

spec = importlib.util.spec_from_file_location(
    "pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None
assert spec.loader is not None
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
asyncio.run(pack.comfy_entrypoint())

folders = pack.nodes.comfy_host.ComfyHost().model_folders()
assert folders == [folder / "first", folder / "second", Path(folder_paths.models_dir) / "ditto"], folders
assert folder_paths.get_filename_list("ditto") == ["decoder.pth"]
found = sys.modules["pack.ditto_core.models.inventory"].find("decoder.pth", folders)
assert found == folder / "second" / "decoder.pth"
