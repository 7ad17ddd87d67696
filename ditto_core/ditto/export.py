"""Ditto's six networks as ONNX files, with the published names of files, inputs and outputs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..models.export import export_onnx
from .networks.decoder import Decoder, SpectralConv2d
from .networks.lmdm import CONDITION, FRAMES, LMDM, MOTION
from .networks.motion_extractor import HEADS
from .sampler import BETAS, GUIDANCE, TRAINING_STEPS, both, noise_in

_IMAGE = (3, 256, 256)
_POINTS = (21, 3)


@dataclass(frozen=True)
class OnnxForm:
    """A network's published ONNX file: its name, the shapes of its inputs without the batch, its outputs."""

    file: str
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]

    def examples(self, batch: int = 2) -> dict[str, Tensor]:
        """Random inputs, at a time step of the middle."""
        return {
            name: torch.full((batch,), TRAINING_STEPS // 2)
            if name == "time_cond"
            else torch.rand(batch, *shape)
            for name, shape in self.inputs.items()
        }


FORMS = {
    "appearance_extractor": OnnxForm("appearance_extractor.onnx", {"image": _IMAGE}, ("pred",)),
    "motion_extractor": OnnxForm("motion_extractor.onnx", {"image": _IMAGE}, tuple(HEADS)),
    "warp_network": OnnxForm(
        "warp_network.onnx",
        {"feature_3d": (32, 16, 64, 64), "kp_source": _POINTS, "kp_driving": _POINTS},
        ("out",),
    ),
    "decoder": OnnxForm("decoder.onnx", {"feature": (256, 64, 64)}, ("output",)),
    "stitch_network": OnnxForm(
        "stitch_network.onnx", {"kp_source": _POINTS, "kp_driving": _POINTS}, ("out",)
    ),
    "lmdm": OnnxForm(
        "lmdm_v0.4_hubert.onnx",
        {"x": (FRAMES, MOTION), "cond_frame": (MOTION,), "cond": (FRAMES, CONDITION), "time_cond": ()},
        ("pred_noise", "x_start"),
    ),
}


def export_network(name: str, network: nn.Module, folder: Path) -> Path:
    """Write a loaded network (in its published form, on the CPU) into `folder`; gives the file."""
    form = FORMS[name]
    path = folder / form.file
    export_onnx(exportable(network), form.examples(), form.outputs, path)
    return path


def exportable(network: nn.Module) -> nn.Module:
    """What computes what the published ONNX file of a network does, with as little as possible left to do."""
    if isinstance(network, LMDM):
        return GuidedLMDM(network).eval()
    return _without_spectral_norms(network) if isinstance(network, Decoder) else network


class GuidedLMDM(nn.Module):
    """The motion decoder with its guidance.

    x (B, 80, 265), cond_frame (B, 265), cond (B, 80, 1103), time_cond (B,) int64 to the noise in x and the
    clean motion, (B, 80, 265) each.
    """

    left: Tensor

    def __init__(self, model: LMDM) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("left", BETAS.left, persistent=False)

    def forward(
        self, x: Tensor, cond_frame: Tensor, cond: Tensor, time_cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        count = x.shape[0]
        context = both(self.model.encode(cond), self.model.unconditional(count))
        (step,) = self.model.steps(context, torch.cat([time_cond, time_cond])[None])
        predicted = self.model.predict(torch.cat([x, x]), torch.cat([cond_frame, cond_frame]), step)
        guided, unguided = predicted[:count], predicted[count:]
        clean = unguided + GUIDANCE * (guided - unguided)
        return noise_in(x, clean, self.left[time_cond][:, None, None]), clean


def _without_spectral_norms(decoder: Decoder) -> Decoder:
    """Some runtimes take only convolutions whose weights are constants."""
    changed = copy.deepcopy(decoder)
    for parent in list(changed.modules()):
        for name, child in parent.named_children():
            if isinstance(child, SpectralConv2d):
                parent.add_module(name, _plain(child))
    return changed


@torch.no_grad()
def _plain(conv: SpectralConv2d) -> nn.Conv2d:
    weight = conv.weight
    out, into, size, _ = weight.shape
    plain = nn.Conv2d(into, out, size, padding=conv.padding, bias=conv.bias is not None)
    plain.weight = nn.Parameter(weight.detach())
    if conv.bias is not None:
        plain.bias = nn.Parameter(cast(Tensor, conv.bias).detach())
    return plain
