"""Which of ONNX Runtime's execution providers run a network, as this installation offers them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import onnxruntime
import torch

_log = logging.getLogger(__name__)

Provider = str | tuple[str, dict[str, Any]]
"""A provider's name, or that and its options."""

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
TENSORRT_PROVIDER = "TensorrtExecutionProvider"
DIRECTML_PROVIDER = "DmlExecutionProvider"

_OF_DEVICE = {
    "cuda": CUDA_PROVIDER,
    "mps": "CoreMLExecutionProvider",
    "privateuseone": DIRECTML_PROVIDER,  # torch-directml's name for its device
}


def available_providers() -> list[str]:
    """The names of those that this package of ONNX Runtime brings."""
    return cast(Any, onnxruntime).get_available_providers()  # it carries no types


def providers_for(device: torch.device) -> list[Provider]:
    """The providers for a device, without the CPU's; none when there are no others."""
    wanted = _OF_DEVICE.get(device.type)
    if wanted is None:
        return []
    if wanted not in available_providers():
        _log.warning(
            "ONNX Runtime here has no %s, so its networks run on the CPU; another package of it has "
            "(onnxruntime-gpu, onnxruntime-directml), to be installed instead of onnxruntime.",
            wanted,
        )
        return []
    return [(wanted, _cuda_options(device))] if wanted == CUDA_PROVIDER else [wanted]


def tensorrt_providers(device: torch.device, *, half: bool, cache: Path) -> list[Provider]:
    """TensorRT inside ONNX Runtime, then CUDA for what it does not know; `cache` keeps what it builds."""
    options = {
        "device_id": device.index or 0,
        "trt_fp16_enable": half,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": True,
    }
    return [(TENSORRT_PROVIDER, options), *providers_for(device)]


def _cuda_options(device: torch.device) -> dict[str, Any]:
    # Asked for as needed: the default doubles what it holds each time.
    return {"device_id": device.index or 0, "arena_extend_strategy": "kSameAsRequested"}
