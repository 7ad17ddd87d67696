"""Ditto's six networks at their published size, with the published key names.

`create(name)` builds one; an official state dict then loads with `strict=True`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ...errors import InputError
from .appearance_extractor import AppearanceExtractor
from .decoder import Decoder
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
