"""Run by test_memory.py with ComfyUI's modules: our models in ComfyUI's list of loaded models."""

from __future__ import annotations

import gc
import importlib.util
import sys
from pathlib import Path

import comfy.options

comfy.options.enable_args_parsing()
sys.argv = [sys.argv[0], "--cpu"]

from comfy import model_management  # noqa: E402

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests"))

from helpers.counted_model import CountedModel  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
)
assert spec is not None
assert spec.loader is not None
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
host = pack.nodes.comfy_host.ComfyHost()

first, second = CountedModel(), CountedModel()
for model in (first, second, first):  # one of them twice, as in a second run
    host.manage(model)
listed = model_management.current_loaded_models
assert [entry.model_loaded_memory() for entry in listed] == [CountedModel.nbytes] * 2
assert (first.released, second.released) == (0, 0)

model_management.unload_all_models()
assert listed == []
assert (first.released, second.released) == (1, 1)

host.manage(first)
assert len(listed) == 1
del first, model
gc.collect()
model_management.cleanup_models()
assert listed == []
