"""Ditto's release with stand-ins: files in the published layout and wrappings, small networks in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from helpers.golden import FOLDER as GOLDEN
from helpers.seeded_weights import fill_
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ditto_core.ditto import networks
from ditto_core.ditto.networks.lmdm import CONDITION, MOTION, Context
from ditto_core.ditto.networks.motion_extractor import HEADS

CONFIG = GOLDEN / "ditto" / "cfg_samples" / "cfg_pytorch_np2_p4.pkl"


class SmallAppearance(nn.Module):
    """(B, 3, 256, 256) to (B, 32, 16, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 32, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.mix(F.avg_pool2d(image, 4)).unsqueeze(2).expand(-1, -1, 16, -1, -1)


class SmallMotion(nn.Module):
    """(B, 3, 256, 256) to the heads of the motion extractor."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.Linear(3 * 16, sum(HEADS.values()))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        out = self.heads(F.avg_pool2d(image, 64).flatten(1))
        heads = dict(zip(HEADS, out.split(list(HEADS.values()), dim=1), strict=True))
        return {**heads, "scale": 1 + 0.1 * heads["scale"]}


class SmallWarp(nn.Module):
    """(B, 32, 16, 64, 64) and keypoints to (B, 256, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(32, 256, 1)

    def forward(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        moved = (kp_driving - kp_source).mean(dim=(1, 2))[:, None, None, None]
        return self.mix(feature_3d.mean(dim=2)) + moved


class SmallDecoder(nn.Module):
    """(B, 256, 64, 64) to (B, 3, 512, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(256, 3, 1)

    def forward(self, feature: Tensor) -> Tensor:
        return torch.sigmoid(F.interpolate(self.mix(feature), scale_factor=8))


class SmallLMDM(nn.Module):
    """The motion decoder's calls; motion follows the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.cond = nn.Linear(CONDITION, MOTION)
        self.none = nn.Parameter(torch.zeros(1, 80, MOTION))

    def encode(self, cond: Tensor) -> Context:
        return Context(self.cond(cond), cond.mean(dim=(1, 2))[:, None])

    def unconditional(self, batch: int) -> Context:
        return Context(self.none.expand(batch, -1, -1), torch.zeros(batch, 1))

    def steps(self, context: Context, timesteps: Tensor) -> Iterator[Tensor]:
        return iter([context.tokens] * len(timesteps))

    def predict(self, x: Tensor, cond_frame: Tensor, step: Tensor) -> Tensor:
        return 0.1 * torch.tanh(step + 0.3 * x + 0.3 * cond_frame[:, None])


SMALL: dict[str, Callable[[], nn.Module]] = {
    "appearance_extractor": SmallAppearance,
    "motion_extractor": SmallMotion,
    "warp_network": SmallWarp,
    "decoder": SmallDecoder,
    "lmdm": SmallLMDM,
}


def use_small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `networks.create` build the stand-ins; the stitch network is small as it is."""
    for name, build in SMALL.items():
        monkeypatch.setitem(networks._NETWORKS, name, build)


def write_release(folder: Path, leave_out: Iterable[str] = ()) -> Path:
    """Files of the networks that `create` builds now, with seeded weights, under `folder` as published."""
    models, aux = folder / "ditto_pytorch" / "models", folder / "ditto_pytorch" / "aux_models"
    configs = folder / "ditto_cfg"
    for part in (models, aux, configs):
        part.mkdir(parents=True)
    for name in networks.NETWORK_NAMES:
        keep = ("freqs",) if name == "lmdm" else ()
        salt = "lmdm_v0.4_hubert" if name == "lmdm" else name
        weights = fill_(networks.create(name), f"ditto/{salt}", keep=keep).state_dict()
        torch.save(_wrapped(name, dict(weights)), models / f"{salt}.pth")
    write_hubert(aux / "hubert_streaming_fix_kv.onnx")
    shutil.copy(CONFIG, configs / "v0.4_hubert_cfg_pytorch.pkl")
    for name in leave_out:
        (folder / name).unlink()
    return folder


def _wrapped(name: str, weights: dict[str, Tensor]) -> object:
    if name == "stitch_network":
        return {"retarget_shoulder": {f"module.{key}": value for key, value in weights.items()}, "other": {}}
    return {"model_state_dict": weights, "epoch": 1} if name == "lmdm" else weights


def write_hubert(path: Path, width: int = 1024, batched: bool = False) -> None:
    """An encoder of the published names and shapes: samples (1, N) to rows ((N - 400) // 320 + 1, width).

    batched: it takes (B, N) and gives (B, rows, width).
    """
    random = np.random.default_rng(0)
    kernel = random.standard_normal((4, 1, 400)).astype(np.float32) / 20
    mix = random.standard_normal((4, width)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["input_values", "one"], ["samples"]),
        helper.make_node("Conv", ["samples", "kernel"], ["heard"], strides=[320]),
        helper.make_node("Transpose", ["heard"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["rows", "mix"], ["batch_out"]),
        helper.make_node("Identity", ["batch_out"], ["encoding_out"])
        if batched
        else helper.make_node("Squeeze", ["batch_out", "zero"], ["encoding_out"]),
    ]
    tensors = {"kernel": kernel, "mix": mix, "one": np.array([1]), "zero": np.array([0])}
    rows: Shape = ("batch", None, width) if batched else (None, width)
    samples: Shape = ("batch" if batched else 1, None)
    write_onnx(path, nodes, {"input_values": samples}, {"encoding_out": rows}, tensors)


Shape = tuple[int | str | None, ...]


def write_onnx(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    tensors: dict[str, np.ndarray],
) -> None:
    """A graph of float inputs and outputs."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)


def write_constants(path: Path, input_name: str, outputs: dict[str, np.ndarray]) -> None:
    """A network that gives the same outputs whatever it is fed, in this order."""
    nodes = [helper.make_node("Identity", [f"{name}.value"], [name]) for name in outputs]
    shapes: dict[str, Shape] = {name: values.shape for name, values in outputs.items()}
    write_onnx(
        path, nodes, {input_name: (1, 3, None, None)}, shapes, {f"{k}.value": v for k, v in outputs.items()}
    )
