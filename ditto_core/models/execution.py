"""How networks are executed, as the user chooses: by which runner, in which precision, on which device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import torch

from ..errors import InputError
from ..limits import check_choice, check_fields
from ..options import AUTO

RunnerChoice = Literal["auto", "pytorch", "onnx", "tensorrt"]
PrecisionChoice = Literal["auto", "fp32", "fp16", "bf16"]
CompileChoice = Literal["off", "default", "max-autotune", "graphs"]

RUNNERS: tuple[RunnerChoice, ...] = get_args(RunnerChoice)
COMPILE: tuple[CompileChoice, ...] = get_args(CompileChoice)

TENSOR_CORES = (7, 0)
"""The compute capability from which half precision is faster: Volta, Turing and all later GPUs."""

BFLOAT16_UNITS = (8, 0)
"""The compute capability from which bfloat16 is computed by the GPU itself: Ampere and later."""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Execution:
    """How an engine's networks are executed.

    runner: pytorch, onnx (ONNX Runtime), tensorrt, or auto: for each network what fits its files and the
    device. networks: other runners for some networks, by name. precision: fp32, fp16, bf16, or auto for what
    suits the device; networks that need it stay in fp32. compile (PyTorch on a GPU): off; default and
    max-autotune of `torch.compile`; graphs for CUDA graphs.
    """

    runner: RunnerChoice = AUTO
    precision: PrecisionChoice = AUTO
    compile: CompileChoice = "off"
    networks: dict[str, RunnerChoice] = field(default_factory=dict[str, RunnerChoice])

    def __post_init__(self) -> None:
        check_fields(self)
        for network, runner in self.networks.items():
            check_choice(f"the runner of {network}", runner, RUNNERS)

    def runner_of(self, network: str) -> RunnerChoice:
        return self.networks.get(network, self.runner)


def open_device(name: str) -> torch.device:
    """The device called auto, cpu, cuda, cuda:1 or mps; `auto` is a CUDA GPU when there is one, else the CPU.

    Raises an `InputError` for a device that is unknown or not there.
    """
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device {name!r}; choose auto, cpu, cuda, cuda:1 or mps.") from None
    if device.type == "cuda":
        _check_cuda(device)
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("The device mps was asked for, but there is no Apple GPU here; choose auto or cpu.")
    elif device.type not in ("cpu", "mps"):
        raise InputError(f"The device {name} is not supported; choose auto, cpu, cuda or mps.")
    return device


def _check_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        why = (
            "no NVIDIA GPU or driver was found"
            if cast(Any, torch.version).cuda
            else "this PyTorch was built without CUDA; install one with it from pytorch.org"
        )
        raise InputError(f"The device {device} was asked for, but {why}. Choose auto or cpu instead.")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise InputError(f"The device {device} was asked for, but there are {count} GPUs, from cuda:0 on.")


def precision_name(dtype: torch.dtype) -> str:
    """What users call it: fp32, fp16 or bf16."""
    return next(name for name, known in DTYPES.items() if known == dtype)


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What the networks that bear it compute in. Raises an `InputError` for what the device cannot do."""
    if precision == AUTO:
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= TENSOR_CORES
        return torch.float16 if fast else torch.float32
    dtype = DTYPES[precision]
    if dtype == torch.float32 or (device.type == "cpu" and dtype == torch.bfloat16):
        return dtype
    if device.type == "cpu":
        raise InputError("Precision fp16 is for GPUs; on the CPU choose fp32, or bf16 where it is faster.")
    if device.type != "cuda":
        raise InputError(f"Precision {precision} is not available on {device.type}; choose auto or fp32.")
    if dtype == torch.bfloat16 and torch.cuda.get_device_capability(device) < BFLOAT16_UNITS:
        name = torch.cuda.get_device_name(device)
        raise InputError(f"{name} does not compute in bf16 (Ampere and later do); choose auto or fp16.")
    return dtype
