"""Two ways to Ditto's pictures for the benchmark: the published order of operations, and the engine's.

Both have the same weights, which are random, with spectral norms of one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from ditto_core.ditto.motion import FaceInfo
from ditto_core.ditto.networks import create, faster
from ditto_core.ditto.networks.decoder import SpectralConv2d
from ditto_core.ditto.networks.lmdm import LMDM
from ditto_core.ditto.runners import HALF, HALF_ON_CPU
from ditto_core.ditto.sampler import BETAS, GUIDANCE, sample, sampling_steps
from ditto_core.models.compiling import compiler_for

Volumes = Callable[[slice], Tensor]
"""Frames of a source to their feature volumes."""


class Published:
    """One frame at a time; guidance as two passes, the condition encoded anew in each; every frame of a
    source measured and its appearance extracted at registration; the networks as they were trained."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.batch = 1
        self.network: Callable[[str], Any] = cache(self._network)

    def register(self, images: Tensor) -> tuple[FaceInfo, Volumes]:
        """Crops (S, 3, 256, 256) of a source to its motion, and to its volumes as they are needed."""
        volumes = self._extract(images)
        return self._measure(images), lambda frames: volumes[frames]

    def window(self, cond: Tensor, before: Tensor, noise: Tensor, start: Tensor) -> Tensor:
        """Motion (1, 80, 265), step by step."""
        model = self.network("lmdm")
        steps = sampling_steps(len(noise) + 1)
        timesteps = steps.timesteps.to(self.device)

        def clean_motion(x: Tensor, step: int) -> Tensor:
            timestep = timesteps[step : step + 1]
            unconditional = model(x, before, cond, timestep, unconditional=True)
            model.encode(cond)  # the published network encodes the condition before it is dropped
            conditional = model(x, before, cond, timestep)
            return unconditional + GUIDANCE * (conditional - unconditional)

        x = start
        for step, fresh in enumerate(noise):
            clean = clean_motion(x, step)
            left = BETAS.left[steps.timesteps[step]]
            guess = (1 / (1 - left)).sqrt() * x - clean / (1 / left - 1).sqrt()
            x = clean * steps.keep[step] + steps.direction[step] * guess + steps.sigma[step] * fresh
        return clean_motion(x, len(noise))

    def warp(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        return self._run("warp_network", feature_3d=feature_3d, kp_source=kp_source, kp_driving=kp_driving)

    def decode(self, feature: Tensor) -> Tensor:
        return self._run("decoder", feature=feature)

    def stitch(self, source: Tensor, driving: Tensor) -> Tensor:
        """The stitch network."""
        return self._run("stitch_network", kp_source=source, kp_driving=driving).cpu()

    def _network(self, name: str) -> Any:
        torch.manual_seed(0)
        network = create(name).requires_grad_(False)
        for part in network.modules():
            if isinstance(part, SpectralConv2d):
                _find_spectral_norm(part)
        return network.to(self.device)

    def _extract(self, images: Tensor) -> Tensor:
        return self._run("appearance_extractor", image=images)

    def _measure(self, images: Tensor) -> FaceInfo:
        parts = [self.network("motion_extractor")(image=image) for image in torch.split(images, self.batch)]
        return FaceInfo(**{name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]})

    def _run(self, name: str, **inputs: Tensor) -> Tensor:
        network = self.network(name)
        parts = [torch.split(values.to(self.device), self.batch) for values in inputs.values()]
        batches = zip(*parts, strict=True)
        return torch.cat([network(**dict(zip(inputs, batch, strict=True))) for batch in batches])


class Ours(Published):
    """What the engine does on this device (`ditto_core.ditto.runners`): see docs/performance.md."""

    def __init__(self, published: Published, *, half: bool = False, compile: str = "off") -> None:
        super().__init__(published.device)
        self._published = published.network
        self._on_cpu = self.device.type == "cpu"
        self._half = half
        self._compiler = compiler_for(compile, self.device)
        self.batch = 1 if self._on_cpu else 8

    @property
    def dtype(self) -> torch.dtype:
        """What the networks that bear it compute in."""
        reduced = torch.bfloat16 if self._on_cpu else torch.float16
        return reduced if self._half else torch.float32

    def register(self, images: Tensor) -> tuple[FaceInfo, Volumes]:
        """Appearance is extracted when a frame is drawn."""
        return self._measure(images), lambda frames: self._extract(images[frames])

    def window(self, cond: Tensor, before: Tensor, noise: Tensor, start: Tensor) -> Tensor:
        return sample(cast(LMDM, self.network("lmdm")), cond, before, noise, start)

    def _network(self, name: str) -> Any:
        network = self._published(name)
        if self._on_cpu:
            quick = faster(network)
            return copy.deepcopy(quick).to(self.dtype) if self._half and name in HALF_ON_CPU else quick
        if name in ("lmdm", "stitch_network"):
            return network
        call = network if self._compiler is None else self._compiler(network)

        def on_gpu(**inputs: Tensor) -> Any:
            half = self._half and name in HALF
            with torch.autocast("cuda", self.dtype, enabled=half, cache_enabled=False):
                return call(**inputs)

        return on_gpu


def _find_spectral_norm(conv: SpectralConv2d) -> None:
    """Power iteration, as training leaves it behind."""
    matrix = conv.weight_orig.flatten(1)
    for _ in range(15):
        conv.weight_v.copy_(nn.functional.normalize(matrix.t() @ conv.weight_u, dim=0))
        conv.weight_u.copy_(nn.functional.normalize(matrix @ conv.weight_v, dim=0))
