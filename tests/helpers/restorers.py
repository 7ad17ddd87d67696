"""Small networks of super-resolution with seeded weights, in files as published."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.seeded_weights import fill_
from safetensors.torch import save_file
from torch import nn

from ditto_core.blend.restorers import import_spandrel


def small_upscaler(scale: int = 2) -> nn.Module:
    import_spandrel("spandrel")
    from spandrel.architectures.Compact import Compact

    network = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=scale)
    return fill_(network, "tests/upscaler", gain=0.3)


def small_restoreformer() -> nn.Module:
    import_spandrel("spandrel")
    from spandrel.architectures.RestoreFormer import RestoreFormer

    network = RestoreFormer(n_embed=16, embed_dim=32, ch=32, z_channels=32, num_res_blocks=1)
    return fill_(network, "tests/restoreformer")


def full_width(name: str) -> nn.Module:
    """gfpgan or codeformer as published, with any weights."""
    import_spandrel("spandrel")
    if name == "gfpgan":
        from spandrel.architectures.GFPGAN import GFPGAN

        return GFPGAN()
    import_spandrel("spandrel_extra_arches")
    from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

    return CodeFormer()


def saved(path: Path, network: nn.Module, wrap: str = "") -> Path:
    """A network's weights in a .pth or .safetensors file, a .pth's under the name `wrap` if given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({wrap: weights} if wrap else weights, path)
    return path
