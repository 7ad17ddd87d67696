"""Speed of Ditto's networks: the published order of operations against ours, in one run, on the same weights.

    python -m benchmarks.ditto [--threads 1] [--repeat 3] [--stages motion registration warp decode]

The published order: guidance as two passes, the condition encoded anew in each; every frame of a video
measured and its appearance extracted at registration; the networks as they were trained. Ours: what the
engine runs. Both must agree before they are timed. With one thread, times on the CPU are CPU seconds.
Weights are random, with spectral norms of one.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ditto_core.ditto.networks import create, faster
from ditto_core.ditto.networks.decoder import SpectralConv2d
from ditto_core.ditto.networks.lmdm import LMDM
from ditto_core.ditto.sampler import BETAS, sample, sampling_steps, start_noise, step_noise

STEPS = 10
FRAMES = 4
"""Frames of a video that is registered."""

RELATIVE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Stage:
    """One row of the table: two ways to compute the same, for `items` frames or windows."""

    name: str
    published: Callable[[], Tensor]
    ours: Callable[[], Tensor]
    items: int = 1
    tolerance: float | None = RELATIVE_TOLERANCE
    """None for a reduced precision, whose error is shown only."""


def published_window(model: LMDM, cond: Tensor, before: Tensor, noise: Tensor, start: Tensor) -> Tensor:
    """The motion of one window, step by step as published."""
    steps = sampling_steps(len(noise) + 1)
    x = start
    for step, timestep in enumerate(steps.timesteps.to(cond.device)):
        unconditional = model(x, before, cond, timestep[None], unconditional=True)
        # The published network encodes the condition before it is dropped.
        model.encode(cond)
        conditional = model(x, before, cond, timestep[None])
        clean = unconditional + 2 * (conditional - unconditional)
        if step == len(noise):
            return clean
        left = BETAS.left[steps.timesteps[step]]
        guess = (1 / (1 - left)).sqrt() * x - clean / (1 / left - 1).sqrt()
        x = clean * steps.keep[step] + steps.direction[step] * guess + steps.sigma[step] * noise[step]
    return x


def stages(names: list[str], device: torch.device) -> Iterator[Stage]:
    """The stages called `names`, on a device."""

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    def network(name: str) -> nn.Module:
        made = create(name).requires_grad_(False)
        for part in made.modules():
            if isinstance(part, SpectralConv2d):
                _find_spectral_norm(part)
        return made.to(device)

    generator = torch.Generator().manual_seed(0)
    if "motion" in names:
        model = LMDM().eval().requires_grad_(False).to(device)
        inputs = (
            model,
            random(1, 80, 1103),
            random(1, 265),
            step_noise(STEPS, generator).to(device),
            start_noise(generator).to(device),
        )
        yield Stage(
            "LMDM, window of 80 frames",
            lambda: published_window(*inputs),
            lambda: sample(*inputs),
            tolerance=1e-3,
        )
    if "registration" in names:
        yield _registration(network("motion_extractor"), network("appearance_extractor"), random)
    keypoints = 0.2 * random(1, 21, 3), 0.2 * random(1, 21, 3)
    volume, feature = random(1, 32, 16, 64, 64), random(1, 256, 64, 64)
    warp, decoder = network("warp_network"), network("decoder")
    fast_warp, fast_decoder = faster(warp), faster(decoder)
    if "warp" in names:
        yield Stage("warp", lambda: warp(volume, *keypoints), lambda: fast_warp(volume, *keypoints))
    if "decode" in names:
        near = copy.deepcopy(fast_decoder).to(torch.bfloat16)
        yield Stage("decode", lambda: decoder(feature), lambda: fast_decoder(feature))
        yield Stage("decode, bfloat16", lambda: decoder(feature), lambda: near(feature), tolerance=None)
        if "warp" in names:

            def published() -> Tensor:
                return decoder(warp(volume, *keypoints))

            yield Stage("warp + decode", published, lambda: fast_decoder(fast_warp(volume, *keypoints)))
            yield Stage(
                "warp + decode, bfloat16",
                published,
                lambda: near(fast_warp(volume, *keypoints)),
                tolerance=None,
            )


def _find_spectral_norm(conv: SpectralConv2d) -> None:
    """Power iteration, as training leaves it behind."""
    matrix = conv.weight_orig.flatten(1)
    for _ in range(15):
        conv.weight_v.copy_(torch.nn.functional.normalize(matrix.t() @ conv.weight_u, dim=0))
        conv.weight_u.copy_(torch.nn.functional.normalize(matrix @ conv.weight_v, dim=0))


def _registration(motion: nn.Module, appearance: nn.Module, random: Callable[..., Tensor]) -> Stage:
    """The networks of a video's registration; ours extracts appearance when a frame is drawn."""
    quick = faster(motion)
    images = torch.sigmoid(random(FRAMES, 3, 256, 256))

    def published() -> Tensor:
        for image in torch.split(images, 1):
            appearance(image)
        return torch.cat([motion(image)["exp"] for image in torch.split(images, 1)])

    return Stage("registration of a video's frame", published, lambda: quick(images)["exp"], FRAMES)


def check(stage: Stage) -> str:
    """The largest and the mean difference; raises when it is out of tolerance."""
    expected, found = stage.published(), stage.ours()
    error = (found - expected).abs()
    limit = None if stage.tolerance is None else stage.tolerance * max(1.0, expected.abs().max().item())
    if limit is not None and not error.max().item() <= limit:
        raise SystemExit(f"{stage.name}: ours differs by {error.max().item():.2g}, more than {limit:.2g}.")
    return f"{error.max().item():.1e}, {error.mean().item():.1e}"


def timed(run: Callable[[], Tensor], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def report(names: list[str], device: torch.device, repeat: int) -> None:
    print(f"\n{device}: {torch.get_num_threads()} thread(s) of {os.cpu_count()} cores, median of {repeat}")
    print(f"{'stage':34} {'published':>10} {'ours':>10} {'gain':>6}  max, mean difference")
    for stage in stages(names, device):
        difference = check(stage)
        pairs = [(timed(stage.published, device), timed(stage.ours, device)) for _ in range(repeat)]
        published, ours = (statistics.median(times) / stage.items for times in zip(*pairs, strict=True))
        print(f"{stage.name:34} {published:8.4f} s {ours:8.4f} s {published / ours:5.2f}x  {difference}")


def main() -> None:
    known = ["motion", "registration", "warp", "decode"]
    parser = argparse.ArgumentParser(description="Ditto's published order of operations against ours.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--stages", nargs="+", choices=known, default=known)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    with torch.inference_mode():
        for device in devices:
            report(options.stages, device, options.repeat)


if __name__ == "__main__":
    main()
