"""Ditto's release in ONNX files: the stand-ins of `ditto_release` with the published names, one item each."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import cast

import torch
from helpers.ditto_release import CONFIG, SmallLMDM, write_hubert
from helpers.seeded_weights import fill_
from torch import Tensor, nn

from ditto_core.ditto import networks
from ditto_core.ditto.networks.lmdm import CONDITION, MOTION
from ditto_core.ditto.runners import OUTPUTS

CROP, POINTS = (1, 3, 256, 256), (1, 21, 3)

INPUTS: dict[str, dict[str, tuple[int, ...]]] = {
    "appearance_extractor": {"image": CROP},
    "motion_extractor": {"image": CROP},
    "warp_network": {"feature_3d": (1, 32, 16, 64, 64), "kp_source": POINTS, "kp_driving": POINTS},
    "decoder": {"feature": (1, 256, 64, 64)},
    "stitch_network": {"kp_source": POINTS, "kp_driving": POINTS},
    "lmdm": {"x": (1, 80, MOTION), "cond_frame": (1, MOTION), "cond": (1, 80, CONDITION), "time_cond": (1,)},
}


class GuidedLMDM(nn.Module):
    """The published file's call: the guidance is inside."""

    def __init__(self, model: SmallLMDM) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, cond_frame: Tensor, cond: Tensor, time_cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        model = self.model
        with_it = model.predict(x, cond_frame, model.cond(cond))
        without = model.predict(x, cond_frame, model.none)
        clean = without + 2 * (with_it - without)
        # The time is used, so that the exporter keeps it among the inputs.
        return x - clean + 0 * time_cond.float().sum(), clean


class Plain(nn.Module):
    """A dict of outputs as a tuple in the published order."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(image)
        return tuple(outputs[name] for name in self.names)


def write_onnx_release(folder: Path) -> Path:
    """`ditto_onnx` and `ditto_cfg` under `folder`, of the networks that `create` builds now."""
    onnx, configs = folder / "ditto_onnx", folder / "ditto_cfg"
    onnx.mkdir(parents=True)
    configs.mkdir(exist_ok=True)
    for name, shapes in INPUTS.items():
        salt = "lmdm_v0.4_hubert" if name == "lmdm" else name
        network = fill_(networks.create(name), f"ditto/{salt}", keep=("freqs",) if name == "lmdm" else ())
        outputs: tuple[str, ...] = OUTPUTS[name]
        if name == "lmdm":
            network, outputs = GuidedLMDM(cast(SmallLMDM, network)), ("pred_noise", "x_start")
        elif len(outputs) > 1:
            network = Plain(network, outputs)
        export(network.eval(), onnx / f"{salt}.onnx", shapes, outputs)
    write_hubert(onnx / "hubert.onnx")
    shutil.copy(CONFIG, configs / "v0.4_hubert_cfg_trt.pkl")
    return folder


def export(
    network: nn.Module, path: Path, shapes: dict[str, tuple[int, ...]], outputs: tuple[str, ...]
) -> None:
    """An ONNX file with fixed shapes."""
    given = tuple(
        torch.zeros(shape, dtype=torch.int64) if name == "time_cond" else torch.rand(shape)
        for name, shape in shapes.items()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            given,
            str(path),
            input_names=list(shapes),
            output_names=list(outputs),
            opset_version=17,
            dynamo=False,
        )
