"""Ditto's six networks at their published size, with the published key names.

`create(name)` builds one; an official state dict then loads with `strict=True`. `faster` turns a loaded one
into what computes the same with less work.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...errors import InputError
from .appearance_extractor import AppearanceExtractor
from .decoder import Decoder
from .fast_decoder import FastDecoder
from .fast_lmdm import fast_lmdm
from .fast_motion_extractor import FastMotionExtractor
from .fast_warp_network import FastWarpNetwork
from .lmdm import LMDM
from .motion_extractor import MotionExtractor
from .stitch_network import StitchNetwork
from .warp_network import WarpNetwork

_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "appearance_extractor": AppearanceExtractor,
    "motion_extractor": MotionExtractor,
    "warp_network": WarpNetwork,
    "decoder": Decoder,
    "stitch_network": StitchNetwork,
    "lmdm": LMDM,
}

NETWORK_NAMES = tuple(_NETWORKS)


def create(name: str) -> nn.Module:
    """The network called `name` in evaluation mode, freshly initialised."""
    if name not in _NETWORKS:
        raise InputError(f"There is no Ditto network {name!r}; choose one of {', '.join(NETWORK_NAMES)}.")
    return _NETWORKS[name]().eval()


def faster(network: nn.Module) -> nn.Module:
    """What computes the same as a loaded network, to float32's rounding, with less work.

    The network itself where there is no such form. For inference only: the weights are rearranged, keep no
    published names, and may be shared with the network.
    """
    with torch.no_grad():
        if isinstance(network, Decoder):
            return FastDecoder(network).eval()
        if isinstance(network, WarpNetwork):
            return FastWarpNetwork(network).eval()
        if isinstance(network, MotionExtractor):
            return FastMotionExtractor(network).eval()
        if isinstance(network, LMDM):
            return fast_lmdm(network)
    return network
