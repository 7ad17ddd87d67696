"""Speed and memory of super-resolution, with seeded weights in networks of the published size; and flicker.

    python -m benchmarks.superres [--methods GFPGAN both] [--sizes 256 512 1024] [--frames 2] [--device cpu]
                                  [--flicker-frames 6] [--lengths 50 200 800]

Speed: frames in which the head fills most of the width, rendered with half of their pixels. What the networks
paint with such weights is no face. Each row is a process of its own, for the memory's sake.

Flicker: the difference from frame to frame of a still portrait with a camera's grain, in levels of 255, in
the middle of the face, with two stand-ins for a restorer.

Memory over length: what longer clips take, with the sharpening stand-in; of pictures in memory, what is taken
beside those that go in and come out.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import ditto_core

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers.restorers import full_width, saved  # noqa: E402
from helpers.seeded_weights import fill_  # noqa: E402

from ditto_core.blend.restorers import Restorer, import_spandrel  # noqa: E402
from ditto_core.blend.superres import enhance, enhance_images  # noqa: E402
from ditto_core.blend.superres_plan import SuperResOptions  # noqa: E402
from ditto_core.data import Frames, RenderedRegion  # noqa: E402
from ditto_core.host import Host  # noqa: E402
from ditto_core.media.images import read_image  # noqa: E402
from ditto_core.sequences import ComputedSequence, TensorSequence  # noqa: E402

PORTRAIT = Path(ditto_core.__file__).parent / "assets" / "astronaut.png"
HEAD = np.s_[0:256, 96:352]
"""Where the portrait shows the head."""

FACE = np.s_[:, 70:150, 90:170]
"""The middle of the face in that part, at 256 pixels."""

GRAIN = 1.5
STEADINESS = (0, 2, 4)
MEGABYTE, GIGABYTE = 2**20, 2**30
METHODS: dict[str, tuple[str, ...]] = {
    "GFPGAN": ("gfpgan",),
    "CodeFormer": ("codeformer",),
    "both": ("gfpgan", "codeformer"),
    "RestoreFormer": ("restoreformer",),
    "RealESRGAN_x4plus": ("esrgan",),
}


def network(name: str) -> torch.nn.Module:
    """A network of the published size with seeded weights."""
    if name in ("gfpgan", "codeformer"):
        return fill_(full_width(name), f"latentsync/{name}")
    import_spandrel("spandrel")
    if name == "restoreformer":
        from spandrel.architectures.RestoreFormer import RestoreFormer

        return fill_(RestoreFormer(), "benchmarks/restoreformer")
    from spandrel.architectures.ESRGAN import ESRGAN

    return fill_(ESRGAN(), "benchmarks/esrgan", gain=0.1)


def clip(side: int, count: int, grain: float = 0.0) -> Frames:
    """The portrait's head, still, in frames of side x side pixels rendered with half as many."""
    picture = cv2.resize(read_image(PORTRAIT).numpy()[HEAD], (side, side), interpolation=cv2.INTER_CUBIC)
    random = np.random.default_rng(0)
    frames = [picture + random.normal(0, grain, picture.shape) for _ in range(count)]
    pixels = torch.from_numpy(np.clip(np.stack(frames), 0, 255).astype(np.uint8))
    return Frames(TensorSequence(pixels), Fraction(25), None, rendered(side, count))


def rendered(side: int, count: int) -> RenderedRegion:
    """The whole frame, rendered with half as many pixels."""
    scale = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 1]])
    return RenderedRegion(
        torch.ones(side // 2, side // 2), scale.expand(count, 3, 3), torch.ones(count).bool()
    )


def speed(method: str, side: int, count: int, device: torch.device, folder: Path) -> str:
    chain = [Restorer(folder / f"{name}.pth", device) for name in METHODS[method]]
    frames, _ = enhance(clip(side, count), lambda: chain, SuperResOptions("GFPGAN"), Host())
    begun, busy = time.perf_counter(), time.process_time()
    for _ in frames.images.batches():
        pass
    seconds, cpu = (time.perf_counter() - begun) / count, (time.process_time() - busy) / count
    memory = peak() / GIGABYTE
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated() / GIGABYTE
    return f"| {method} | {side} | {1 / seconds:.3f} | {cpu:.1f} s | {memory:.1f} GiB |"


def peak() -> int:
    """The most bytes this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class StandIn:
    """A restorer whose flicker is known: it does something to faces (B, 3, S, S) in 0..1."""

    kind, device = "GFPGAN", torch.device("cpu")

    def __init__(self, work: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.work = work

    def __call__(self, faces: torch.Tensor, _fidelity: float) -> torch.Tensor:
        return self.work(faces).clamp(0, 1)


def sharpened(faces: torch.Tensor) -> torch.Tensor:
    return faces + 2 * (faces - F.avg_pool2d(faces, 9, 1, 4, count_include_pad=False))


def noisy(faces: torch.Tensor) -> torch.Tensor:
    return faces + 0.12 * F.avg_pool2d(torch.randn(faces.shape), 3, 1, 1)


STAND_INS = {"sharpens, grain too": sharpened, "paints new noise each time": noisy}


def flicker(name: str, count: int) -> str:
    """A row: the grain itself, and with a stand-in at several amounts of steadiness."""

    def measured(steadiness: int) -> float:
        torch.manual_seed(0)
        chain = [cast(Restorer, StandIn(STAND_INS[name]))]
        options = SuperResOptions("GFPGAN", steadiness=steadiness)
        return difference(enhance(clip(256, count, GRAIN), lambda: chain, options, Host())[0].images[:])

    told = [difference(clip(256, count, GRAIN).images[:]), *(measured(frames) for frames in STEADINESS)]
    return f"| {name} | " + " | ".join(f"{value:.2f}" for value in told) + " |"


def held(kind: str, count: int, side: int = 256) -> str:
    """A row: the memory that a clip of `count` frames takes, of rendered ones or of pictures in memory."""
    (still,) = clip(side, 1).images[:]
    swaying = ComputedSequence(
        lambda start, stop: torch.stack([still.roll(i % 20, 1) for i in range(start, stop)]),
        count, tuple(still.shape), torch.uint8,
    )  # fmt: skip
    chain = [cast(Restorer, StandIn(sharpened))]
    options = SuperResOptions("GFPGAN", when="always")
    if kind == "rendered":
        frames = Frames(swaying, Fraction(25), None, rendered(side, count))
        for _ in enhance(frames, lambda: chain, options, Host())[0].images.batches():
            pass
        return f"| {kind} | {count} | {peak() / MEGABYTE:.0f} MB |"
    images = torch.empty(count, *still.shape)
    for number in range(count):
        images[number] = swaying[number] / 255
    result, _ = enhance_images(images, lambda: chain, options, Host())
    return f"| {kind} | {count} | {(peak() - images.nbytes - result.nbytes) / MEGABYTE:.0f} MB |"


def difference(pictures: torch.Tensor) -> float:
    return pictures[FACE].float().diff(dim=0).abs().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[256, 512, 1024])
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--flicker-frames", type=int, default=6)
    parser.add_argument("--lengths", nargs="*", type=int, default=[50, 200, 800])
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--row", type=Path, help=argparse.SUPPRESS)  # the folder of the networks' files
    parser.add_argument("--held", help=argparse.SUPPRESS)  # rendered or IMAGE
    options = parser.parse_args()
    if options.row:
        print(speed(options.methods[0], options.sizes[0], options.frames, options.device, options.row))
    elif options.held:
        print(held(options.held, options.lengths[0]))
    else:
        if options.sizes:
            tell_speed(options)
        if options.flicker_frames > 1:
            tell_flicker(options.flicker_frames)
        if options.lengths:
            tell_held(options.lengths)


def tell_speed(options: argparse.Namespace) -> None:
    common = ["--device", str(options.device), "--frames", str(options.frames)]
    print("| method | frame | frames a second | CPU time a frame | peak memory |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in {name for method in options.methods for name in METHODS[method]}:
            saved(Path(folder) / f"{name}.pth", network(name))
        for method in options.methods:
            for size in options.sizes:
                row("--row", folder, "--methods", method, "--sizes", str(size), *common)


def tell_flicker(count: int) -> None:
    print(f"\n| a restorer that | grain | {' | '.join(f'steadiness {n}' for n in STEADINESS)} |")
    print("|---" * (2 + len(STEADINESS)) + "|")
    for name in STAND_INS:
        print(flicker(name, count))


def tell_held(lengths: list[int]) -> None:
    print("\n| frames | how many | peak memory |\n|---|---|---|")
    for kind in ("rendered", "IMAGE"):
        for length in lengths:
            row("--held", kind, "--lengths", str(length))


def row(*arguments: str) -> None:
    command = [sys.executable, "-m", "benchmarks.superres", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
