"""Ditto's networks, each with the runner that executes it: which one is chosen here, from data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import InputError, ModelError
from ..host import Host
from ..models.compiling import compiler_for
from ..models.execution import Execution, choose_dtype, precision_name
from ..models.inventory import download_command, remedy
from ..models.onnx_graph import rewritten, usable
from ..models.providers import TENSORRT_PROVIDER, available_providers, providers_for, tensorrt_providers
from ..models.runners import OnnxRunner, Runner
from ..models.tensorrt import TensorRTRunner
from ..models.tensorrt_files import engine_name, precision_of
from ..models.torch_runner import TorchRunner
from ..options import AUTO
from .checkpoints import Checkpoints
from .networks import create, faster
from .networks.lmdm import LMDM
from .sampler import PublishedLMDM

OUTPUTS: dict[str, tuple[str, ...]] = {
    "appearance_extractor": ("pred",),
    "motion_extractor": ("pitch", "yaw", "roll", "t", "exp", "scale", "kp"),
    "warp_network": ("out",),
    "decoder": ("output",),
    "stitch_network": ("out",),
    "lmdm": ("x_start",),
}
"""What each network gives, by the names in the published files."""

NETWORKS = (*OUTPUTS, "hubert")

BUILT = "ditto_trt_custom"
"""The folder for engines that are built here, as the documents name it."""

HALF = frozenset({"appearance_extractor", "warp_network", "decoder"})
"""Networks that may compute in half precision on a GPU; the others decide where points and lips are."""

HALF_ON_CPU = frozenset({"decoder"})
"""The warping network's folded weights lose too much, and gain nothing; the others are fast enough."""

WRAPPED = {"stitch_network": ("retarget_shoulder", "module."), "lmdm": ("model_state_dict", "")}
"""The entry of the file that holds the weights, and a text in their names that is left out."""

_GET = {
    "pytorch": download_command("ditto-pytorch"),
    "onnx": f"{download_command('ditto-onnx')}, or convert PyTorch's with `ditto convert onnx`",
    "tensorrt": "`ditto convert tensorrt` builds it, with `pip install tensorrt`",
}
"""How a user comes to the files of each runner."""

_NOT_COMPILED = frozenset({"lmdm", "stitch_network"})
"""Small, and called with ever other shapes or by other methods."""


def choose_runner(network: str, files: Mapping[str, Path], execution: Execution, device: torch.device) -> str:
    """Which runner executes a network whose files by runner are `files`, best first.

    Raises a `ModelError` that says which file is missing when the user's choice has none.
    """
    wanted = execution.runner_of(network)
    able = [runner for runner in files if runner != "tensorrt" or device.type == "cuda"]
    if wanted == AUTO or (wanted == "pytorch" and network == "hubert"):  # published as ONNX only
        if not able:
            raise ModelError(
                f"Of {network} there is only a TensorRT engine, which needs an NVIDIA GPU. Add .onnx or .pth."
            )
        return able[0]
    if wanted == "tensorrt" and device.type != "cuda":
        raise InputError(f"TensorRT needs an NVIDIA GPU, and the device is {device.type}; choose auto.")
    if wanted in able or (
        wanted == "tensorrt" and "onnx" in able and (_has_tensorrt() or _in_onnx_runtime())
    ):
        return wanted
    there = ", ".join(str(path) for path in files.values())
    raise ModelError(
        f"{network} is to run on {wanted}, and there is no file of it for that, only {there}. Get it: "
        f"{_GET[wanted]}. Or choose the runner auto."
    )


def _has_tensorrt() -> bool:
    return find_spec("tensorrt") is not None


def _in_onnx_runtime() -> bool:
    """Whether ONNX Runtime brings TensorRT."""
    return TENSORRT_PROVIDER in available_providers()


def _file(runner: str, files: Mapping[str, Path]) -> Path:
    """What a runner reads; TensorRT inside ONNX Runtime reads the ONNX file."""
    return files.get(runner) or files["onnx"]


def _engine_cache(onnx: Path) -> Path:
    """Where TensorRT inside ONNX Runtime keeps what it builds."""
    return onnx.parent / "onnxruntime_tensorrt"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


class DittoNetworks:
    """The six networks and the speech encoder behind one call, each loaded on its first use.

    Signatures: `ditto_core.ditto.networks`; the outputs are named as in the published ONNX files.
    """

    def __init__(self, checkpoints: Checkpoints, device: torch.device, execution: Execution) -> None:
        """Raises an `InputError` for what the device cannot do, a `ModelError` for a file that is missing."""
        unknown = [name for name in execution.networks if name not in NETWORKS]
        if unknown:
            raise InputError(f"There is no network {unknown[0]!r}; choose one of {', '.join(NETWORKS)}.")
        self.device = device
        self.dtype = choose_dtype(execution.precision, device)
        self._compiler = compiler_for(execution.compile, device)
        self.kinds = {
            name: choose_runner(name, checkpoints.formats[name], execution, device) for name in NETWORKS
        }
        """The runner of each network."""
        self.files = {name: _file(kind, checkpoints.formats[name]) for name, kind in self.kinds.items()}
        self.runners = {name: self._open(name, checkpoints.formats[name]) for name in NETWORKS}
        self._asked = execution.precision

    @property
    def told(self) -> str:
        """The device, and each runner and precision with its networks, for people."""
        ways: dict[str, list[str]] = {}
        for name in NETWORKS:
            ways.setdefault(f"{self.kinds[name]} in {self.precision_of(name)}", []).append(name)
        return f"{self.device}: {'; '.join(f'{way} for {_listed(names)}' for way, names in ways.items())}"

    @property
    def unheeded(self) -> str:
        """Which networks compute in another precision than was asked for, though they would bear it; ""
        when none does."""
        bearing = NETWORKS if self._asked == "fp32" else self._halvable
        others = [name for name in bearing if self._asked not in (AUTO, self.precision_of(name))]
        if not others:
            return ""
        return (
            f"Precision {self._asked} does not reach {_listed(others)}: ONNX files and TensorRT engines are "
            "computed in the precision they hold. The runner pytorch follows it."
        )

    def precision_of(self, name: str) -> str:
        """What a network computes in: fp32, fp16 or bf16."""
        runner = self.runners[name]
        if isinstance(runner, TensorRTRunner):
            return runner.name[-4:] if runner.name.endswith(("_fp16", "_fp32")) else precision_of(runner.name)
        half = name in self._halvable and self.dtype != torch.float32
        if self.kinds[name] == "tensorrt":
            return "fp16" if half else "fp32"
        return precision_name(self.dtype) if half and self.kinds[name] == "pytorch" else "fp32"

    def prepare(self, names: Iterable[str], host: Host) -> None:
        """Hand the host networks that are about to be used. TensorRT engines that have to be built first are
        built now, where the host shows the progress and can stop it."""
        for name in names:
            runner = self.runners[name]
            host.manage(runner)
            if isinstance(runner, TensorRTRunner):
                runner.prepare(host)
            elif self.kinds[name] == "tensorrt" and not _engine_cache(self.files[name]).is_dir():
                host.notice(f"ONNX Runtime builds TensorRT's engine of {name} first. This takes minutes.")

    def run(self, name: str, **inputs: Tensor) -> dict[str, Tensor]:
        """All outputs of a network, on its runner's device."""
        outputs = self.runners[name](**inputs)
        missing = [output for output in OUTPUTS[name] if output not in outputs]
        if missing:
            raise ModelError(
                f"{self.files[name]} gives {', '.join(outputs)} instead of {', '.join(OUTPUTS[name])}: it is "
                f"the file of another network. {remedy(self.files[name])}"
            )
        return {output: outputs[output] for output in OUTPUTS[name]}

    def value(self, name: str, **inputs: Tensor) -> Tensor:
        """The one output of a network that has one."""
        return self.run(name, **inputs)[OUTPUTS[name][0]]

    @property
    def motion_model(self) -> LMDM | PublishedLMDM:
        """What motion is sampled from: the network itself, which can be asked for parts of its work, or its
        published call with x, cond_frame, cond and time_cond."""
        runner = self.runners["lmdm"]
        if isinstance(runner, TorchRunner):
            return cast(TorchRunner[LMDM], runner).module
        return partial(self.run, "lmdm")

    @property
    def _halvable(self) -> frozenset[str]:
        """The networks that half precision is for."""
        return HALF_ON_CPU if self.device.type == "cpu" else HALF

    def _open(self, name: str, files: Mapping[str, Path]) -> Runner:
        kind = self.kinds[name]
        if kind == "pytorch":
            return self._pytorch(name, files[kind])
        return self._onnx(name, files[kind]) if kind == "onnx" else self._tensorrt(name, files)

    def _tensorrt(self, name: str, files: Mapping[str, Path]) -> Runner:
        """An engine; one that is not there is built from the ONNX file on its first use."""
        source = files.get("onnx")
        if "tensorrt" in files:
            return TensorRTRunner(files["tensorrt"], self.device, source=source)
        if _has_tensorrt():
            engine = files["onnx"].parent.with_name(BUILT) / engine_name(files["onnx"])
            return TensorRTRunner(engine, self.device, source=source)
        half = name in HALF and self.dtype != torch.float32
        path = files["onnx"]
        return OnnxRunner(
            path,
            device=self.device,
            providers=tensorrt_providers(self.device, half=half, cache=_engine_cache(path)),
            content=usable,
        )

    def _pytorch(self, name: str, path: Path) -> TorchRunner[nn.Module]:
        part, prefix = WRAPPED.get(name, ("", ""))
        on_cpu = self.device.type == "cpu"
        half = self.dtype != torch.float32 and name in self._halvable

        def finish(network: nn.Module) -> nn.Module:
            # Measured on the CPU only; a GPU gets the networks as published, which take whole batches.
            used = faster(network) if on_cpu else network
            return used.to(self.dtype) if half and on_cpu else used

        return TorchRunner(
            lambda: create(name),
            path,
            part=part,
            prefix=prefix,
            device=self.device,
            output=OUTPUTS[name][0],
            finish=finish,
            autocast=self.dtype if half and not on_cpu else None,
            compile=None if name in _NOT_COMPILED else self._compiler,
        )

    def _onnx(self, name: str, path: Path) -> OnnxRunner:
        providers = providers_for(self.device)
        return OnnxRunner(
            path,
            threads=torch.get_num_threads(),
            device=self.device if providers else torch.device("cpu"),
            providers=providers,
            # The standard operator runs on a GPU from opset 20 on.
            content=rewritten if name == "warp_network" and providers else usable,
        )
