"""Speed of Ditto: the published order of operations against ours, in one run, on the same weights.

    python -m benchmarks.ditto [--threads 1] [--repeat 3] [--devices cpu cuda] [--compile off]
                               [--stages motion registration warp decode both clip]

What the two ways are is in `ditto_ways`. They must agree before they are timed, in turn. With one thread,
times on the CPU are CPU seconds. `clip` is all but finding the face: a few frames of a video are registered,
a window of motion is drawn and stitched, and for as many frames the face is warped, decoded and put back on
pictures of 1280x720.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.ditto_ways import Ours, Published
from ditto_core.blend.composite import lay_on
from ditto_core.blend.masks import feathered_mask
from ditto_core.ditto.controls import ControlRows
from ditto_core.ditto.motion import from_vectors, to_vectors
from ditto_core.ditto.sampler import start_noise, step_noise
from ditto_core.ditto.stitch import MotionStitcher, StitchRules
from ditto_core.models.execution import COMPILE

STEPS = 50
"""Of a window: the default."""

CLIP_STEPS = 10
"""Of the window from which a clip takes its few frames."""
STAGES = ("motion", "registration", "warp", "decode", "both", "clip")
TO_ORIGINAL = np.array([[0.9, 0, 400], [0, 0.9, 120], [0, 0, 1]], np.float32)
"""Where the crop lies in a picture of 1280x720."""

Compute = Callable[[Published], Tensor]


@dataclass(frozen=True)
class Stage:
    """One row of the table, for `items` frames or windows.

    tolerance: how far ours may be from the published values, relative to the largest if that is above 1;
    checked in float32 only. halved: reduced precision changes something.
    """

    name: str
    compute: Compute
    items: int = 1
    tolerance: float = 1e-4
    halved: bool = False


@dataclass(frozen=True)
class Inputs:
    """Random inputs for `count` frames of a video and a window of motion."""

    count: int
    images: Tensor
    pictures: NDArray[np.uint8]
    volumes: Tensor
    features: Tensor
    kp_source: Tensor
    kp_driving: Tensor
    cond: Tensor
    noise: Tensor
    start: Tensor

    @classmethod
    def draw(cls, count: int, device: torch.device) -> Inputs:
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device)

        return cls(
            count,
            torch.sigmoid(random(count, 3, 256, 256)),
            np.random.default_rng(0).integers(0, 256, (count, 720, 1280, 3), np.uint8),
            random(count, 32, 16, 64, 64),
            random(count, 256, 64, 64),
            0.2 * random(count, 21, 3),
            0.2 * random(count, 21, 3),
            random(1, 80, 1103),
            step_noise(STEPS, generator).to(device),
            start_noise(generator).to(device),
        )


def stages(given: Inputs, device: torch.device) -> dict[str, Stage]:
    on_gpu = device.type != "cpu"
    before = torch.zeros(1, 265, device=device)
    few = given.count if on_gpu else 1
    volumes, features = given.volumes[:few], given.features[:few]
    points = given.kp_source[:few], given.kp_driving[:few]
    return {
        "motion": Stage(
            "window of 80 frames of motion",
            lambda way: way.window(given.cond, before, given.noise, given.start),
            tolerance=1e-3,
        ),
        "registration": Stage(
            "registration, a frame", lambda way: way.register(given.images)[0].exp, given.count
        ),
        "warp": Stage("warp, a frame", lambda way: way.warp(volumes, *points), few, halved=on_gpu),
        "decode": Stage("decode, a frame", lambda way: way.decode(features), few, halved=True),
        "both": Stage(
            "warp + decode, a frame", lambda way: way.decode(way.warp(volumes, *points)), few, halved=True
        ),
        # Pictures are cut off to whole levels: two that hardly differ may be two levels apart.
        "clip": Stage(
            f"clip of {given.count} frames", lambda way: clip(way, given), tolerance=2 / 255, halved=True
        ),
    }


def clip(way: Published, given: Inputs) -> Tensor:
    """Finished pictures (count, 720, 1280, 3) in 0..1, from a video's crops and a condition."""
    face, volumes = way.register(given.images)
    window = way.window(
        given.cond, to_vectors(face)[:1].to(way.device), given.noise[: CLIP_STEPS - 1], given.start
    )
    motion = from_vectors(window[0, : given.count].cpu())
    stitch = MotionStitcher(face, StitchRules(), way.stitch)
    source, driving = stitch(motion, torch.arange(given.count), ControlRows.none(given.count))
    mask = feathered_mask(512, 512)
    finished: list[NDArray[np.uint8]] = []
    for start in range(0, given.count, way.batch):
        rows = slice(start, start + way.batch)
        pictures = way.decode(way.warp(volumes(rows), source[rows], driving[rows]))
        faces = pictures.permute(0, 2, 3, 1).mul(255).cpu().contiguous().numpy()
        frames = [frame.copy() for frame in given.pictures[rows]]
        for frame, face in zip(frames, faces, strict=True):
            lay_on(frame, face, mask, TO_ORIGINAL)
        finished += frames
    return torch.from_numpy(np.stack(finished)) / 255


def report(names: list[str], device: torch.device, repeat: int, compile: str) -> None:
    where = f"{torch.get_num_threads()} thread(s) of {os.cpu_count()} cores" if device.type == "cpu" else ""
    print(f"\n{device} {where or torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}")
    print(f"{f'medians of {repeat}':40} {'published':>10} {'ours':>10} {'gain':>6}  max, mean difference")
    published = Published(device)
    exact, halved = (Ours(published, half=half, compile=compile) for half in (False, True))
    table = stages(Inputs.draw(2 if device.type == "cpu" else 8, device), device)
    for stage in (table[name] for name in names):
        ours = [exact, halved] if stage.halved else [exact]
        differences = _differences(stage, published, ours)
        before, *after = (seconds / stage.items for seconds in _medians(stage, [published, *ours], repeat))
        for way, now, difference in zip(ours, after, differences, strict=True):
            name = f"{stage.name}, {str(way.dtype).removeprefix('torch.')}"
            print(f"{name:40} {before:8.4f} s {now:8.4f} s {before / now:5.2f}x  {difference}", flush=True)


def _differences(stage: Stage, published: Published, ours: list[Ours]) -> list[str]:
    """The largest and the mean one of each way; raises when float32 is out of tolerance."""
    expected = stage.compute(published)
    limit = stage.tolerance * max(1.0, expected.abs().max().item())
    told: list[str] = []
    for way in ours:
        error = (stage.compute(way) - expected).abs()
        most = error.max().item()
        if way.dtype == torch.float32 and not most <= limit:
            raise SystemExit(f"{stage.name}: ours differs by {most:.2g}, more than {limit:.2g}.")
        told.append(f"{most:.1e}, {error.mean().item():.1e}")
    return told


def _medians(stage: Stage, ways: list[Published], repeat: int) -> list[float]:
    """Seconds of each way; the ways take turns, so that a busy machine slows all of them."""
    turns = [[_timed(stage.compute, way) for way in ways] for _ in range(repeat)]
    return [statistics.median(seconds) for seconds in zip(*turns, strict=True)]


def _timed(compute: Compute, way: Published) -> float:
    on_cpu = way.device.type == "cpu"
    clock = time.process_time if on_cpu and torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    compute(way)
    if not on_cpu:
        torch.cuda.synchronize(way.device)
    return clock() - start


def main() -> None:
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Ditto's published order of operations against ours.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--devices", nargs="+", default=devices)
    parser.add_argument("--compile", choices=COMPILE, default="off", help="on a GPU")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        for device in map(torch.device, options.devices):
            compile = "off" if device.type == "cpu" else options.compile
            report(options.stages, device, options.repeat, compile)


if __name__ == "__main__":
    main()
