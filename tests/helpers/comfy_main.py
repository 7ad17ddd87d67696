"""Runs a ComfyUI checkout's main.py beside a CPU build of PyTorch: `comfy_main.py CHECKOUT [ARGUMENT ...]`.

The registry's torchvision is built for CUDA: its compiled part does not load beside a CPU build, and then
the import stops at an operator nobody declared. ComfyUI starts without that operator.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

checkout = Path(sys.argv[1])
sys.path.insert(0, str(checkout))
sys.argv = [str(checkout / "main.py"), *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
