"""Runs a script with ComfyUI's modules, also beside a CPU build of PyTorch: CHECKOUT SCRIPT [ARGUMENT ...]

The registry's torchvision is built for CUDA: its compiled part does not load beside a CPU build, and then
the import stops at an operator nobody declared. ComfyUI starts without that operator.
"""

from __future__ import annotations

import runpy
import sys

from torch import library

try:
    import torchvision  # noqa: F401
except RuntimeError:
    operators = library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

_, checkout, script, *arguments = sys.argv
sys.path.insert(0, checkout)
sys.argv = [script, *arguments]
runpy.run_path(script, run_name="__main__")
